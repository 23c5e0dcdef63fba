"""What a JPEG costs beyond its pixels.

A baseline JPEG in one scan is decoded row by row, and at a smaller scale where that is enough.
Any other (progressive, or its colours in scans of their own) is held whole: 2 bytes for each
pixel and colour at the full scale, 370 MB for 64 megapixels. And each further scan is another
pass over the whole picture: one of a hundred bytes cost 65 ms at 64 megapixels, so that a file
of 20 MB could keep a thread busy for hours. The JPEG library leaves both limits to its caller.
"""

import numpy as np

from service.errors import ImageTooLarge

# About half a second. Encoders make 10 to 15 scans; 16 megapixels may have 31.
_MOST_SCANNED_PIXELS = 500_000_000

_BASELINE = frozenset({0xC0, 0xC1})
_START_OF_SCAN = 0xDA
# Tables and application data: segments with a length, which say nothing of the frame.
_OTHER_SEGMENTS = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})


def check_scans(data: bytes | memoryview, width: int, height: int, most_pixels: int) -> bool:
    """Refuse a JPEG that would be held whole and is too large for that, or has too many scans.

    Returns whether it is held whole.

    Args:
        data: the file's bytes.
        width, height: of the picture, px, by its header.
        most_pixels: that may be held.

    Raises:
        ImageTooLarge: see above.
    """
    if is_one_baseline_scan(data):
        return False
    if width * height > most_pixels:
        raise ImageTooLarge(
            f"The JPEG has {width} x {height} pixels and is progressive, the limit for such is "
            f"{most_pixels}: save it as a baseline JPEG, or scale it down before sending."
        )
    if count_scans(data) * width * height > _MOST_SCANNED_PIXELS:
        raise ImageTooLarge("The JPEG has far too many scans: save it as a baseline JPEG.")
    return True


def is_one_baseline_scan(data: bytes | memoryview) -> bool:
    """Return whether the first scan of a baseline JPEG holds all its colours.

    Only what is surely so counts: an unusual marker before the first scan gives False.
    """
    at, colours, size = 2, 0, len(data)
    while at + 9 < size and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a byte of padding
            at += 1
            continue
        if marker == _START_OF_SCAN:
            return colours > 0 and data[at + 4] == colours
        if marker in _BASELINE:
            colours = data[at + 9]
        elif marker not in _OTHER_SEGMENTS:
            return False
        at += 2 + (data[at + 2] << 8 | data[at + 3])
    return False


def count_scans(data: bytes | memoryview) -> int:
    """Return how often the bytes of the marker that begins a scan occur; inside a scan never."""
    values = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero((values[:-1] == 0xFF) & (values[1:] == _START_OF_SCAN)))
