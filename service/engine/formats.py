"""Names of file formats that are recognised only to be refused with a useful answer."""

_ISO_BRANDS = {
    b"heic": "HEIC (iPhone photo)",
    b"heix": "HEIC (iPhone photo)",
    b"hevc": "HEIC (iPhone photo)",
    b"heim": "HEIC (iPhone photo)",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"crx ": "Canon CR3 raw",
}

_SIGNATURES = (
    (b"II*\x00", "TIFF or camera raw"),
    (b"MM\x00*", "TIFF or camera raw"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "PSD"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"DDS ", "DDS"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM video"),
    (b"P4", "PNM"),
    (b"P5", "PNM"),
    (b"P6", "PNM"),
    (b"qoif", "QOI"),
)


def name_of_unsupported(head: bytes) -> str | None:
    """Name the format that the first bytes belong to, or None if they tell nothing.

    Args:
        head: the first bytes of the file, 512 are plenty.
    """
    if head[4:8] == b"ftyp":
        return _ISO_BRANDS.get(head[8:12], "MP4 or QuickTime video")
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or b"<svg" in start:
        return "SVG"
    if start.startswith((b"<!doctype html", b"<html")):
        return "HTML"
    if start.startswith((b"http://", b"https://")):
        return "A URL (images are never fetched: send the bytes)"
    return None
