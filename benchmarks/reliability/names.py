"""Row 16: names of models that are no names, and which files the server opens meanwhile."""

import http.client
import os
import sys
from pathlib import Path
from urllib.parse import quote

from benchmarks.photos import make_photos
from benchmarks.reliability.row import Faults, Options, Outcome, scratch
from benchmarks.reliability.serving import MODEL, Server, serving, yardstick
from benchmarks.server import ROOT

# Those that Triton's tests try, and more; {} is a model that exists.
NAMES = (
    "../etc", "a/../b", "..", ".", "/etc/passwd", "{}/..", "{}/1", "{}/../{}", " ..", ".. ", " ",
    "\t", "....//", "..\\..\\", "{}\x00", "{}:../1", "{}:0", "{}:-1", "{}:99", "file:///etc/passwd",
    "http://127.0.0.1/a.onnx", "{}/1/model.onnx", "~root", "$HOME", "%2e%2e%2f", "a" * 120,
    "a" * 10_000, "\u202e{}", "{}\n", "CON",
)  # fmt: skip

# Writes down the path of every file that Python opens, once the environment names a log.
_HOOK = """
import os, sys
_log = os.open(os.environ["OPENED_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def _note(event, arguments):
    if event in ("open", "os.listdir", "os.scandir", "socket.connect"):
        os.write(_log, (event + " " + repr(arguments[0]) + "\\n").encode())
sys.addaudithook(_note)
"""


def model_names(options: Options) -> Outcome:
    """Row 16."""
    photo = make_photos(1)[0]
    with scratch() as folder:
        (Path(folder) / "sitecustomize.py").write_text(_HOOK)
        log = Path(folder) / "opened"
        path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH", ""))))
        variables = {"PYTHONPATH": path, "OPENED_LOG": str(log)}
        with serving(options.repository, models=MODEL, variables=variables) as server:
            server.post(photo)
            assert log.read_text(), "the audit hook is not in place"
            before = log.stat().st_size
            faults = _attack(server, photo)
            opened = log.read_text()[before:].splitlines()
    # its own code is read for the line that a message of the framework names
    inside = (str(options.repository.resolve()), str(ROOT / "service"), sys.prefix)
    outside = [line for line in opened if not any(folder in line for folder in inside)]
    other = ""
    if options.yardstick:
        with yardstick(options) as server:
            found = _attack(server, photo)
            other = f"{found.passed} of {found.tried} (it takes no model)"
    return Outcome(
        f"{faults.passed} of {faults.tried} are 404 or 422, {len(outside)} files opened",
        "all, 0 outside the models",
        faults.tried >= 40 and not faults.names and not outside,
        other,
        faults.note() or "; ".join(outside[:3]) or f"{len(opened)} files opened in all",
    )


def _attack(server: Server, photo: bytes) -> Faults:
    """Send each name as a parameter, in the path as it is, and in the path with escapes."""
    faults = Faults()
    for template in NAMES:
        name = template.replace("{}", MODEL)
        escaped = quote(name, safe="")
        targets = [("POST", f"/classify?model={escaped}"), ("GET", f"/v2/models/{escaped}/config")]
        if not {*name} & {" ", "\t", "\n", "\x00"} and name.isascii():
            targets.append(("GET", f"/models/{name}"))
        for method, target in targets:
            status = _status(server.port, method, target, photo if method == "POST" else None)
            right = {404, 422, 405, 431} if len(name) > 1000 else {404, 422}
            faults.check(f"{method} {target[:60]!r}", status in right, status)
    return faults


def _status(port: int, method: str, target: str, body: bytes | None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        if body is not None:
            connection.putheader("Content-Type", "image/jpeg")
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
