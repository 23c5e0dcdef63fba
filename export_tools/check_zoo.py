"""Take every variant of every net through export, int8 and the engine, on random weights.

    python -m export_tools.check_zoo [--only TEXT] [--minutes N] [--table docs/models.md]

For each row of `zoo`: the ONNX graph answers as PyTorch does, its MACs counted from the graph are
those of the net and of the papers' table, an image's answer does not depend on the batch it is in,
and both precisions are published, loaded back and self-tested as the server would. Sizes and
timings go into the table of docs/models.md.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import typer
from numpy.typing import NDArray
from rich.console import Console

from export_tools.draft import Draft
from export_tools.fp32 import Fp32Request, build_fp32
from export_tools.gates import NO_GATES
from export_tools.graph_macs import count_graph_macs
from export_tools.int8 import QUICK, build_int8
from export_tools.labels import imagenet_labels
from export_tools.measure import Timings, time_side_by_side
from export_tools.photos import calibration_photos, selftest_photo
from export_tools.publish import publish
from export_tools.tables import print_wide
from export_tools.views import photos_to_planes
from export_tools.weights import RANDOM
from export_tools.zoo import ZooRow, exported_rows
from export_tools.zoo_table import Costs, costs_table, write_costs
from models import ModelError, get_spec
from service.engine.manifest import InputPolicy
from service.engine.session import OrtSession, SessionOptions
from service.errors import FeatherboxError, GateFailed

BATCHES = (1, 3, 8)
ROUNDS = 25  # of timing fp32 and int8 in turns: the small nets need that many on a busy host
# Kernels may add up in another order for another batch; int8 then rounds some values otherwise.
_FP32_ROWS, _INT8_ROWS = 1e-5, 2e-2

console = Console()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a row's two models have shown; `faults` are empty where all is right."""

    costs: Costs
    faults: tuple[str, ...]


def check_row(
    row: ZooRow, repository: Path, labels: Sequence[str], rounds: int = ROUNDS
) -> Checked:
    """Export, quantise and publish one row.

    Args:
        row: what to build.
        repository: where its two models are published.
        labels: of the classes.
        rounds: of timing fp32 and int8 in turns.

    Raises:
        ArtifactError: a step refused.
    """
    request = Fp32Request(
        name=row.model_name,
        architecture=row.architecture,
        source=RANDOM,
        labels=tuple(labels),
        selftest=selftest_photo(),
        options=row.options,
        input_size=row.input_size,
    )
    fp32 = build_fp32(request, _silent, rounds=1).draft
    effort = replace(QUICK, rounds=1)
    int8 = build_int8(fp32, f"{row.model_name}-int8", _silent, NO_GATES, effort).draft
    faults = [*_count_faults(row, fp32), *_count_faults(row, int8)]
    for draft, tolerance in ((fp32, _FP32_ROWS), (int8, _INT8_ROWS)):
        publish(draft, repository, version=1)  # loads it back and self-tests it
        difference = batch_difference(draft)
        if not difference <= tolerance:
            name = draft.manifest.name
            faults.append(f"{name}: answers differ by {difference:.1e} between batch sizes")
    graphs = {"fp32": fp32.graph, "int8": int8.graph}
    timings = time_side_by_side(graphs, _image(fp32.manifest.input), rounds)
    return Checked(_costs(row, fp32, int8, timings), tuple(faults))


def batch_difference(draft: Draft) -> float:
    """Return how much an image's answer changes with the batch that it is in, at most."""
    session = OrtSession(draft.graph, SessionOptions())
    photos = [*calibration_photos(), *calibration_photos()][: max(BATCHES)]
    planes = np.stack(list(photos_to_planes(photos, draft.manifest.input)))
    alone = np.concatenate([session.run(planes[i : i + 1]) for i in range(len(planes))])
    return max(
        float(np.abs(session.run(planes[:batch]) - alone[:batch]).max()) for batch in BATCHES
    )


def _count_faults(row: ZooRow, draft: Draft) -> Iterator[str]:
    manifest = draft.manifest
    found = count_graph_macs(onnx.load_model_from_string(draft.graph))
    if found != manifest.macs:
        yield f"{manifest.name}: {found} MACs in the graph, {manifest.macs} in the net"
    spec = get_spec(row.architecture, **manifest.variant)
    if manifest.classes == 1000 and row.input_size == spec.input_size:
        for what, tabled, built in (
            ("parameters", spec.parameters, manifest.parameters),
            ("MACs", spec.macs, manifest.macs),
        ):
            if tabled not in (None, built):
                yield f"{manifest.name}: {built} {what}, the table says {tabled}"


def _costs(row: ZooRow, fp32: Draft, int8: Draft, timings: Timings) -> Costs:
    # The fastest rounds: what else a busy host does only ever adds time.
    best = {name: min(times) for name, times in timings.by_round.items()}
    manifest = fp32.manifest
    return Costs(
        row=row,
        parameters=manifest.parameters or 0,
        macs=manifest.macs or 0,
        fp32_bytes=manifest.file_bytes,
        int8_bytes=int8.manifest.file_bytes,
        fp32_ms=best["fp32"],
        int8_ms=best["int8"],
    )


def _image(policy: InputPolicy) -> NDArray[np.uint8]:
    return np.stack(list(photos_to_planes(calibration_photos()[:1], policy)))


def main(
    only: Annotated[str, typer.Option(help="Rows whose name has this in it.")] = "",
    minutes: Annotated[float, typer.Option(help="Stop with an error after so long.")] = 30.0,
    table: Annotated[
        Path | None, typer.Option(help="Write the table of all rows into this page.")
    ] = None,
) -> None:
    """Check the zoo; exit with 1 where anything is wrong."""
    ends = time.monotonic() + minutes * 60
    rows = [row for row in exported_rows() if only in row.model_name]
    costs: list[Costs] = []
    failed = 0
    for number, row in enumerate(rows, start=1):
        if time.monotonic() > ends:
            console.print(f"stopped after {minutes:g} minutes at row {number} of {len(rows)}")
            failed += 1
            break
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            faults = _check_and_collect(row, Path(folder), costs)
        failed += bool(faults)
        verdict = "; ".join(faults) or "right"
        seconds = time.monotonic() - started
        text = f"{number}/{len(rows)} {row} {row.input_size} px: {verdict} ({seconds:.0f} s)"
        console.print(text, markup=False, soft_wrap=True)
    print_wide(console, costs_table(costs))
    if table is not None and not only and not failed:
        write_costs(table, costs)
    sys.exit(failed > 0)


def _check_and_collect(row: ZooRow, folder: Path, costs: list[Costs]) -> tuple[str, ...]:
    try:
        checked = check_row(row, folder, imagenet_labels())
    except (FeatherboxError, ModelError, GateFailed) as error:
        return (str(error),)
    costs.append(checked.costs)
    return checked.faults


def _silent(_: str) -> None:
    """Say nothing: a row is told as a whole."""


if __name__ == "__main__":
    typer.run(main)
