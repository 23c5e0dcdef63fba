"""The command `prune`: a net made narrower, fine-tuned, and timed beside the original."""

from dataclasses import dataclass, field, replace

from torch import nn

from export_tools.errors import DataError
from export_tools.measure import time_side_by_side
from export_tools.onnx_export import export_onnx
from export_tools.serving_net import ServingNet
from export_tools.training.artifact import Finished
from export_tools.training.class_folders import Photos
from export_tools.training.jobs import Job, learner
from export_tools.training.loop import (
    Normalised,
    Schedule,
    answers,
    describe,
    right_share,
    train,
)
from export_tools.training.prune_plan import BLOCK, Sensitivity, prune_to_macs, sensitivities
from export_tools.training.trained import TrainedNet
from export_tools.training.widths import Shapes, parse_shapes, write_shapes
from models import count_macs, count_parameters
from service.engine.manifest import CompressionStep

_SENSED = 200  # photos that sensitivity looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneWish:
    """How much is left of the MACs, in how many steps, and whether evenly or by sensitivity."""

    macs: float = 0.5
    steps: int = 1
    by_sensitivity: bool = False
    multiple: int = BLOCK
    tuning: Schedule = field(default_factory=lambda: Schedule(epochs=5, batch=16, rate=5e-4))


@dataclass(frozen=True, slots=True)
class PruneOutcome:
    """The pruned model, and the speed of its graph over that of the net before."""

    finished: Finished
    macs_before: int
    parameters_before: int
    bytes_before: int
    speed: float


def prune_job(
    job: Job, trained: TrainedNet, wish: PruneWish, parent: str, command: str
) -> PruneOutcome:
    """Prune a trained net and fine-tune it after each step.

    Raises:
        ArtifactError: photos, a goal that cannot be met, or a gate.
    """
    photos = job.photos(trained.labels)
    size = trained.input.height
    images = Photos(photos.training, trained.input, job.seed)
    net, before = trained.net, count_macs(trained.net, size)
    original = trained
    shapes: Shapes = {}
    for step in range(1, wish.steps + 1):
        goal = wish.macs ** (step / wish.steps) * before / count_macs(net, size)
        job.say(f"pruning, step {step} of {wish.steps}")
        found = _sense(job, trained, images) if wish.by_sensitivity else None
        pruned = prune_to_macs(net, size, goal, multiple=wish.multiple, found=found)
        net = pruned.net
        shapes |= pruned.shapes
        trained = replace(trained, net=net)
        settings = f"prune {parent} {wish.macs} of {before}, {wish.by_sensitivity}, step {step}"
        kept = job.kept(photos, settings).phase(f"step{step}", describe(wish.tuning))
        bar = job.bar(f"fine-tuning {step}")
        train(learner(trained), images, wish.tuning, device=job.device, kept=kept, tell=bar)
    fact = CompressionStep(
        step="L1-norm filter pruning",
        settings={
            "parent": parent,
            "macs_before": before,
            "macs": count_macs(net, size),
            "parameters": count_parameters(net),
            "steps": wish.steps,
            "by_sensitivity": wish.by_sensitivity,
            "fine_tuning": describe(wish.tuning),
            "widths": write_shapes(shapes),
        },
    )
    finished = job.finish(
        replace(
            trained,
            shapes=write_shapes({**parse_shapes(original.shapes), **shapes}),
            steps=(*original.steps, fact),
            command=command,
        ),
        photos,
    )
    return _compared(job, original, finished, Photos(photos.test, original.input, job.seed))


def _compared(job: Job, original: TrainedNet, finished: Finished, test: Photos) -> PruneOutcome:
    """Time both graphs in turns."""
    net = ServingNet(original.net.cpu(), original.normalisation).eval()
    graph = export_onnx(net, original.input, len(original.labels))
    graphs = {"before": graph, "after": finished.result.draft.graph}
    timings = time_side_by_side(graphs, test.plain([0]), job.rounds)
    return PruneOutcome(
        finished,
        macs_before=count_macs(original.net, original.input.height),
        parameters_before=count_parameters(original.net),
        bytes_before=len(graph),
        speed=timings.speed_ratio("after", "before"),
    )


def _sense(job: Job, trained: TrainedNet, images: Photos) -> list[Sensitivity]:
    """Look at a few training photos, for the test's are for the test."""
    few = Photos(images.items[:: max(1, len(images) // _SENSED)], trained.input, job.seed)
    labels = few.labels
    if labels is None:
        raise DataError("Sensitivity needs photos in class folders.")

    def right(net: nn.Module) -> float:
        return right_share(answers(Normalised(net, trained.normalisation), few, job.device), labels)

    return sensitivities(
        trained.net, trained.input.height, right, lambda name: job.say(f"sensitivity of {name}")
    )
