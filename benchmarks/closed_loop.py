"""Closed loop: each of N clients sends its next request when it has the last answer.

`wrk` does it where it is installed (Debian: apt-get install wrk), at 0.01 to 0.03 of a core. The
fallback is Python over raw sockets, which takes about a tenth of a core from the server.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.raw_client import post_for
from benchmarks.traffic import LoadResult, Traffic

_SCRIPT = Path(__file__).with_name("wrk.lua")
_RESULT = re.compile(
    r"^RESULT requests=(\d+) duration_us=(\d+) p50_us=(\d+) p99_us=(\d+) "
    r"status=(\d+) failed=(\d+)$",
    re.MULTILINE,
)
_TIMEOUT_S = 30


def closed_loop(port: int, traffic: Traffic, clients: int, seconds: float) -> LoadResult:
    """Send `traffic` over `clients` kept-alive connections.

    Args:
        port: of a server on loopback.
        traffic: sent in turn.
        clients: connections, one request at a time on each.
        seconds: how long; wrk takes whole seconds, at least one.
    """
    program = shutil.which("wrk")
    if program is None:
        return post_for(port, traffic, clients, seconds)
    return _wrk(program, port, traffic, clients, max(1, round(seconds)))


def parse_wrk(output: str) -> LoadResult:
    """Read the line that wrk.lua writes at the end.

    Raises:
        RuntimeError: there is none.
    """
    found = _RESULT.search(output)
    if found is None:
        raise RuntimeError(f"wrk gave no result: {output[-500:]}")
    requests, duration, p50, p99, status, failed = map(int, found.groups())
    return LoadResult(duration / 1e6, requests - status, status, failed, p50 / 1e3, p99 / 1e3)


def _wrk(program: str, port: int, traffic: Traffic, clients: int, seconds: int) -> LoadResult:
    with tempfile.TemporaryDirectory(prefix="featherbox-bench-") as folder:
        for number, body in enumerate(traffic.bodies):
            (Path(folder) / f"{number}.body").write_bytes(body)
        command = [
            program, "--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s",
            "--timeout", f"{_TIMEOUT_S}s", "--script", str(_SCRIPT), f"http://127.0.0.1:{port}",
            "--", folder, str(len(traffic.bodies)), traffic.content_type, *traffic.paths,
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds + 2 * _TIMEOUT_S
        )
    if done.returncode:
        raise RuntimeError(f"wrk: {done.stderr.strip()}")
    return parse_wrk(done.stdout)
