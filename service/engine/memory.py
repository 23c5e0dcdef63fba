"""Memory of this process, from the kernel."""

import ctypes
import os
from pathlib import Path


def resident_bytes() -> int:
    """Return the resident set size (field 2 of /proc/self/statm, in pages), bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def give_back_memory() -> None:
    """Return freed memory to the kernel; glibc keeps most of it otherwise.

    Other C libraries have no such call, and then nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
