"""Multipart forms, byte by byte."""

from collections.abc import Mapping

BOUNDARY = "=_feather"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(data: bytes, disposition: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return one part; `disposition` is what follows `form-data; `."""
    lines = {"Content-Disposition": f"form-data; {disposition}", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"--{BOUNDARY}\r\n{head}\r\n".encode() + data + b"\r\n"


def image_part(data: bytes, filename: str = "a.png") -> bytes:
    """Return a part as browsers and curl send it."""
    return part(data, f'name="image"; filename="{filename}"', {"Content-Type": "image/png"})


def form(*parts: bytes) -> bytes:
    """Return a whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
