"""Counts of the work that Python does for one request, by thread; they do not wobble as times do.

`sys.setprofile` sees every call of a Python function and every call from Python into C, on the
thread of the event loop and on the worker threads alike, once the hook is there before a thread
starts. The server is the real one on loopback, in this process. Some of the accounting is put
off and done for several requests at once, so a batch of requests is counted until all of it is
done and divided by their number. Ticks of the server's clock add to a batch: the lowest counts.
"""

import contextlib
import gc
import socket
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType

import uvicorn

from benchmarks.raw_client import read_answer
from benchmarks.server import free_port, is_ready
from benchmarks.traffic import Traffic
from service.app import create_app
from service.server import server_config
from service.settings import Settings

LOOP_THREAD = "event-loop"
_BATCHES = 3
_REQUESTS = 40  # of a batch
_WARM_UP = 80  # caches and the buckets of the latency window fill up
_LEAK_REQUESTS = 60
_SETTLE_S = 0.15  # after it, nothing that was put off is left to do
_READY_WITHIN_S = 30.0


@dataclass(slots=True)
class _Hook:
    """Counts calls by thread and kind while `on`."""

    on: bool = False
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, _frame: FrameType, event: str, _argument: object) -> None:
        if self.on and event in {"call", "c_call"}:
            thread = "event loop" if threading.current_thread().name == LOOP_THREAD else "worker"
            self.counts[thread, event] += 1


def count_calls(settings: Settings, photo: bytes) -> dict[str, int]:
    """Return what one POST /classify of raw bytes costs.

    Args:
        settings: of the server; its port is replaced by a free one.
        photo: a file small enough to arrive in one read (below 32 kB).

    Returns:
        Calls of Python and C functions on the event loop and on the worker, the peak of memory
        that Python allocated during a request (bytes), and blocks kept after it.
    """
    hook = _Hook()
    with _profiled(hook), _serving(settings) as port, _Client(port, photo) as client:
        for _ in range(_WARM_UP):
            client.post()
        client.post(settle_s=_SETTLE_S)
        counts = [_one_batch(hook, client) for _ in range(_BATCHES)]
        peak = min(_peak_bytes(client) for _ in range(_BATCHES))
        kept = _kept_blocks(client)
    calls = {
        f"{thread} {'Python' if event == 'call' else 'C'} calls": round(
            min(count[thread, event] for count in counts) / _REQUESTS
        )
        for thread in ("event loop", "worker")
        for event in ("call", "c_call")
    }
    return {**calls, "peak of allocated bytes": peak, "blocks kept by a request": kept}


class _Client:
    """One kept-alive connection on the main thread, whose own calls are not counted."""

    def __init__(self, port: int, photo: bytes) -> None:
        self._request = Traffic((photo,)).requests()[0]
        self._connection = socket.create_connection(("127.0.0.1", port))

    def __enter__(self) -> "_Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def post(self, *, settle_s: float = 0.0) -> None:
        """Send one request and read its answer; then leave the server time."""
        self._connection.sendall(self._request)
        status = read_answer(self._connection)
        if status != 200:
            raise RuntimeError(f"the server answered {status}")
        time.sleep(settle_s)


def _one_batch(hook: _Hook, client: _Client) -> Counter[tuple[str, str]]:
    hook.counts = Counter()
    hook.on = True
    for _ in range(_REQUESTS):
        client.post()
    time.sleep(_SETTLE_S)
    hook.on = False
    return hook.counts


def _peak_bytes(client: _Client) -> int:
    """Return the most memory that Python and numpy held above what they held before, bytes."""
    tracemalloc.start()
    try:
        client.post(settle_s=_SETTLE_S)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _kept_blocks(client: _Client) -> int:
    """Return the memory blocks that a request leaves behind, to the nearest whole one."""
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(_LEAK_REQUESTS):
        client.post()
    time.sleep(_SETTLE_S)
    gc.collect()
    return round((sys.getallocatedblocks() - before) / _LEAK_REQUESTS)


@contextlib.contextmanager
def _profiled(hook: _Hook) -> Iterator[None]:
    """Give every thread that starts in the block the hook; no collection falls into a count."""
    threading.setprofile(hook)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        threading.setprofile(None)


@contextlib.contextmanager
def _serving(settings: Settings) -> Iterator[int]:
    """Run the server on a thread of this process; yield its port."""
    port = free_port()
    served = settings.model_copy(update={"host": "127.0.0.1", "port": port})
    server = uvicorn.Server(server_config(create_app(served)))
    thread = threading.Thread(target=server.run, name=LOOP_THREAD)
    thread.start()
    try:
        give_up = time.monotonic() + _READY_WITHIN_S
        while not is_ready(port):
            if time.monotonic() > give_up or not thread.is_alive():
                raise RuntimeError("the server did not become ready")
            time.sleep(0.01)
        yield port
    finally:
        server.should_exit = True
        thread.join()
