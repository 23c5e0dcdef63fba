"""Probabilities to the best labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.pipeline import Prediction, top_predictions

# few different values, so that there are many ties
PROBABILITIES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5]), min_size=1, max_size=40)


@given(probabilities=PROBABILITIES, top_k=st.integers(1, 45))
def test_the_best_come_first_and_ties_go_to_the_lower_index(
    probabilities: list[float], top_k: int
) -> None:
    labels = tuple(f"label {i}" for i in range(len(probabilities)))
    wanted = sorted(range(len(labels)), key=lambda i: (-probabilities[i], i))[:top_k]
    found = top_predictions(np.array(probabilities, np.float32), labels, top_k)
    assert [prediction.index for prediction in found] == wanted
    assert [prediction.label for prediction in found] == [labels[i] for i in wanted]
    assert [p.probability for p in found] == pytest.approx([probabilities[i] for i in wanted])


def test_a_prediction_is_made_of_plain_python_values() -> None:
    (best,) = top_predictions(np.array([0.25, 0.75], np.float32), ("a", "b"), 1)
    assert best == Prediction("b", 1, 0.75)
    assert (type(best.index), type(best.probability)) == (int, float)
