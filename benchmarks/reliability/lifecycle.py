"""Rows 17 to 21: a worker is killed, the service is told to stop, it starts, it gets stuck."""

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

from benchmarks.engine import version_folder
from benchmarks.photos import make_photos
from benchmarks.processes import process_tree
from benchmarks.reliability.clients import Clients, Fate
from benchmarks.reliability.files.artifacts import write_artifact
from benchmarks.reliability.files.graphs import endless_on_blue
from benchmarks.reliability.files.images import photo
from benchmarks.reliability.row import Faults, Options, Outcome, scratch
from benchmarks.reliability.serving import MODEL, Server, serving, until
from service.engine.watchdog import EXIT_STUCK
from service.settings import Settings

_CLIENTS = 4
_WINDOW_S = 0.5
_BACK = 0.85
_MOST_START_S = 3.0
_GRACE_S = 5.0


def worker_killed(options: Options) -> Outcome:
    """Row 17."""
    before_s = max(1.5, options.seconds / 4)
    with serving(options.repository, models=MODEL, workers=2, worker_threads=1) as server:
        until(lambda: len(_workers(server)) == 2, 10)
        clients = Clients(server.port, make_photos(1)[0])
        longest_gap = 0.0
        with clients.asking(_CLIENTS):
            time.sleep(1 + before_s)
            victim, killed = _workers(server)[0], time.monotonic()
            os.kill(victim, signal.SIGKILL)
            last = killed
            while time.monotonic() - killed < 4 + options.seconds / 4:
                if server.get("/readyz")[0] == 200:
                    longest_gap, last = max(longest_gap, time.monotonic() - last), time.monotonic()
                time.sleep(0.05)
        replaced = len(_workers(server)) == 2 and victim not in _workers(server)
    before = clients.rate(killed - before_s, killed)
    back = _back_after(clients, killed, _BACK * before)
    cut = clients.count(Fate.CUT) + clients.count(Fate.NOT_TAKEN)
    return Outcome(
        f"{cut} failed, back after {back:.1f} s, health unanswered {longest_gap:.1f} s",
        f"at most {_CLIENTS} in flight, 2 s, 1 s",
        cut <= _CLIENTS and back <= 2 and longest_gap <= 1 and replaced,
        note=f"one of 2 workers; {before:.0f}/s before it; {clients.count(Fate.ANSWERED)} answered",
    )


def _workers(server: Server) -> list[int]:
    """Return the worker processes; the supervisor has a helper beside them."""
    return [pid for pid in process_tree(server.pid)[1:] if b"spawn_main" in _command(pid)]


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _back_after(clients: Clients, since: float, rate: float) -> float:
    """Return when the first dip below `rate` after `since` was over, s; 0 if there was none."""
    end, at, low = max((at for at, *_ in clients.fates), default=since), since, False
    while at + _WINDOW_S < end:
        if clients.rate(at, at + _WINDOW_S) < rate:
            low = True
        elif low:
            return at - since
        at += 0.1
    return float("inf") if low else 0.0


def stopped_under_load(options: Options) -> Outcome:
    """Row 18."""
    grace = Settings().shutdown_timeout_s
    with serving(options.repository, models=MODEL) as server:
        clients = Clients(server.port, make_photos(1)[0], asks_first=True)
        with clients.asking(2 * _CLIENTS):
            time.sleep(max(1.0, options.seconds / 4))
            server.process.send_signal(signal.SIGTERM)
            took = until(lambda: not server.alive, grace + 10)
            time.sleep(0.3)
        code = server.process.returncode
    lost = clients.count(Fate.LOST)
    return Outcome(
        f"{lost} lost, exit {code} after {took:.1f} s",
        f"0 lost, exit 0 or 143 within {grace} s",
        not lost and took <= grace and code in {0, 143} and clients.statuses() <= {503},
        note=f"{clients.count(Fate.ANSWERED)} answered; refused with {clients.statuses() or 'none'}"
        f"; {clients.count(Fate.NOT_TAKEN)} not taken afterwards; a request counts as accepted "
        "from 100 Continue on",
    )


def stopped_beside_half_sent(options: Options) -> Outcome:
    """Row 19."""
    head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    sent = [b""] * 50 + [head] * 50 + [head + b"Content-Length: 9999\r\n\r\nx"] * 50
    with (
        serving(options.repository, models=MODEL, shutdown_timeout_s=3) as server,
        contextlib.ExitStack() as open_,
    ):
        for first in sent:
            connection = socket.create_connection(("127.0.0.1", server.port), 10)
            open_.enter_context(connection).sendall(first)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        took = until(lambda: not server.alive, 30)
        code = server.process.returncode
    return Outcome(
        f"exit {code} after {took:.1f} s", f"within {_GRACE_S:g} s",
        took <= _GRACE_S and code in {0, 143},
        note=f"{len(sent)} silent and half-sent sockets, FEATHERBOX_SHUTDOWN_TIMEOUT_S=3",
    )  # fmt: skip


def cold_start(options: Options) -> Outcome:
    """Row 20."""
    data = (version_folder(options.repository, MODEL) / "selftest.jpg").read_bytes()
    early: dict[int, int] = {}
    labels = set()
    started = time.monotonic()
    with serving(options.repository, ready=None) as server:
        ready = 0.0
        while not ready and time.monotonic() - started < 60:
            status, document = server.post(data)
            if status == 200:
                labels.add(document["predictions"][0]["label"])
                ready = time.monotonic() - started
            else:
                early[status] = early.get(status, 0) + 1
                time.sleep(0.005)
        until(lambda: server.get("/readyz")[0] == 200, 30)
        all_ready = time.monotonic() - started
        expected = server.post(data)[1]["predictions"][0]["label"]
    wrong = set(early) - {0, 503}
    return Outcome(
        f"{ready:.2f} s to the first answer, {all_ready:.2f} s to /readyz",
        f"at most {_MOST_START_S:g} s; only 503 before, no wrong answer",
        all_ready <= _MOST_START_S and not wrong and labels == {expected},
        note=f"asked all the while: {early.get(0, 0)} not yet listening, {early.get(503, 0)} x 503",
    )


def stuck(options: Options) -> Outcome:
    """Row 21."""
    limit = Settings().watchdog_s if options.seconds >= 5 else 6.0
    data = photo("blue")
    with scratch() as folder:
        write_artifact(Path(folder), graph=endless_on_blue())
        with (
            serving(
                Path(folder), default_model="colours", worker_threads=1, watchdog_s=limit
            ) as server,
            socket.create_connection(("127.0.0.1", server.port)) as client,
        ):
            head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(data) + data)
            began = time.monotonic()
            unready = until(lambda: server.get("/readyz")[0] != 200, 20, 0.05)
            until(lambda: not server.alive, limit + 10)
            ended, code = time.monotonic() - began, server.process.returncode
            said = "stuck" in server.log_text()
    faults = Faults()
    faults.check("status", code == EXIT_STUCK, code)
    faults.check("the log says why", said)
    return Outcome(
        f"not ready after {unready:.1f} s, exit {code} after {ended:.1f} s",
        "at most 5 s, 30 s",
        unready <= 5 and ended <= 30 and not faults.names,
        note=faults.note()
        or f"an inference without end, FEATHERBOX_WATCHDOG_S={limit:g}; a "
        "process that is stopped as a whole (SIGSTOP) can only be seen from outside",
    )
