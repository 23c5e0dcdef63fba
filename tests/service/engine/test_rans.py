"""What was encoded is decoded, in every shape; what was not is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_tools.pack.contexts import make_tables
from export_tools.pack.rans import count_table, encode, share_slots
from service.engine.rans import LOWEST_STATE, TABLE_SIZE, Table, decode
from service.errors import DamagedArchive

RANDOM = np.random.default_rng(3)
SYMBOLS = np.round(RANDOM.normal(0, 4, 5000)).astype(np.int16)
CONTEXTS = RANDOM.integers(0, 3, 5000).astype(np.uint8)


@given(
    symbols=st.lists(st.integers(-4096, 4095), max_size=400),
    lanes=st.integers(1, 50),
    contexts=st.integers(1, 5),
)
def test_symbols_come_back(symbols: list[int], lanes: int, contexts: int) -> None:
    array = np.array(symbols, np.int16)
    context = (np.arange(len(array)) * 7 % contexts).astype(np.uint8)
    tables = make_tables(context, array)
    states, words = encode(tables, context, array, lanes)
    assert np.array_equal(decode(tables, context, states, words), array)


def test_the_code_is_hardly_longer_than_the_entropy() -> None:
    tables = make_tables(CONTEXTS, SYMBOLS)
    states, words = encode(tables, CONTEXTS, SYMBOLS, 4)
    counts = [np.bincount(SYMBOLS[c == CONTEXTS].astype(int) + 100) for c in range(3)]
    bits = sum(-float((n[n > 0] * np.log2(n[n > 0] / n.sum())).sum()) for n in counts)
    assert 8 * (words.nbytes + states.nbytes) < 1.01 * bits + 32 * len(states)


@pytest.mark.parametrize("counts", [[1], [1, 10**9], [0, 5, 0, 5], [1] * TABLE_SIZE])
def test_whoever_occurs_gets_a_slot(counts: list[int]) -> None:
    shares = share_slots(np.array(counts))
    assert shares.sum() == TABLE_SIZE
    assert ((shares > 0) == (np.array(counts) > 0)).all()


def coded() -> tuple[list[Table], np.ndarray, np.ndarray]:
    table = [count_table(SYMBOLS)]
    return table, *encode(table, np.zeros(5000, np.uint8), SYMBOLS, 8)


def test_words_that_end_too_early_are_refused() -> None:
    tables, states, words = coded()
    with pytest.raises(DamagedArchive, match="cut short"):
        decode(tables, np.zeros(5000, np.uint8), states, words[:-1])


def test_words_left_over_are_refused() -> None:
    tables, states, words = coded()
    with pytest.raises(DamagedArchive, match="end where"):
        decode(tables, np.zeros(5000, np.uint8), states, np.append(words, words[:1]))


def test_a_changed_state_is_refused() -> None:
    tables, states, words = coded()
    states[3] ^= LOWEST_STATE
    with pytest.raises(DamagedArchive):
        decode(tables, np.zeros(5000, np.uint8), states, words)


@pytest.mark.parametrize("share", [TABLE_SIZE - 1, TABLE_SIZE + 1])
def test_a_table_that_does_not_add_up_is_refused(share: int) -> None:
    table = Table(0, np.array([share], np.uint16))
    with pytest.raises(DamagedArchive, match="add up"):
        decode(
            [table], np.zeros(1, np.uint8), np.array([LOWEST_STATE], np.uint32), np.empty(0, "<u2")
        )
