"""Pack a graph: statistics, steps, rounding, archive.

layers       which weights
statistics   what calibration images say of them
allocate     how coarse each layer may be, by these or by its harm, measured
rounding     weights to symbols, by prune, kmeans, trellis and what all rounding shares
contexts     which of the coder's tables each symbol takes
archive      the file
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from export_tools.errors import ExportError
from export_tools.fp32 import Say
from export_tools.graph_clean import clean_graph
from export_tools.pack.allocate import find_steps, sizes_by_fisher, sizes_by_rms
from export_tools.pack.archive import Coded, write_archive
from export_tools.pack.harm import sizes_by_harm
from export_tools.pack.layers import Layer, Values, find_layers, read_values, write_values
from export_tools.pack.plan import PackPlan
from export_tools.pack.rounding import round_bias, round_weight
from export_tools.pack.statistics import Statistics, gather, mean_statistics
from service.engine.manifest import CompressionStep

Planes = Sequence[NDArray[np.uint8]]
_HARM_IMAGES = 96


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
    harm_images: Planes
    images: int

    @property
    def weights(self) -> Values:
        """The layers' weights by node."""
        return {layer.node: self.values[layer.weight] for layer in self.layers}


def prepare(graph: bytes, images: Sequence[Planes]) -> Prepared:
    """Look at a contract graph and run the calibration images through it.

    Args:
        graph: the ONNX file.
        images: sets of them; each counts the same, however large it is.

    Raises:
        ExportError: it has no fp32 weights to pack.
    """
    model: ModelProto = onnx.load_model_from_string(graph)
    layers = find_layers(model)
    if not layers:
        raise ExportError("The graph has no fp32 weights to pack.")
    statistics = mean_statistics([gather(model, layers, planes) for planes in images])
    harmed = [plane for planes in images for plane in planes[: _HARM_IMAGES // len(images)]]
    count = sum(map(len, images))
    return Prepared(model, layers, read_values(model), statistics, harmed, count)


def pack(prepared: Prepared, plan: PackPlan, say: Say = lambda _: None) -> Packed:
    """Pack a graph by a plan."""
    steps = _steps(prepared, plan, say)
    coded = _round(prepared, steps, plan, say)
    for layer in prepared.layers:
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


def _steps(prepared: Prepared, plan: PackPlan, say: Say) -> dict[str, int]:
    """Return each layer's step, in eighths of an octave."""
    weights = prepared.weights
    if plan.levels == "kmeans":
        return dict.fromkeys(weights, 0)
    if plan.steps == "rms":
        return find_steps(weights, sizes_by_rms(weights), plan.bits)
    steps = find_steps(weights, sizes_by_fisher(prepared.statistics, plan.damping), plan.bits)
    if plan.steps == "fisher":
        return steps
    coded = _round(prepared, steps, replace(plan, levels="uniform"), say)
    rounded = {layer.node: coded[layer.weight].values() for layer in prepared.layers}
    say("measuring each layer's harm")
    sizes = sizes_by_harm(prepared.model, prepared.layers, rounded, steps, prepared.harm_images)
    return find_steps(weights, sizes, plan.bits)


def _round(
    prepared: Prepared, steps: Mapping[str, int], plan: PackPlan, say: Say
) -> dict[str, Coded]:
    """Return all weights, rounded, by their names."""
    coded = {}
    for layer in prepared.layers:
        say(f"rounding {layer.node}")
        weight, found = prepared.values[layer.weight], prepared.statistics[layer.node]
        coded[layer.weight] = round_weight(weight, found, steps[layer.node], plan)
    return coded
