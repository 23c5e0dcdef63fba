"""How fast, beside what. Every figure is a ratio or a median taken in one run."""
