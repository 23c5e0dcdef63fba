"""The way of a graph from fp32 to int8, each step in its own module.

equalise                  factors between layers, so that channels have similar ranges
average_pool              average pools as depthwise convolutions, which are faster
fold_input.absorb_scale   the normalisation's factor into the first convolution
quantize                  weights and activations to integers, by the scheme
round_weights             weights that make up for each other's rounding
pair_safe                 weights that cannot saturate, for hosts without VNNI
correct_bias              the mean error of rounded weights out of the biases
fold_input.feed_image     the image itself as the first quantised tensor
share_concat              one scale for the parts of a concatenation
distil_int8               what rounding cost, learnt back from the parent
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from export_tools.average_pool import average_by_convolution
from export_tools.correct_bias import correct_biases
from export_tools.distil_int8 import Lesson, teach
from export_tools.equalise import equalise
from export_tools.errors import ExportError
from export_tools.fold_input import absorb_scale, feed_image
from export_tools.graph_clean import clean_graph
from export_tools.layer_inputs import LAYERS
from export_tools.pair_safe import make_pair_safe
from export_tools.quantize import quantize_graph
from export_tools.round_weights import compensations, round_weights
from export_tools.schemes import Scheme
from export_tools.sensitivity import measure_sensitivity
from export_tools.share_concat import share_concat_scales
from service.engine.manifest import CompressionStep

Planes = Sequence[NDArray[np.uint8]]
Settings = dict[str, str | int | float | bool | None]

_LOOKED_AT = 24  # of the calibration images, at least, to find the layers worth keeping float


@dataclass(frozen=True, slots=True)
class Plan:
    """How a graph is made int8.

    `equalise` is the strength of the equalisation, 0 for none; `keep_float` names nodes,
    `float_first` counts layers from the image on, and `float_budget` lets measured sensitivity name
    more, up to that share of all MACs; `lesson` None skips the fine-tune; without `compensate` each
    weight is rounded to the nearest step.
    """

    scheme: Scheme = field(default_factory=Scheme)
    keep_float: tuple[str, ...] = ()
    lesson: Lesson | None = None
    equalise: float = 0.0
    float_budget: float = 0.0
    compensate: bool = True
    float_first: int = 0


def compress_graph(
    graph: bytes,
    planes: Planes,
    plan: Plan,
    facts: Settings,
    lesson_planes: Planes = (),
) -> tuple[bytes, list[CompressionStep]]:
    """Quantise a contract graph.

    Args:
        graph: fp32.
        planes: calibration images, uint8 [3, height, width] each.
        plan: what is done.
        facts: about the images, for the manifest.
        lesson_planes: images to learn from; none takes those of the calibration.

    Returns:
        The int8 graph and the steps taken.

    Raises:
        ExportError: the plan names a node that the graph does not have.
    """
    model: ModelProto = onnx.load_model_from_string(graph)
    _check_names(model, plan.keep_float)
    kept = (*first_layers(model, plan.float_first), *plan.keep_float)
    steps = []
    if plan.equalise:
        graph, step = equalise_graph(graph, planes, plan.equalise)
        steps.append(step)
    made, settings = _quantise(graph, planes, plan, facts, kept)
    if plan.float_budget:
        chosen = _worth_float(made, graph, planes, plan.float_budget)
        if chosen:
            made, settings = _quantise(graph, planes, plan, facts, (*kept, *chosen))
        settings["float_budget_of_macs"] = plan.float_budget
    steps.append(CompressionStep(step="static int8", settings=settings))
    if plan.lesson is not None:
        made, learnt = teach(made, graph, lesson_planes or planes, plan.lesson)
        steps.append(learnt)
    return made, steps


def equalise_graph(graph: bytes, planes: Planes, strength: float) -> tuple[bytes, CompressionStep]:
    """Equalise an fp32 contract graph; return it and the step taken."""
    model: ModelProto = onnx.load_model_from_string(graph)
    channels = equalise(model, planes, strength)
    facts: Settings = {"strength": strength, "groups_of_channels_scaled": channels}
    return clean_graph(model), CompressionStep(step="cross-layer equalisation", settings=facts)


def first_layers(model: ModelProto, count: int) -> tuple[str, ...]:
    """Name the first layers of a graph, from the image on."""
    layers = [node.name for node in model.graph.node if node.op_type in LAYERS]
    return tuple(layers[:count])


def _quantise(
    graph: bytes, planes: Planes, plan: Plan, facts: Settings, keep_float: tuple[str, ...]
) -> tuple[bytes, Settings]:
    """Quantise, with all that goes with it; return the graph and what the manifest says."""
    model: ModelProto = onnx.load_model_from_string(graph)
    pools = average_by_convolution(model)
    mean = absorb_scale(model)
    quantized = quantize_graph(model, planes, plan.scheme, keep_float)
    settings = plan.scheme.settings() | facts
    roundings = compensations(model, planes) if plan.compensate else {}
    if plan.compensate:
        settings["layers_compensated"] = round_weights(quantized, model, roundings)
    if plan.scheme.pair_safe:
        settings["channels_rescaled"] = make_pair_safe(quantized, model, roundings)
    settings["biases_corrected"] = correct_biases(quantized, model, planes)
    # The runtime multiplies only inputs and outputs of one type, and the image is uint8.
    fed = plan.scheme.activations == "uint8" and mean is not None and feed_image(quantized, mean)
    settings["normalisation_folded"] = fed
    settings["concatenations_sharing_a_scale"] = share_concat_scales(quantized)
    if pools:
        settings["average_pools_as_convolutions"] = pools
    if keep_float:
        settings["layers_kept_float"] = ", ".join(keep_float)
    return clean_graph(quantized), settings


def _worth_float(made: bytes, graph: bytes, planes: Planes, budget: float) -> tuple[str, ...]:
    step = max(1, len(planes) // _LOOKED_AT)
    return measure_sensitivity(made, graph, planes[::step]).worth_float(budget)


def _check_names(model: ModelProto, names: Sequence[str]) -> None:
    missing = sorted(set(names) - {node.name for node in model.graph.node})
    if missing:
        raise ExportError(f"The graph has no node {', '.join(missing)} to keep float.")
