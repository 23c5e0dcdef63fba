"""Image bytes to an RGB (or grey) Pillow image, under limits, with the pixels still unturned.

The header is read first: format, size and limits are decided before any pixel is decoded.
A JPEG much larger than needed is decoded at a smaller DCT scale (`Image.draft`), and one that
has to be held whole is bounded by its full size (`jpeg_scans`). Orientation is returned, not
applied, so that only the few pixels of the crop have to be turned.

Colour: alpha is laid over white, 16-bit grey is scaled (not clipped), CMYK and palettes become
RGB. An embedded ICC profile is not applied, as in the pipelines the weights were trained with.
An animation counts as its first frame.
"""

import math
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from service.engine.effort import begin_long
from service.engine.formats import name_of_unsupported
from service.engine.jpeg_scans import check_scans
from service.engine.pieces import check_pieces
from service.errors import DamagedImage, EmptyBody, ImageTooLarge, UnsupportedMedia

ACCEPTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_ACCEPTED_TEXT = "JPEG, PNG, WebP, GIF or BMP"

# Converted at once: 4 bytes a pixel fit into a processor's cache a few times.
_STRIP_PIXELS = 262_144

# Pillow hands 64 kB at a time to its decoder. Where those end, the decoder goes back to the last
# whole block of pixels, and each time the GIL is given away and taken again.
_READ_AT_ONCE = 1_048_576

# Pillow's decoder of WebP holds the picture about twice as often as the others do.
_WEBP_COPIES = 2

# From so many pixels on, decoding takes ten times as long as a small net's inference, or more.
_LONG_PIXELS = 4_000_000
_CHEAPER_BASELINE = 8  # times: a baseline JPEG, which is decoded at a smaller scale

# What Pillow raises on damaged input (its own fuzz tests list the same). Their text can hold
# heap addresses (CVE-2026-22778), so it is dropped and never chained into a log.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    NotImplementedError,
    AssertionError,  # a PNG of palette indices without a palette
    struct.error,
)

# Warnings of Pillow would go to standard error with its own text in them. The one that matters
# (between one and two times its own limit it only warns) becomes an error.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Largest images that are decoded, in pixels, and how much of a JPEG at least.

    A JPEG is decoded at a half, a quarter or an eighth of its size where that leaves `reducing_gap`
    times the pixels that it is resized to, each way.
    """

    header_pixels: int = 64_000_000
    decoded_pixels: int = 16_000_000
    reducing_gap: float = 2.0


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """Pixels in mode RGB or L as they are stored, and the EXIF orientation (1 to 8).

    `size` is the file's width and height, px; `pixels` may be `reduction` times smaller each way.
    The last column and row then show less than that where the size is no multiple of it.
    """

    pixels: Image.Image
    orientation: int
    size: tuple[int, int]
    reduction: float = 1.0

    @property
    def upright_size(self) -> tuple[int, int]:
        """The file's width and height after turning, px."""
        width, height = self.size
        return (height, width) if self.orientation >= 5 else (width, height)


def decode_image(data: bytes | memoryview, limits: DecodeLimits, shorter_side: int) -> DecodedImage:
    """Decode the first frame.

    Args:
        data: the file's bytes.
        limits: pixel limits, from the header and after any scaled decoding.
        shorter_side: the shorter side that the caller will resize to, px.

    Raises:
        EmptyBody, UnsupportedMedia, ImageTooLarge, DamagedImage: see `service.errors`.
    """
    if not data:
        raise EmptyBody("The image is empty: send the bytes of a photo.")
    data = bytes(data)  # no copy if they are bytes
    check_pieces(data)
    image = _open(data)
    width, height = image.size
    if width * height > limits.header_pixels:
        raise _too_large(width, height, limits.header_pixels)
    size, reduction = (width, height), 1.0
    cost = width * height
    if image.format in {"JPEG", "MPO"}:
        if not check_scans(data, width, height, limits.decoded_pixels):
            cost //= _CHEAPER_BASELINE
        least = math.ceil(limits.reducing_gap * shorter_side)
        if drafted := image.draft(None, (least, least)):
            reduction = width / drafted[1][2]
        width, height = image.size
    most = limits.decoded_pixels
    if image.format == "WEBP":
        most //= _WEBP_COPIES
    if width * height > most:
        raise _too_large(width, height, most)
    if cost > _LONG_PIXELS:
        begin_long()
    try:
        image.load()
        orientation = _orientation(image)
        pixels = _to_rgb_or_grey(image)
        if pixels.im.mode != pixels.mode:  # seen of a damaged file: it cannot be resized
            raise ValueError
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(width, height, limits.decoded_pixels) from None
    except DECODER_ERRORS:
        raise DamagedImage(
            f"The {image.format} image is damaged or cut short: send the complete file."
        ) from None
    return DecodedImage(pixels, orientation, size, reduction)


def _open(data: bytes) -> Image.Image:
    """Read the header with the decoders of the accepted formats only."""
    try:
        image = Image.open(BytesIO(data), formats=ACCEPTED_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageTooLarge(
            "The image has far too many pixels: scale it down before sending."
        ) from None
    except UnidentifiedImageError:
        raise _unidentified(data[:512]) from None
    except DECODER_ERRORS:
        raise DamagedImage("The image's header is damaged: send the complete file.") from None
    image.decodermaxblock = _READ_AT_ONCE
    if image.format == "GIF" and image.mode == "L":
        # Its frame has a grey palette; Pillow would lay the whole file's palette over it.
        image.palette = None
    return image


def _unidentified(head: bytes) -> DamagedImage | UnsupportedMedia:
    """Say what the bytes are instead, and what to do."""
    if _claims_accepted_format(head):
        return DamagedImage(
            "The bytes begin like an accepted format and its header is damaged: "
            "send the complete file."
        )
    found = name_of_unsupported(head)
    if found is None:
        return UnsupportedMedia(f"The bytes are no image of an accepted format: {_ACCEPTED_TEXT}.")
    return UnsupportedMedia(f"{found} is not accepted: convert it to {_ACCEPTED_TEXT}.")


def _claims_accepted_format(head: bytes) -> bool:
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return riff or head.startswith(
        (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM")
    )


def _too_large(width: int, height: int, limit: int) -> ImageTooLarge:
    return ImageTooLarge(
        f"The image has {width} x {height} pixels, the limit is {limit}: "
        "scale it down before sending."
    )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; a damaged or missing tag counts as upright (1)."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        return 1
    return value if value in range(1, 9) else 1


def _to_rgb_or_grey(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "L") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _in_strips(image, "L", _deep_to_grey)
    if image.has_transparency_data:
        return _in_strips(image, "RGB", _over_white)
    return image.convert("RGB")


def _in_strips(
    image: Image.Image, mode: str, convert: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """Convert a few rows at a time: whole, the steps between would be held for each pixel."""
    if image.width * image.height <= _STRIP_PIXELS:
        return convert(image)
    converted = Image.new(mode, image.size)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        converted.paste(convert(image.crop(box)), box)
    return converted


def _deep_to_grey(image: Image.Image) -> Image.Image:
    """Scale 16 bits to 8; Pillow's own conversion clips at 255."""
    values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")
