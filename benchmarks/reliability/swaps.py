"""Versions of the default model are swapped under load: failed requests, latency and memory.

Each cycle publishes a version, removes the one before, sends SIGHUP and waits until the new one
answers; memory is read when the server has tidied up.
"""

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.engine import manifest_of, shipped_in, version_folder
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser
from benchmarks.photos import make_photos
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import RunningServer, request, running_server
from benchmarks.summary import Row, percentile
from service.engine.manifest import MANIFEST_FILE

_CYCLES = 20
_TIDY_S = 3.0
_GIVE_UP_S = 60.0


class _Client(threading.Thread):
    """Asks one request after the other and notes version and time of each answer."""

    def __init__(self, port: int, photo: bytes) -> None:
        super().__init__(daemon=True)
        self.times_ms: list[float] = []
        self.failed = 0
        self.version = ""
        self.done = threading.Event()
        self._port, self._photo = port, photo

    def run(self) -> None:
        while not self.done.is_set():
            started = time.perf_counter()
            status, body = request(self._port, "POST", "/classify", self._photo)
            self.times_ms.append((time.perf_counter() - started) * 1e3)
            if status == 200:
                self.version = json.loads(body)["version"]
            else:
                self.failed += 1


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__, rounds=1)
    parser.add_argument("--cycles", type=int, default=_CYCLES, help=f"default {_CYCLES}")
    options = parser.parse_args()
    machine = describe_machine()
    say(headline(machine))
    name = shipped_in(options.repository)[0]
    with tempfile.TemporaryDirectory(prefix="featherbox-swaps-") as folder:
        copy = Path(folder) / "models"
        _publish(options.repository, name, copy, 1)
        with running_server(copy, default_model=name) as server:
            rows = _swap(server, options.repository, name, copy, options.cycles)
    print_table(rows)
    save_rows(rows, "swaps", machine, options.save)


def _swap(server: RunningServer, repository: Path, name: str, copy: Path, cycles: int) -> list[Row]:
    client = _Client(server.port, make_photos()[0])
    client.start()
    rows: list[Row] = []
    for version in range(1, cycles + 2):
        if version > 1:
            _publish(repository, name, copy, version)
            shutil.rmtree(copy / name / str(version - 1))
            os.kill(server.pid, signal.SIGHUP)
        _wait_for(client, str(version))
        time.sleep(_TIDY_S)
        times, client.times_ms = client.times_ms, []
        rows.append(
            {
                "version": version,
                "requests": len(times),
                "failed": client.failed,
                "p50_ms": percentile(times, 0.5),
                "p99_ms": percentile(times, 0.99),
                "slowest_ms": max(times),
                "pss_mb": server.pss_mb(),
            }
        )
    client.done.set()
    client.join()
    return rows


def _publish(repository: Path, name: str, copy: Path, version: int) -> None:
    """Copy the model as another version and move it to its place in one step."""
    written = copy / ".unpublished" / str(version)
    shutil.copytree(version_folder(repository, name), written)
    manifest = manifest_of(repository, name).model_copy(update={"version": version})
    (written / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
    (copy / name).mkdir(exist_ok=True)
    written.rename(copy / name / str(version))


def _wait_for(client: _Client, version: str) -> None:
    give_up = time.monotonic() + _GIVE_UP_S
    while client.version != version:
        if time.monotonic() > give_up:
            raise RuntimeError(f"version {version} does not answer")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
