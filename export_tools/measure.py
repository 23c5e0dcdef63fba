"""How fast is a model on this host? Timings go into measured.json, never into the manifest."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.host import describe_host
from service.engine.session import OrtSession, Session, SessionOptions

ROUNDS = 40
_RUNS_A_ROUND = 3


@dataclass(frozen=True, slots=True)
class Timings:
    """Median milliseconds of one image on one thread, by model."""

    median_ms: dict[str, float]
    rounds: int


def time_side_by_side(
    graphs: dict[str, bytes], image: NDArray[np.uint8], rounds: int = ROUNDS
) -> Timings:
    """Time graphs in turns, so that whatever else the host does meets all of them.

    Args:
        graphs: serialised graphs by name.
        image: uint8 [1, 3, height, width].
        rounds: how often each has its turn of three runs.
    """
    one_thread = SessionOptions(intra_op_threads=1)
    sessions = {name: OrtSession(graph, one_thread) for name, graph in graphs.items()}
    spent: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            spent[name] += [_time_once(session, image) for _ in range(_RUNS_A_ROUND)]
    return Timings({name: statistics.median(times) for name, times in spent.items()}, rounds)


def measured_facts(timings: Timings, name: str, parent: str | None) -> dict[str, Any]:
    """Return the content of measured.json."""
    host = describe_host()
    own = timings.median_ms[name]
    facts: dict[str, Any] = {
        "host": {"cpu": host.cpu, "isa": list(host.isa), "onnxruntime": host.onnxruntime},
        "batch": 1,
        "threads": 1,
        "rounds": timings.rounds,
        "median_ms": round(own, 3),
        "parent": None,
    }
    if parent is not None:
        other = timings.median_ms[parent]
        facts["parent"] = {
            "name": parent,
            "median_ms": round(other, 3),
            "speed_ratio": round(other / own, 2),
        }
    return facts


def _time_once(session: Session, image: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    session.run(image)
    return (time.perf_counter() - started) * 1e3
