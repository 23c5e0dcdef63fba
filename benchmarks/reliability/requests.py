"""Row 13: requests of every kind that must be tried, over raw sockets, with the status of each."""

import contextlib
import json
import socket
from collections.abc import Iterator

from benchmarks.reliability.files.forms import BOUNDARY, CONTENT_TYPE, form, image_part, part
from benchmarks.reliability.files.hostile import hostile_files
from benchmarks.reliability.files.images import encode, photo, scene
from benchmarks.reliability.row import Faults, Options, Outcome
from benchmarks.reliability.serving import MODEL, serving

Case = tuple[str, bytes, set[int]]
"""A name, all that is sent, and the statuses that are right; 0 is a close without an answer."""

_ANSWER_WITHIN_S = 20.0
_PHOTO = encode(scene((320, 240)), "JPEG")
_HOST = "Host: localhost"


def request_classes(options: Options) -> Outcome:
    """Row 13."""
    faults, address = Faults(), 0
    with serving(options.repository, models=MODEL) as server:
        for name, sent, right in cases():
            received = exchange(server.port, sent)
            faults.check(name, status_of(received) in right, status_of(received))
            address += b"0x" in received
            if not server.alive:
                faults.check(f"the server lives after {name}", False)
                break
        log = server.log_text()
    faults.check("no heap address in answers", not address, address)
    faults.check("no traceback in the log", "Traceback" not in log)
    faults.check("every line of the log is JSON", _is_json_lines(log))
    return Outcome(
        f"{faults.passed} of {faults.tried}", "all, of at least 120",
        faults.tried >= 120 and not faults.names, note=faults.note(),
    )  # fmt: skip


def cases() -> Iterator[Case]:
    """Yield every case."""
    for name, data, right in hostile_files():
        yield f"image: {name}", post(data, "image/png"), right
    yield "image: nothing", post(b"", "image/png"), {400}
    yield from _forms()
    yield from _file_names()
    yield from _framing()
    yield from _heads()
    yield from _methods_and_paths()
    yield from _parameters()
    yield from _tensors()


def post(body: bytes, content_type: str, path: str = "/classify", *more: str) -> bytes:
    """Return a whole POST."""
    return raw(
        f"POST {path} HTTP/1.1", _HOST, f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}", *more, body=body,
    )  # fmt: skip


def raw(*lines: str, body: bytes = b"") -> bytes:
    """Return a head of these lines and a body."""
    return "\r\n".join((*lines, "", "")).encode("utf-8", "surrogateescape") + body


def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes on a connection of their own, say that there are no more, read to the end."""
    received = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), _ANSWER_WITHIN_S) as connection,
    ):
        with contextlib.suppress(OSError):
            connection.sendall(sent)
        while not is_whole(received):
            piece = connection.recv(65536)
            if not piece:
                break
            received += piece
    return received


def is_whole(received: bytes) -> bool:
    """Return whether the first answer is there in full, by its Content-Length."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found or head.startswith(b"HTTP/1.1 1"):
        return False
    lengths = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return bool(lengths) and len(body) >= lengths[0]


def status_of(received: bytes) -> int:
    """Return the status of the first final answer, 0 if there is none."""
    for line in received.split(b"\r\n"):
        if line.startswith(b"HTTP/1.1 ") and not line.startswith(b"HTTP/1.1 1"):
            return int(line.split()[1])
    return 0


def _is_json_lines(log: str) -> bool:
    try:
        return all(isinstance(json.loads(line), dict) for line in log.splitlines())
    except ValueError:
        return False


def _forms() -> Iterator[Case]:
    good, other = image_part(_PHOTO), part(b"x", 'name="a"')
    end = f"--{BOUNDARY}--\r\n".encode()
    bodies: dict[str, tuple[bytes, set[int]]] = {
        "an image": (form(good), {200}),
        "an image among other fields": (form(other, good, other), {200}),
        "no field": (end, {400}),
        "a field of another name": (form(other), {400}),
        "two images": (form(good, good), {413}),
        "a field without a file name": (form(part(_PHOTO, 'name="image"')), {200}),
        "an empty image": (form(image_part(b"")), {400}),
        "1,001 parts": (form(*[other] * 1001), {413}),
        "a header of 5 kB": (form(part(_PHOTO, 'name="image"', {"X": "a" * 5000})), {400}),
        "9 headers": (
            form(part(_PHOTO, 'name="image"', {f"X-{i}": "a" for i in range(9)})), {400},
        ),
        "cut short": (good, {400}),
        "no form at all": (b"x" * 100, {400}),
        "a URL for an image": (form(part(b"http://127.0.0.1/a.png", 'name="image"')), {415}),
    }  # fmt: skip
    for name, (body, right) in bodies.items():
        yield f"form: {name}", post(body, CONTENT_TYPE), right
    whole = form(good)
    yield "form: no boundary", post(whole, "multipart/form-data"), {400}
    long = "multipart/form-data; boundary=" + "b" * 300
    yield "form: boundary of 300 bytes", post(whole, long), {400}
    yield "form: nested", post(whole, f"multipart/mixed; boundary={BOUNDARY}"), {415}
    yield "form: urlencoded", post(b"image=x", "application/x-www-form-urlencoded"), {415}
    yield "form: JSON", post(b'{"image": "x"}', "application/json"), {415}
    yield "form: text", post(_PHOTO, "text/plain"), {415}
    yield "form: no type", raw(
        "POST /classify HTTP/1.1", _HOST, f"Content-Length: {len(_PHOTO)}", body=_PHOTO
    ), {200}  # fmt: skip
    batch = form(*[good] * 33)
    yield "form: 33 images in a batch", post(batch, CONTENT_TYPE, "/classify/batch"), {413}


def _file_names() -> Iterator[Case]:
    names = {
        "composed": "\u00e9.png", "decomposed": "e\u0301.png", "right to left": "\u202egnp.exe",
        "emoji": "\U0001f431.png", "a path": "../../etc/passwd", "64 kB": "a" * 3000,
        "escapes": "\x1b[31m.png", "percent": "%00%2e%2e.png",
        "RFC 2231": "a.png\"; filename*=UTF-8''%e2%82%ac.png; x=\"",
        "no UTF-8": "\udcff\udcfe.png",
    }  # fmt: skip
    for name, text in names.items():
        disposition = f'name="image"; filename="{text}"'
        head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
        data = head.encode("utf-8", "surrogateescape") + _PHOTO
        body = data + f"\r\n--{BOUNDARY}--\r\n".encode()
        yield f"file name: {name}", post(body, CONTENT_TYPE), {200}


def _framing() -> Iterator[Case]:
    start, octets = "POST /classify HTTP/1.1", "Content-Type: image/jpeg"
    chunked = "Transfer-Encoding: chunked"
    lines: dict[str, tuple[str, ...]] = {
        "both lengths": ("Content-Length: 4", chunked),
        "two lengths": ("Content-Length: 4", "Content-Length: 5"),
        "negative length": ("Content-Length: -1",),
        "signed length": ("Content-Length: +5",),
        "length that is no number": ("Content-Length: five",),
        "endless length": (f"Content-Length: {'9' * 40}",),
        "unknown coding": ("Transfer-Encoding: xchunked",),
        "coding before the last": ("Transfer-Encoding: chunked, gzip",),
        "folded header": ("Content-Length: 5", "X: a", " b"),
        "space before the colon": ("Content-Length: 5", "X : a"),
        "control character": ("Content-Length: 5", "X: a\x01b"),
        "upgrade": ("Content-Length: 5", "Connection: upgrade", "Upgrade: h2c"),
    }
    for name, more in lines.items():
        yield f"framing: {name}", raw(start, _HOST, octets, *more, body=b"xxxxx"), {400, 413}
    yield "framing: no host", raw(start, octets, "Content-Length: 0"), {400}
    yield "framing: bad chunk", raw(start, _HOST, chunked, body=b"zz\r\n"), {400}
    size = f"{len(_PHOTO):x}\r\n".encode()
    whole = size + _PHOTO + b"\r\n0\r\n\r\n"
    yield "framing: chunked photo", raw(start, _HOST, octets, chunked, body=whole), {200}
    extension = size[:-2] + b";" + b"x" * 1_000_000
    yield "framing: endless chunk extension", raw(start, _HOST, chunked, body=extension), {0, 400}
    yield "framing: gzip", post(_PHOTO, "image/jpeg", "/classify", "Content-Encoding: gzip"), {415}
    large = ("Content-Length: 30000000", "Expect: 100-continue")
    yield "framing: too long, asked first", raw(start, _HOST, octets, *large), {413}
    many = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    yield "framing: chunks over the limit", raw(
        start, _HOST, octets, chunked, body=many * 21
    ), {413}  # fmt: skip


def _heads() -> Iterator[Case]:
    get = "GET /livez HTTP/1.1"
    yield "head: 200 kB", raw(get, _HOST, f"X: {'a' * 200_000}"), {431}
    yield "head: 5,000 headers", raw(get, _HOST, *["X: a"] * 5000), {431}
    yield "head: long target", raw(f"GET /{'a' * 100_000} HTTP/1.1", _HOST), {431}
    yield "head: another host", raw(get, "Host: a/../b"), {200, 400}
    yield "head: range", raw(get, _HOST, "Range: bytes=" + ",".join(["0-1"] * 900)), {200}
    yield "head: HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}
    yield "head: TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50), {400}
    yield "head: text", b"hello\r\n\r\n", {400}
    yield "head: no version", b"GET /\r\n\r\n", {400}


def _methods_and_paths() -> Iterator[Case]:
    for method in ("GET", "HEAD", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH"):
        end = raw(f"{method} /classify HTTP/1.1", _HOST, "Connection: close")
        yield f"method: {method}", end, {405}
    yield "method: unknown", raw("FETCH /classify HTTP/1.1", _HOST), {400}
    targets = {"@evil/h": {400}, "//evil/h": {404}, "/../etc/passwd": {404}, "/%00": {404}}
    targets |= {
        "http://evil/livez": {200, 400, 404},
        "/classify/": {404},
        "/.git/config": {404},
    }
    for target, right in targets.items():
        yield f"target: {target}", raw(f"GET {target} HTTP/1.1", _HOST), right


def _parameters() -> Iterator[Case]:
    for query in ("top_k=0", "top_k=-1", "top_k=1e9", "top_k=1001", "top_k=x", f"top_k={'9' * 99}"):
        yield f"parameter: {query[:20]}", post(_PHOTO, "image/jpeg", f"/classify?{query}"), {422}
    for value in ("0", "-5", "x", "1e3"):
        header = f"X-Request-Timeout-Ms: {value}"
        yield f"timeout: {value}", post(_PHOTO, "image/jpeg", "/classify", header), {422}


def _tensors() -> Iterator[Case]:
    path, kind = f"/v2/models/{MODEL}/infer", "application/json"
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 3, 1, 1], "data": [0, 0, 0]}
    changes: dict[str, dict[str, object]] = {
        "another size": {}, "negative size": {"shape": [-1, 3, 224, 224]},
        "endless product": {"shape": [1, 3, 224, 10**30]}, "wrong type": {"datatype": "FP32"},
        "no such type": {"datatype": "X"}, "another name": {"name": "x"}, "no data": {"data": None},
        "nine axes": {"shape": [1] * 9},
    }  # fmt: skip
    for name, change in changes.items():
        body = json.dumps({"inputs": [{**tensor, **change}]}).encode()
        yield f"v2: {name}", post(body, kind, path), {400}
    bodies = {
        "no JSON": b"x", "an array": b"[]", "no inputs": b"{}", "half": b'{"inputs": [',
        "deep": b"[" * 120 + b"]" * 120, "deeper": b"[" * 100_000 + b"]" * 100_000,
        "NaN": b'{"inputs": [{"name": "image", "datatype": "UINT8", "shape": [NaN]}]}',
        "Infinity": b'{"id": Infinity, "inputs": []}', "no UTF-8": b'{"id": "\xff"}',
    }  # fmt: skip
    for name, body in bodies.items():
        yield f"v2: {name}", post(body, kind, path), {400}
    twice = {"inputs": [tensor], "outputs": [{"name": "label"}] * 2}
    yield "v2: an output twice", post(json.dumps(twice).encode(), kind, path), {400}
    for length in ("3", "-1", "two", "9" * 400):
        header = f"Inference-Header-Content-Length: {length}"
        yield f"v2: header length {length[:9]}", post(b"{}", kind, path, header), {400}
    gone = post(photo(), kind, "/v2/models/none/infer")
    yield "v2: no such model", gone, {404}
