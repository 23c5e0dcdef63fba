"""Memory of this process, from the kernel."""

import os
from pathlib import Path


def resident_bytes() -> int:
    """Return the resident set size (field 2 of /proc/self/statm, in pages), bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
