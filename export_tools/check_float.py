"""Which layers of each net stay float in int8, and why; what the gates say of its size and speed.

    python -m export_tools.check_float [--only TEXT] [--budget 0.1]

A row a net, on random weights, so answers mean nothing: how much rounding a layer hurts does
depend on its weights, what cannot be quantised and what is slow does not. "By rule" are the nodes
that `quantize` excludes and those that ONNX Runtime has no int8 kernel for; "by sensitivity" are
the layers that a budget of MACs in float would be spent on, with the share of the whole distance
to fp32 that goes when each is float.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import onnx
import typer
from onnx import ModelProto
from rich.console import Console
from rich.table import Table

from export_tools.compress import Plan, compress_graph
from export_tools.fp32 import Fp32Request, build_fp32
from export_tools.gates import UNTRAINED_GATES, bytes_per_weight, check_speed
from export_tools.int8 import QUICK
from export_tools.labels import imagenet_labels
from export_tools.measure import time_side_by_side
from export_tools.photos import calibration_photos, selftest_photo
from export_tools.quantize import float_nodes
from export_tools.sensitivity import measure_sensitivity
from export_tools.tables import print_wide
from export_tools.views import draw_views, views_to_planes
from export_tools.weights import RANDOM
from export_tools.zoo import ZooRow, exported_rows
from service.errors import GateFailed

_ROUNDS = 25
_SHOWN = 3
_WEIGHED = ("Conv", "Gemm", "MatMul")
_WHOLE = ("QuantizeLinear", "DequantizeLinear")
# Int8 or not, these only move values about.
_MOVES = ("Reshape", "Transpose", "Flatten", "Identity", "MaxPool", "Concat", "Softmax")


@dataclass(frozen=True, slots=True)
class FloatRow:
    """What stays float in a net: operators by rule, layers by sensitivity with gain and MACs."""

    name: str
    by_rule: dict[str, int]
    by_sensitivity: list[tuple[str, float, float]]
    weight_bytes: float
    speed_ratio: float
    refused: str


def float_row(row: ZooRow, budget: float, rounds: int = _ROUNDS) -> FloatRow:
    """Quantise a net with random weights and look at what stays float.

    Args:
        row: which net.
        budget: share of all MACs that may stay float.
        rounds: of timing fp32 and int8 in turns.

    Raises:
        ArtifactError: a step refused.
    """
    request = Fp32Request(
        name=row.model_name,
        architecture=row.architecture,
        source=RANDOM,
        labels=imagenet_labels(),
        selftest=selftest_photo(),
        options=row.options,
        input_size=row.input_size,
    )
    parent = build_fp32(request, lambda _: None, rounds=1).draft
    views = draw_views(calibration_photos(), QUICK.calibration)
    planes = list(views_to_planes(views, parent.manifest.input))
    graph, _ = compress_graph(parent.graph, planes, Plan(), {})
    found = measure_sensitivity(graph, parent.graph, planes)
    chosen = set(found.worth_float(budget))
    timed = time_side_by_side({"fp32": parent.graph, "int8": graph}, planes[0][None], rounds)
    ratio = timed.speed_ratio("int8", "fp32")
    model = onnx.load_model_from_string(graph)
    return FloatRow(
        name=str(row),
        by_rule=operators_in_float(onnx.load_model_from_string(parent.graph), model),
        by_sensitivity=[
            (layer.weight.removesuffix(".weight"), layer.gain / found.distance, layer.macs)
            for layer in found.layers
            if layer.name in chosen
        ],
        weight_bytes=bytes_per_weight(model),
        speed_ratio=ratio,
        refused=_refusal(ratio),
    )


def operators_in_float(original: ModelProto, quantized: ModelProto) -> dict[str, int]:
    """Count the operators of an int8 graph that compute with floats."""
    makers = {name: node for node in quantized.graph.node for name in node.output}
    users = {name: node for node in quantized.graph.node for name in node.input}
    excluded = set(float_nodes(original))
    counted: Counter[str] = Counter()
    for node in quantized.graph.node:
        if node.op_type in (*_WHOLE, *_MOVES):
            continue
        source = makers.get(node.input[1 if node.op_type in _WEIGHED else 0])
        whole = source is not None and source.op_type == "DequantizeLinear"
        if node.op_type not in _WEIGHED and whole:
            reader = users.get(node.output[0])
            whole = reader is not None and reader.op_type == "QuantizeLinear"
        if not whole or node.name in excluded:
            counted[node.op_type] += 1
    return dict(sorted(counted.items()))


def _refusal(ratio: float) -> str:
    try:
        check_speed(UNTRAINED_GATES, ratio)
    except GateFailed:
        return "refused: slower than fp32"
    return "passes"


def print_rows(console: Console, rows: list[FloatRow]) -> None:
    """Print a row a net."""
    table = Table("net", "float by rule", "float by sensitivity (gain, MACs)", pad_edge=False)
    for column in ("bytes a weight", "speed", "gates"):
        table.add_column(column, justify="right")
    for row in rows:
        rules = ", ".join(f"{count} {kind}" for kind, count in row.by_rule.items())
        layers = [
            f"{name} ({gain:.0%}, {macs:.1%})" for name, gain, macs in row.by_sensitivity[:_SHOWN]
        ]
        if len(row.by_sensitivity) > _SHOWN:
            layers.append(f"{len(row.by_sensitivity) - _SHOWN} more")
        cells = (rules, "\n".join(layers) or "none", f"{row.weight_bytes:.2f}")
        table.add_row(row.name, *cells, f"{row.speed_ratio:.2f}x", row.refused)
    print_wide(console, table)


def default_rows(only: str = "") -> Iterator[ZooRow]:
    """Yield each net once, as it is without options."""
    seen: set[str] = set()
    for row in exported_rows():
        if row.architecture not in seen and only in row.architecture:
            seen.add(row.architecture)
            yield row


def main(
    only: Annotated[str, typer.Option(help="Nets whose name has this in it.")] = "",
    budget: Annotated[float, typer.Option(min=0, max=1, help="Share of the MACs.")] = 0.1,
) -> None:
    """Print the table."""
    console = Console()
    rows = []
    for row in default_rows(only):
        rows.append(float_row(row, budget))
        console.print(f"{row}: looked at", markup=False)
    print_rows(console, rows)


if __name__ == "__main__":
    typer.run(main)
