"""Refuses files made of absurdly many tiny pieces, before a parser walks over all of them.

Pillow reads the segments of a JPEG, the chunks of a PNG and the blocks of a GIF one by one in
Python: 20 MB of the smallest pieces take it 5 to 31 s and up to 670 MB. Here the walk ends at the
limit, which a photo with colour profile, thumbnail and 20 MB of 8 kB chunks is far below.
"""

from service.errors import DamagedImage

MOST_PIECES = 16_384
# So many pieces of a few bytes do not fit in less, and most photos on their way to a small net
# are smaller.
_SMALL_BYTES = 65_536

_START_OF_SCAN = 0xDA
# Markers that stand alone: padding, TEM, restarts, start and end of image.
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})


def check_pieces(data: bytes) -> None:
    """Refuse a JPEG, PNG or GIF whose beginning is made of more than `MOST_PIECES`.

    Raises:
        DamagedImage: there are too many pieces.
    """
    if len(data) < _SMALL_BYTES:
        return
    if data.startswith(b"\xff\xd8"):
        _walk_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        _walk_png(data)
    elif data.startswith(b"GIF8"):
        _walk_gif(data)


def _walk_jpeg(data: bytes) -> None:
    """Walk to the first scan."""
    position, pieces, end = 2, 0, len(data) - 3
    while position < end:
        pieces += 1
        if pieces > MOST_PIECES:
            raise _too_many("JPEG")
        marker = data[position + 1]
        if data[position] != 0xFF:  # junk, which a parser skips byte by byte
            following = data.find(b"\xff", position)
            pieces += following - position if following > 0 else end
            position = following if following > 0 else end
        elif marker == _START_OF_SCAN:
            return
        elif marker == 0xFF:
            position += 1
        elif marker in _ALONE:
            position += 2
        else:
            position += 2 + (data[position + 2] << 8 | data[position + 3] or 2)


def _walk_png(data: bytes) -> None:
    position = 8
    for _ in range(MOST_PIECES):
        if position + 8 > len(data) or data[position + 4 : position + 8] == b"IEND":
            return
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    raise _too_many("PNG")


def _walk_gif(data: bytes) -> None:
    """Walk to the first frame: extensions are a label and blocks of up to 255 bytes."""
    if len(data) < 14:
        return
    position = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    inside = False
    for _ in range(MOST_PIECES):
        if position >= len(data):
            return
        byte = data[position]
        if inside:
            inside, position = byte != 0, position + 1 + byte
        elif byte == 0x21:
            inside, position = True, position + 2
        elif byte in {0x2C, 0x3B}:
            return
        else:
            position += 1
    raise _too_many("GIF")


def _too_many(image_format: str) -> DamagedImage:
    return DamagedImage(
        f"The {image_format} file is made of more than {MOST_PIECES} pieces: save it anew."
    )
