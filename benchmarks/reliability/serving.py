"""Servers to break: ours and the yardstick, each a process of its own whose log is kept."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.engine import version_folder
from benchmarks.processes import process_tree, stop
from benchmarks.reliability.row import Options, scratch
from benchmarks.rivals.job import environment_of
from benchmarks.server import ROOT, free_port, is_ready, request

MODEL = "squeezenet1_1-int8"
_READY_WITHIN_S = 90.0
_UVICORN = ("--host", "127.0.0.1", "--log-level", "warning", "--no-access-log")


@dataclass(slots=True)
class Server:
    """A server under test."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def log_text(self) -> str:
        """Return what it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def rss_mb(self) -> float:
        """Resident set of the process and its children, MB."""
        return sum(_status_kb(pid, "VmRSS") for pid in process_tree(self.pid)) / 1e3

    def peak_mb(self) -> float:
        """Largest resident set since the start or `forget_peak`, MB."""
        return _status_kb(self.pid, "VmHWM") / 1e3

    def forget_peak(self) -> None:
        """Begin to count the peak anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - names alone

    def threads(self) -> int:
        """Threads."""
        return _status_kb(self.pid, "Threads")

    def get(self, path: str) -> tuple[int, Any]:
        """GET a JSON document; status 0 and None if there is no answer."""
        status, body = request(self.port, "GET", path)
        try:
            return status, json.loads(body)
        except ValueError:
            return status, None

    def post(self, body: bytes, path: str = "/classify") -> tuple[int, Any]:
        """POST an image as raw bytes; return status and document."""
        status, answer = request(self.port, "POST", path, body, "application/octet-stream")
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, None

    def until(self, holds: Callable[[], bool], within_s: float) -> float:
        """Wait until something holds; return the seconds it took, or infinity."""
        return until(holds, within_s)


@contextlib.contextmanager
def serving(
    repository: Path,
    *,
    cpu: int | None = None,
    prefix: Sequence[str] = (),
    variables: dict[str, str] | None = None,
    ready: Callable[[int], bool] | None = is_ready,
    **settings: object,
) -> Iterator[Server]:
    """Run `featherbox serve` until the block ends.

    Args:
        repository: the model repository.
        cpu: the only CPU that it may use, by its place among ours; None is all.
        prefix: a command that runs it.
        variables: of its environment.
        ready: when the block begins; None is at once.
        settings: the server's, by name.
    """
    port = free_port()
    values = {
        "log_level": "info", "log_format": "json", "host": "127.0.0.1", "port": port,
        "benchmark_when_idle": False, "model_repository": repository.resolve(), **settings,
    }  # fmt: skip
    own = {f"FEATHERBOX_{name.upper()}": str(value) for name, value in values.items()}
    command = [*prefix, sys.executable, "-m", "service.cli", "serve"]
    with _running(command, port, {**own, **(variables or {})}, cpu, ready) as server:
        yield server


@contextlib.contextmanager
def yardstick(options: Options, *, cpu: int | None = None) -> Iterator[Server]:
    """Run a plain FastAPI handler on the same model: one uvicorn process, `def`, a thread pool."""
    port = free_port()
    variables = dict(environment_of(version_folder(options.repository, MODEL), "plain"))
    app = "benchmarks.rivals.apps.good_fastapi:app"
    command = [sys.executable, "-m", "uvicorn", *_UVICORN, "--port", str(port), app]

    def answers(at: int) -> bool:
        return request(at, "GET", "/openapi.json")[0] == 200

    with _running(command, port, variables, cpu, answers) as server:
        yield server


@contextlib.contextmanager
def on_cpu(place: int | None) -> Iterator[None]:
    """Run this thread, and what it starts, on one CPU: by its place, the last if it is beyond."""
    allowed = os.sched_getaffinity(0)
    if place is not None:
        ordered = sorted(allowed)
        os.sched_setaffinity(0, {ordered[min(place, len(ordered) - 1)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def until(holds: Callable[[], bool], within_s: float, every_s: float = 0.01) -> float:
    """Wait until something holds; return the seconds it took, or infinity."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > within_s:
            return float("inf")
        time.sleep(every_s)
    return time.monotonic() - started


def timed_post(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes, float]:
    """POST an image over a kept connection; return status (0: none), body and milliseconds."""
    started = time.perf_counter()
    try:
        headers = {"Content-Type": "application/octet-stream"}
        connection.request("POST", "/classify", body, headers)
        answer = connection.getresponse()
        status, text = answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        status, text = 0, b""
    return status, text, (time.perf_counter() - started) * 1e3


@contextlib.contextmanager
def _running(
    command: Sequence[str],
    port: int,
    variables: dict[str, str],
    cpu: int | None,
    ready: Callable[[int], bool] | None,
) -> Iterator[Server]:
    with scratch() as folder:
        log = Path(folder) / "log"
        with on_cpu(cpu), log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **variables}, stdout=output, stderr=output
            )
        server = Server(port, process, log)
        try:
            if ready:
                until(lambda: not server.alive or ready(port), _READY_WITHIN_S)
                if not server.alive:
                    raise RuntimeError(f"the server ended: {server.log_text()[-300:]}")
            yield server
        finally:
            stop(process)


def _status_kb(pid: int, name: str) -> int:
    """Return a number of /proc/PID/status; kB where it has a unit, 0 if the process is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
