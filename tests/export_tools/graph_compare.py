"""Do two builds of one artifact differ by no more than two CPUs' rounding?"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

_RELATIVE = 0.02  # of a tensor's largest value: ranges differ by the last bits of float sums
_STEPS = 1  # of int8 values, where a weight lies between two


def graph_differences(first: bytes, second: bytes) -> list[str]:
    """Name what differs between two graphs: structure exactly, initialisers within tolerances."""
    one, two = (onnx.load_model_from_string(graph) for graph in (first, second))
    differences = []
    if _structure(one) != _structure(two):
        differences.append("nodes, inputs, outputs or opsets differ")
    ours, theirs = _initialisers(one), _initialisers(two)
    if ours.keys() != theirs.keys():
        differences.append("the names of initialisers differ")
    for name in ours.keys() & theirs.keys():
        if not _close(ours[name], theirs[name]):
            differences.append(f"initialiser {name} differs")
    return differences


def _structure(model: ModelProto) -> list[bytes]:
    graph = model.graph
    parts = (*model.opset_import, *graph.input, *graph.output, *graph.node)
    return [part.SerializeToString(deterministic=True) for part in parts]


def _initialisers(model: ModelProto) -> dict[str, NDArray[np.generic]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _close(one: NDArray[np.generic], two: NDArray[np.generic]) -> bool:
    if one.dtype != two.dtype or one.shape != two.shape:
        return False
    a, b = one.astype(np.float64), two.astype(np.float64)
    if one.dtype in (np.int8, np.uint8):
        return bool((np.abs(a - b) <= _STEPS).all())
    return bool((np.abs(a - b) <= _RELATIVE * max(float(np.abs(a).max(initial=0)), 1e-6)).all())
