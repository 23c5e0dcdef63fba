"""Archives come back to the byte; what is damaged or hostile is refused with bounded memory."""

import random
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.reliability.files.archives import (
    facts_of,
    graph_with,
    mutant,
    random_coded,
    sealed,
    small_archive,
    with_facts,
    with_lengths,
)
from export_tools.pack.archive import Coded, write_archive
from export_tools.pack.trellis import LARGEST
from service.engine.fbz import HEAD, MAGIC, MOST_GROWTH, SLACK, expand
from service.errors import ArtifactError, DamagedArchive

ARCHIVE, GRAPH = small_archive()
MUTANTS = 200
TABLES = 4 << 20  # of the coder, bytes: the most of them, used or not

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
KINDS = st.sampled_from(["grid", "trellis", "codebook"])


@pytest.mark.parametrize("kind", ["grid", "trellis", "codebook"])
def test_an_archive_expands_to_its_graph(kind: str) -> None:
    archive, graph = small_archive(kind)
    assert expand(archive) == graph
    assert len(archive) < len(graph)


@given(tensors=st.lists(st.tuples(SHAPES, KINDS), max_size=4), seed=st.integers(0, 99))
def test_any_tensors_come_back_to_the_byte(
    tensors: list[tuple[tuple[int, ...], str]], seed: int
) -> None:
    coded = [random_coded(seed + i, *tensor) for i, tensor in enumerate(tensors)]
    graph = graph_with([item.values() for item in coded])
    assert expand(write_archive(graph, coded)) == graph


@given(
    symbols=st.lists(st.integers(-LARGEST, LARGEST), min_size=1, max_size=64),
    step=st.integers(-480, 160),
)
def test_any_symbols_come_back_to_the_byte(symbols: list[int], step: int) -> None:
    coded = [Coded((len(symbols),), np.array(symbols, np.int16), step=step, trellis=True)]
    graph = graph_with([coded[0].values()])
    assert expand(write_archive(graph, coded)) == graph


def test_any_changed_byte_is_noticed() -> None:
    for place in range(len(ARCHIVE)):
        changed = bytearray(ARCHIVE)
        changed[place] ^= 0x10
        with pytest.raises(DamagedArchive):
            expand(bytes(changed))


def test_any_shorter_archive_is_refused() -> None:
    for end in range(0, len(ARCHIVE), 3):
        with pytest.raises(DamagedArchive):
            expand(ARCHIVE[:end])
        if end > HEAD.size:
            with pytest.raises(DamagedArchive):
                expand(sealed(ARCHIVE[:end]))


def test_another_version_of_the_format_is_named() -> None:
    with pytest.raises(DamagedArchive, match=f"version 9, this server reads {MAGIC[3]}"):
        expand(b"FBZ\x09" + ARCHIVE[4:])


def test_a_graph_other_than_the_one_hashed_is_refused() -> None:
    changed = bytearray(ARCHIVE)
    changed[8] ^= 1
    with pytest.raises(DamagedArchive, match="sha256"):
        expand(sealed(bytes(changed)))


BOMB = MOST_GROWTH * len(ARCHIVE) + SLACK
HOSTILE: dict[str, Callable[[], bytes]] = {
    "grow by more": lambda: with_lengths(ARCHIVE, graph=BOMB * 2),
    "grow by more ": lambda: with_lengths(ARCHIVE, facts=0xFFFFFFFF),
    "lengths differ": lambda: with_lengths(ARCHIVE, words=0xFFFFFFFF),
    "lengths differ ": lambda: with_lengths(ARCHIVE, lanes=0),
    "fewer or smaller": lambda: with_lengths(ARCHIVE, graph=len(GRAPH) + 400),
    "more or larger": lambda: with_lengths(ARCHIVE, graph=len(GRAPH) - 400),
    "another length": lambda: with_lengths(ARCHIVE, facts=len(facts_of(ARCHIVE)) - 1),
    "too little": lambda: with_facts(ARCHIVE, facts_of(ARCHIVE)[:-9]),
    "more of its tensors": lambda: with_facts(ARCHIVE, facts_of(ARCHIVE) + b"\0"),
    "255 tables": lambda: with_facts(ARCHIVE, b"\xff" + facts_of(ARCHIVE)[1:]),
    "without a table": lambda: with_facts(ARCHIVE, b"\0" + _after_tables(facts_of(ARCHIVE))),
}


def _after_tables(facts: bytes) -> bytes:
    position = 3
    for _ in range(facts[0]):
        position += 4 + 2 * int.from_bytes(facts[position + 2 : position + 4], "little")
    return facts[1:3] + facts[position:]


@pytest.mark.parametrize("told", HOSTILE)
def test_lengths_that_do_not_fit_are_refused_before_anything_is_allocated(told: str) -> None:
    archive = HOSTILE[told]()
    tracemalloc.start()
    try:
        with pytest.raises(DamagedArchive, match=told.strip()):
            expand(archive)
        assert tracemalloc.get_traced_memory()[1] < BOMB
    finally:
        tracemalloc.stop()


def test_damaged_archives_raise_only_our_errors_in_bounded_memory() -> None:
    """The same with more mutants: see `benchmarks.reliability.fuzz_archives`."""
    numbers = random.Random(5)
    tracemalloc.start()
    try:
        for _ in range(MUTANTS):
            try:
                expand(mutant(ARCHIVE, numbers))
            except ArtifactError as error:
                assert error.detail
        assert tracemalloc.get_traced_memory()[1] < 5 * BOMB + TABLES
    finally:
        tracemalloc.stop()
