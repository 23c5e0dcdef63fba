"""A server to measure: the real command in a process of its own, on a free port of loopback."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import cpu_ms, pinned, pss_bytes, stop

ROOT = Path(__file__).resolve().parent.parent
_READY_WITHIN_S = 90.0
_POLL_S = 0.005

Environment = Mapping[str, str]
Probe = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that has answered, with its place and what it costs."""

    port: int
    pid: int
    started_in_s: float

    def cpu_ms(self) -> float:
        """CPU time of the server and its children since their start, ms."""
        return cpu_ms(self.pid)

    def pss_mb(self) -> float:
        """Proportional set size of the server and its children, MB (10^6 bytes)."""
        return pss_bytes(self.pid) / 1e6


@contextlib.contextmanager
def running(
    command: Sequence[str],
    port: int,
    environment: Environment,
    answers: Probe,
    *,
    log: Path | None = None,
    cpus: int | None = None,
) -> Iterator[RunningServer]:
    """Run a command until the block ends; yield once `answers(port)` holds.

    Args:
        command: program and arguments.
        port: where it will listen, on loopback.
        environment: variables beside those of this process.
        answers: asked every 5 ms.
        log: file for what it prints; None lets it print here.
        cpus: how many CPUs it may use; None is all.

    Raises:
        RuntimeError: the command ended, or did not answer within 90 s.
    """
    started = time.perf_counter()
    with pinned(cpus), contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("wb")) if log else None
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        while not answers(port):
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {process.returncode}")
            if time.perf_counter() - started > _READY_WITHIN_S:
                raise RuntimeError(f"{command[0]} did not answer within {_READY_WITHIN_S:g} s")
            time.sleep(_POLL_S)
        yield RunningServer(port, process.pid, time.perf_counter() - started)
    finally:
        stop(process)


@contextlib.contextmanager
def running_server(
    repository: Path,
    *,
    answers: Probe | None = None,
    cpus: int | None = None,
    **settings: str,
) -> Iterator[RunningServer]:
    """Run `featherbox serve` on a model repository until the block ends.

    Args:
        repository: the model repository.
        answers: when it counts as started; by default when /readyz says 200.
        cpus: how many CPUs it may use; None is all.
        settings: the server's settings by name.
    """
    port = free_port()
    quiet = {"log_level": "error", "benchmark_when_idle": "false"}
    values = {**quiet, **settings, "port": str(port), "host": "127.0.0.1"}
    values["model_repository"] = str(repository.resolve())
    environment = {f"FEATHERBOX_{name.upper()}": value for name, value in values.items()}
    command = [sys.executable, "-m", "service.cli", "serve"]
    with running(command, port, environment, answers or is_ready, cpus=cpus) as server:
        yield server


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_ready(port: int) -> bool:
    """Return whether GET /readyz says 200."""
    return request(port, "GET", "/readyz")[0] == 200


def request(
    port: int, method: str, path: str, body: bytes | None = None, content_type: str = "image/jpeg"
) -> tuple[int, bytes]:
    """Send one request on a connection of its own; return status (0: no answer) and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": content_type} if body is not None else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
