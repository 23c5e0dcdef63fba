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
    """Milliseconds of one image on one thread, by model: the median of each round."""

    by_round: dict[str, list[float]]

    def median_ms(self, name: str) -> float:
        """Return the median over all rounds."""
        return statistics.median(self.by_round[name])

    def speed_ratio(self, name: str, other: str) -> float:
        """Return how many times faster `name` is than `other`: the median of the rounds' ratios.

        Within a round both met the same load, so this is steadier than a ratio of medians.
        """
        pairs = zip(self.by_round[other], self.by_round[name], strict=True)
        return statistics.median(theirs / own for theirs, own in pairs)


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
    by_round: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            times = [_time_once(session, image) for _ in range(_RUNS_A_ROUND)]
            by_round[name].append(statistics.median(times))
    return Timings(by_round)


def measured_facts(timings: Timings, name: str, parent: str | None) -> dict[str, Any]:
    """Return the content of measured.json."""
    host = describe_host()
    facts: dict[str, Any] = {
        "host": {"cpu": host.cpu, "isa": list(host.isa), "onnxruntime": host.onnxruntime},
        "batch": 1,
        "threads": 1,
        "rounds": len(timings.by_round[name]),
        "median_ms": round(timings.median_ms(name), 3),
        "parent": None,
    }
    if parent is not None:
        facts["parent"] = {
            "name": parent,
            "median_ms": round(timings.median_ms(parent), 3),
            "speed_ratio": round(timings.speed_ratio(name, parent), 2),
        }
    return facts


def _time_once(session: Session, image: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    session.run(image)
    return (time.perf_counter() - started) * 1e3
