"""What is checked of every request's head beyond what the parser checks."""

from service.errors import HeadTooLarge, MalformedRequest

Headers = list[tuple[bytes, bytes]]

_LINE_EXTRA = 4  # ": " and the line's end
_ONLY_ONCE = frozenset({b"host", b"content-length", b"content-type", b"content-encoding"})


def check_head(
    url: bytes, headers: Headers, by_name: dict[bytes, bytes], version: str, most_headers: int
) -> None:
    """Refuse a head that two servers could read in two ways.

    Args:
        url: the request's target.
        headers: as sent, names in lower case.
        by_name: the same; of one sent twice the last.
        version: of HTTP, such as 1.1.
        most_headers: how many are allowed.

    Raises:
        HeadTooLarge: there are too many headers.
        MalformedRequest: the version is another, Host is missing, or a header that may be there
            once is there twice.
    """
    if len(headers) > most_headers:
        raise HeadTooLarge(f"The request has more than the {most_headers} headers allowed.")
    if version not in ("1.1", "1.0"):
        raise MalformedRequest("The request is of another version than HTTP/1.1.")
    if b"host" not in by_name and version == "1.1":
        raise MalformedRequest("The request has no Host header.")
    if len(by_name) != len(headers):
        names = [name for name, _ in headers if name in _ONLY_ONCE]
        if len(set(names)) != len(names):
            raise MalformedRequest("A header that may be there once is there twice.")
    if not url.isascii():
        raise MalformedRequest("The request's target has bytes outside ASCII: percent-encode them.")


def head_bytes(url: bytes, headers: Headers) -> int:
    """Return the size of a head, about."""
    return len(url) + sum(len(name) + len(value) + _LINE_EXTRA for name, value in headers)
