"""What measured.json says; how long things take is not asserted."""

from export_tools.measure import Timings, measured_facts, time_side_by_side
from tests.export_tools.conftest import random_planes


def test_models_are_timed_in_turns(tiny_graph: bytes) -> None:
    timings = time_side_by_side({"a": tiny_graph, "b": tiny_graph}, random_planes(1), rounds=3)
    assert {name: len(times) for name, times in timings.by_round.items()} == {"a": 3, "b": 3}
    assert all(time > 0 for times in timings.by_round.values() for time in times)


def test_the_ratio_is_that_of_the_same_round() -> None:
    timings = Timings({"fp32": [4.0, 40.0, 4.0], "int8": [2.0, 20.0, 1.0]})
    assert timings.speed_ratio("int8", "fp32") == 2.0
    assert timings.median_ms("int8") == 2.0


def test_facts_name_the_host_and_the_parent() -> None:
    timings = Timings({"fp32": [4.0], "int8": [1.6]})
    facts = measured_facts(timings, "int8", "fp32")
    assert facts["median_ms"] == 1.6
    assert facts["parent"] == {"name": "fp32", "median_ms": 4.0, "speed_ratio": 2.5}
    assert facts["host"]["cpu"]
    assert (facts["batch"], facts["threads"]) == (1, 1)
    assert measured_facts(timings, "fp32", None)["parent"] is None
