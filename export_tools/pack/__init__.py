"""From a graph to an archive of entropy-coded weights, and back; see docs/pack.md."""
