"""The server as a process of its own, started as an operator starts it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.server import audit
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
_LISTENS = re.compile(r"listening on (http://[0-9.]+:[0-9]+)")


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment (which has no settings of Featherbox) with these."""
    return dict(os.environ) | settings


def run_cli(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class ServerProcess:
    """A running `featherbox serve`."""

    def __init__(self, *arguments: str, prefix: Sequence[str] = (), **settings: str) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "service.cli", "serve", "--port", "0", *arguments],
            cwd=ROOT,
            env=environment(**settings),
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait_until(lambda: self.ended or bool(self.url), "the server listens")
        assert not self.ended, self.lines
        self.client = httpx.Client(
            base_url=self.url, timeout=30.0, event_hooks={"response": [audit]}
        )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def url(self) -> str:
        found = (_LISTENS.search(line) for line in self.lines)
        return next((match[1] for match in found if match), "")

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or 80

    def records(self) -> list[dict[str, Any]]:
        """Return the log, whose every line must be one JSON object."""
        return [json.loads(line) for line in self.lines]

    def record_of(self, request_id: str) -> dict[str, Any]:
        """Return the line of one request, once it is there."""

        def found() -> list[dict[str, Any]]:
            return [r for r in self.records() if r.get("request_id") == request_id]

        wait_until(lambda: bool(found()), f"the log has the request {request_id}")
        return found()[0]

    def wait_ready(self) -> None:
        wait_until(lambda: self.client.get("/readyz").is_success, "the server is ready")

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._process.kill()

    def hang_up(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def workers(self) -> list[int]:
        """Return the process ids of its workers, if it has several."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [c for c in map(int, children) if b"spawn_main" in _command_of(c)]

    def wait(self) -> int:
        """Return the exit status; negative for a signal."""
        status = self._process.wait(timeout=60)
        self._reader.join(timeout=60)
        return status

    def close(self) -> None:
        self.client.close()
        if not self.ended:
            self._process.kill()
        self.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self.lines.append(line.rstrip("\n"))


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@contextmanager
def server_process(
    *arguments: str, prefix: Sequence[str] = (), **settings: str
) -> Iterator[ServerProcess]:
    """Run `featherbox serve` until the block ends; `prefix` is a command that runs it."""
    process = ServerProcess(*arguments, prefix=prefix, **settings)
    try:
        yield process
    finally:
        process.close()
