"""Rows 25 and 26: no room on disk, and a clock that jumps."""

import re
import time
from pathlib import Path

from benchmarks.photos import make_photos
from benchmarks.reliability.clients import Clients, Fate
from benchmarks.reliability.files.forms import CONTENT_TYPE, form, image_part
from benchmarks.reliability.files.images import encode, scene
from benchmarks.reliability.row import Faults, Options, Outcome, scratch
from benchmarks.reliability.serving import MODEL, serving
from benchmarks.server import request
from service.settings import Settings

# A shell that lets no file grow: what a full disk, or one that is read-only, does.
_NO_ROOM = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")
_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/lib64")


def no_room(options: Options) -> Outcome:
    """Row 25."""
    faults, large = Faults(), encode(scene((2400, 2000)), "BMP")
    limit = Settings().max_body_bytes
    raw = large + bytes(limit - len(large))  # the rest is ignored
    variables = {"TMPDIR": "/nonexistent", "HOME": "/nonexistent"}
    # what the server prints goes through a pipe, since files have no room
    with serving(
        options.repository, models=MODEL, prefix=(*_NO_ROOM, *_THROUGH_PIPE), variables=variables
    ) as server:
        status, _ = server.post(raw)
        faults.check(f"{len(raw) / 1e6:.0f} MB", status == 200, status)
        form_body = form(image_part(large))
        status, _ = request(server.port, "POST", "/classify", form_body, CONTENT_TYPE)
        faults.check(f"a form of {len(form_body) / 1e6:.0f} MB", status == 200, status)
        batch = form(image_part(large), image_part(large))
        status, _ = request(server.port, "POST", "/classify/batch", batch, CONTENT_TYPE)
        faults.check("a batch", status == 200, status)
        for path in ("/livez", "/readyz", "/metrics", "/models"):
            status, _ = server.get(path)
            faults.check(path, status == 200, status)
        faults.check("the server lives", server.alive)
    return Outcome(
        f"{faults.passed} of {faults.tried}", "uploads up to the limit work, health answers",
        not faults.names, note=faults.note() or "no file may grow, no temporary folder, no home",
    )  # fmt: skip


_THROUGH_PIPE = ("sh", "-c", '"$@" 2>&1 | cat >/dev/null', "sh")


def clock_jumps(options: Options) -> Outcome:
    """Row 26."""
    target = "0 errors, deadlines as they are"
    library = _faketime()
    if library is None:
        return Outcome("libfaketime is not installed", target, None, note="apt install faketime")
    photo, faults = make_photos(1)[0], Faults()
    with scratch() as folder:
        clock = Path(folder) / "clock"
        clock.write_text("+0\n")
        variables = {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        with serving(options.repository, models=MODEL, variables=variables) as server:
            clients = Clients(server.port, photo)
            with clients.asking(2):
                for jump in ("+1h", "-1h", "+0"):
                    time.sleep(max(2.2, options.seconds / 4))
                    clock.write_text(f"{jump}\n")
                time.sleep(2.2)
            stamps = server.log_text()
            faults.check("a deadline", server.post(photo)[0] == 200)
            faults.check("alive", server.alive and server.get("/readyz")[0] == 200)
    jumped = _hours(stamps)
    errors = len(clients.fates) - clients.count(Fate.ANSWERED)
    return Outcome(
        f"{errors} errors of {len(clients.fates)}",
        target,
        not errors and not faults.names and jumped,
        note=faults.note()
        or ("the log's clock jumped by an hour to and fro" if jumped else "the clock never jumped"),
    )


def _faketime() -> Path | None:
    candidates = [Path(folder) / "faketime/libfaketimeMT.so.1" for folder in _LIBRARIES]
    return next((path for path in candidates if path.exists()), None)


def _hours(log: str) -> bool:
    """Return whether the log has times that are an hour apart, forwards and backwards."""
    stamps = re.findall(r'"time":"\d+-\d+-\d+T(\d\d):', log.replace(" ", ""))
    return len(set(stamps)) >= 3
