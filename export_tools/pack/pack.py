"""Pack a graph: statistics, steps, rounding, archive.

layers       which weights
statistics   what calibration images say of them
allocate     how coarse each layer may be
rounding     weights to symbols, by prune, kmeans and compensate
contexts     which of the coder's tables each symbol takes
archive      the file
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from export_tools.errors import ExportError
from export_tools.fp32 import Say
from export_tools.graph_clean import clean_graph
from export_tools.pack.allocate import find_steps, sizes_by_fisher, sizes_by_rms
from export_tools.pack.archive import Coded, write_archive
from export_tools.pack.layers import Layer, Values, find_layers, read_values, write_values
from export_tools.pack.plan import PackPlan
from export_tools.pack.rounding import round_bias, round_weight
from export_tools.pack.statistics import Statistics, gather
from service.engine.manifest import CompressionStep

Planes = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive, the ONNX file that it expands to, and what was done."""

    archive: bytes
    graph: bytes
    step: CompressionStep


@dataclass(frozen=True, slots=True)
class Prepared:
    """A graph with what is known of it: the same for all plans."""

    model: ModelProto
    layers: list[Layer]
    values: Values
    statistics: Mapping[str, Statistics]
    images: int

    @property
    def weights(self) -> Values:
        """The layers' weights by node."""
        return {layer.node: self.values[layer.weight] for layer in self.layers}


def prepare(graph: bytes, planes: Planes) -> Prepared:
    """Look at a contract graph and run the calibration images through it.

    Raises:
        ExportError: it has no fp32 weights to pack.
    """
    model: ModelProto = onnx.load_model_from_string(graph)
    layers = find_layers(model)
    if not layers:
        raise ExportError("The graph has no fp32 weights to pack.")
    return Prepared(model, layers, read_values(model), gather(model, layers, planes), len(planes))


def pack(prepared: Prepared, plan: PackPlan, say: Say = lambda _: None) -> Packed:
    """Pack a graph by a plan."""
    weights = prepared.weights
    if plan.steps == "fisher":
        sizes = sizes_by_fisher(prepared.statistics, plan.damping)
    else:
        sizes = sizes_by_rms(weights)
    steps = dict.fromkeys(weights, 0)
    if plan.levels != "kmeans":
        steps = find_steps(weights, sizes, plan.bits)
    coded: dict[str, Coded] = {}
    for layer in prepared.layers:
        say(f"rounding {layer.node}")
        coded[layer.weight] = round_weight(
            weights[layer.node], prepared.statistics[layer.node], steps[layer.node], plan
        )
        if layer.bias is not None:
            coded[layer.bias] = round_bias(prepared.values[layer.bias])
    model = ModelProto()
    model.CopyFrom(prepared.model)
    write_values(model, {name: item.values() for name, item in coded.items()})
    graph = clean_graph(model)
    in_order = [coded[t.name] for t in model.graph.initializer if t.name in coded]
    settings = plan.settings() | {"calibration_views": prepared.images}
    step = CompressionStep(step="packed", settings=settings)
    return Packed(write_archive(graph, in_order), graph, step)
