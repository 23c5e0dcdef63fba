"""Static int8 by ONNX Runtime: QDQ, weights per channel, integers and ranges as `schemes` says.

What stays float, and why (measured on both shipped nets):
- the normalisation before the first convolution: `fold_input` replaces it afterwards;
- everything from the last pooling on but the matrix product: logits in 256 steps make ties, and
  with them up to 3 % of the answers that fp32 is sure of flip.
"""

import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from export_tools.schemes import Scheme
from service.engine.session import INPUT_NAME

_PRODUCTS = ("Gemm", "MatMul")
_POOLS = ("ReduceMean", "GlobalAveragePool", "AveragePool")

DEFAULT_SCHEME = Scheme()


class PlanesReader(CalibrationDataReader):  # type: ignore[misc]
    """Hands preprocessed images to the calibrator, one at a time."""

    def __init__(self, planes: Sequence[NDArray[np.uint8]]) -> None:
        """Take images uint8 [3, height, width]."""
        self._rest = iter(planes)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next input of batch one, or None at the end."""
        planes = next(self._rest, None)
        return None if planes is None else {INPUT_NAME: planes[np.newaxis]}


def quantize_graph(
    model: ModelProto,
    planes: Sequence[NDArray[np.uint8]],
    scheme: Scheme = DEFAULT_SCHEME,
    keep_float: Sequence[str] = (),
) -> ModelProto:
    """Quantise a graph that holds the contract.

    Args:
        model: the fp32 graph; it is not changed.
        planes: calibration images, uint8 [3, height, width] each.
        scheme: integers, and how ranges are found.
        keep_float: names of further nodes that stay float.

    Returns:
        The int8 graph, with all that the tool leaves in it; see `graph_clean`.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, prepared, target = (Path(folder) / f"{n}.onnx" for n in ("a", "b", "c"))
        onnx.save(model, source)
        # Optimising is left to the runtime at load: the exporter has folded batch norms already.
        quant_pre_process(
            str(source), str(prepared), skip_optimization=True, skip_symbolic_shape=True
        )
        quantize_static(
            str(prepared),
            str(target),
            PlanesReader(planes),
            quant_format=QuantFormat.QDQ,
            nodes_to_exclude=list(dict.fromkeys([*float_nodes(model), *keep_float])),
            extra_options={
                "OpTypesToExcludeOutputQuantization": list(_PRODUCTS),
                **scheme.extra_options,
            },
            **scheme.types,
        )
        return onnx.load(target)


def float_nodes(model: ModelProto) -> list[str]:
    """Name the nodes that stay float: before the first convolution, and from the last pooling."""
    nodes = list(model.graph.node)
    first = next((i for i, node in enumerate(nodes) if node.op_type == "Conv"), 0)
    last = max((i for i, node in enumerate(nodes) if node.op_type in _POOLS), default=len(nodes))
    last = last if last > first else len(nodes)
    tail = [*nodes[last:], nodes[-1]]
    names = [node.name for node in (*nodes[:first], *tail) if node.op_type not in _PRODUCTS]
    return list(dict.fromkeys(names))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tool's advice on preparations that are done, or not wanted, off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
