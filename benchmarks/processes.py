"""Processes of a benchmark: how to start them, what they cost (from /proc), how to end them."""

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_TICK_MS = 1e3 / os.sysconf("SC_CLK_TCK")
_STOP_WITHIN_S = 15.0


def process_tree(pid: int) -> list[int]:
    """Return `pid` and all its descendants that are alive."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [pid]
    for parent in tree:  # grows while it is walked
        tree.extend(children.get(parent, []))
    return tree


def cpu_ms(pid: int) -> float:
    """Return user and system time that a process tree has used, ms (in steps of 10 ms)."""
    ticks = 0
    for member in process_tree(pid):
        if fields := _stat(member):
            ticks += int(fields[11]) + int(fields[12])
    return ticks * _TICK_MS


def main_thread_cpu_ms(pid: int) -> float:
    """Return the time that a process's first thread has run, ms (to the nanosecond)."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e6


def pss_bytes(pid: int) -> int:
    """Return the proportional set size of a process tree: shared pages are split, bytes."""
    total = 0
    for member in process_tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process that this one started: SIGTERM, time to finish, then SIGKILL to what stays."""
    family = {pid: _started(pid) for pid in process_tree(process.pid)}
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_WITHIN_S)
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = _still_alive(family)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        _wait_until_gone(family)
    process.wait()


def in_own_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `work` returns, called in a fresh process; raises EOFError if it raises.

    It collects no cyclic garbage: a load generator that pauses for that, 36 ms with the tasks of
    a flood, makes the server's answers late.

    Args:
        work: a function of a module, for the process imports it by its name.
        args: what it is called with; all must pickle.
        kwargs: likewise.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, args, kwargs))
    process.start()
    sender.close()
    try:
        result: T = receiver.recv()
    finally:
        process.join()
    return result


@contextlib.contextmanager
def pinned(cpus: int | None) -> Iterator[None]:
    """Let processes started inside the block use only the first `cpus` CPUs; None leaves all."""
    allowed = os.sched_getaffinity(0)
    if cpus is not None:
        os.sched_setaffinity(0, sorted(allowed)[:cpus])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _answer(
    sender: Pipe, work: Callable[..., object], args: tuple[object], kwargs: dict[str, object]
) -> None:
    gc.disable()
    sender.send(work(*args, **kwargs))


def _stat(pid: int) -> list[str]:
    """Return /proc/PID/stat from the state on (proc(5), field 3), or nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int) -> str:
    """Return the start time, which tells a process from a later one with its pid."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else ""


def _still_alive(family: dict[int, str]) -> list[int]:
    return [pid for pid, started in family.items() if started and _started(pid) == started]


def _wait_until_gone(family: dict[int, str]) -> None:
    give_up = time.monotonic() + _STOP_WITHIN_S / 3
    while _still_alive(family) and time.monotonic() < give_up:
        time.sleep(0.02)
