"""What an int8 model must hold before it is published. All failures are told together."""

import math
from dataclasses import dataclass

import onnx
from onnx import ModelProto

from export_tools.evaluate import Agreement
from service.errors import GateFailed

_LAYERS = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True)
class Int8Gates:
    """What is allowed at least, or at most.

    Shares of the views; `views` is the least number of them. `bytes_per_weight` counts the layers'
    weights alone: a small net's file is mostly names, scales and biases, which int8 cannot shrink,
    and tells nothing of whether its weights are int8. `speedup` is times fp32, on this host.
    """

    agreement: float = 0.90
    agreement_sure: float = 0.98
    bytes_per_weight: float = 1.1
    views: int = 150
    speedup: float = 1.0


# Answers of weights that were never trained mean nothing; size and speed do not depend on them.
UNTRAINED_GATES = Int8Gates(agreement=0.0, agreement_sure=0.0, views=0)
NO_GATES = Int8Gates(0.0, 0.0, bytes_per_weight=4.0, views=0, speedup=0.0)


def check_int8(gates: Int8Gates, found: Agreement, graph: bytes) -> None:
    """Check an int8 graph against its parent's answers.

    Raises:
        GateFailed: names every gate that does not hold, with what was measured.
    """
    failures = []
    if found.images < gates.views:
        failures.append(f"only {found.images} views, at least {gates.views} are needed")
    if found.same < gates.agreement * found.images:
        failures.append(
            f"agreement {found.same}/{found.images} is below {gates.agreement:.0%} of all views"
        )
    if found.sure_same < gates.agreement_sure * found.sure_images:
        failures.append(
            f"agreement {found.sure_same}/{found.sure_images} is below "
            f"{gates.agreement_sure:.0%} where fp32 is sure"
        )
    weighs = bytes_per_weight(onnx.load_model_from_string(graph))
    if weighs > gates.bytes_per_weight:
        failures.append(
            f"a weight takes {weighs:.2f} bytes on average, more than {gates.bytes_per_weight:g}"
        )
    _refuse(failures)


def check_speed(gates: Int8Gates, ratio: float) -> None:
    """Check the speed, `ratio` times that of fp32.

    Raises:
        GateFailed: int8 is slower than is allowed.
    """
    if ratio < gates.speedup:
        _refuse([f"speed is {ratio:.2f}x fp32, below {gates.speedup:g}x on this host"])


def bytes_per_weight(model: ModelProto) -> float:
    """Return the mean size of the weights of a graph's layers, biases and scales left out."""
    makers = {name: node for node in model.graph.node for name in node.output}
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = set()
    for node in model.graph.node:
        if node.op_type in _LAYERS:
            maker = makers.get(node.input[1])
            weights.add(node.input[1] if maker is None else maker.input[0])
    found = [tensors[name] for name in weights if name in tensors]
    count = sum(math.prod(tensor.dims) for tensor in found)
    sizes = (
        math.prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for tensor in found
    )
    return sum(sizes) / count if count else 0.0


def _refuse(failures: list[str]) -> None:
    if failures:
        raise GateFailed(f"The int8 gates do not hold: {'; '.join(failures)}.")
