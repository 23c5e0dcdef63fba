"""What the commands do, from a folder of photos to a draft: finetune, train, distil.

Each job keeps its states and the net that it ends in under `folder/NAME`; called again after a
kill it goes on from there.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from export_tools.draft import Draft, check_name
from export_tools.fp32 import Say
from export_tools.training.artifact import Finished, build_trained
from export_tools.training.checkpoint import RunFolder
from export_tools.training.class_folders import Photos, PhotoSet, find_photos
from export_tools.training.distil import Softening, model_teacher, taught
from export_tools.training.finetune import Plan, finetune
from export_tools.training.loop import (
    Normalised,
    Objective,
    Schedule,
    Tell,
    describe,
    train,
)
from export_tools.training.start import Wanted, fresh, head_of, pretrained
from export_tools.training.trained import NET_FILE, TrainedNet, save_net
from service.engine.manifest import CompressionStep
from service.engine.session import OrtSession, SessionOptions

FOLDER = Path("build/training")


def _no_bar(_: str) -> Tell:
    return lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all jobs take: the new model's name, the photos, where and how it runs."""

    name: str
    data: Path
    folder: Path = FOLDER
    device: str = "cpu"
    seed: int = 0
    say: Say = lambda _: None
    bar: Callable[[str], Tell] = _no_bar
    rounds: int = 40

    def photos(self, labels: tuple[str, ...] = ()) -> PhotoSet:
        """Find the photos; raises `DataError`, or `PublishError` for a name that no model has."""
        check_name(self.name)
        return find_photos(self.data, self.seed, labels)

    def kept(self, photos: PhotoSet, settings: str) -> RunFolder:
        """Return the folder of states, for these photos and settings only."""
        digest = hashlib.sha256()
        for item in photos.training:
            digest.update(f"{item.path.parent.name}/{item.path.name} ".encode())
            digest.update(f"{item.path.stat().st_size}\n".encode())
        run = f"{settings}; {digest.hexdigest()[:16]}; {torch.get_num_threads()} threads"
        return RunFolder(self.folder / self.name, f"{run} on {self.device}")

    def finish(self, trained: TrainedNet, photos: PhotoSet) -> Finished:
        """Keep the net and make its draft."""
        trained.net.to("cpu", memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
        save_net(trained, self.folder / self.name / NET_FILE)
        test = Photos(photos.test, trained.input, self.seed)
        data = f"{len(test)} photos of {self.data.name}"
        return build_trained(trained, self.name, test, data, self.say, self.rounds)


def finetune_job(job: Job, wanted: Wanted, plan: Plan) -> Finished:
    """Put a new head on pretrained weights; `wanted.labels` are found in the folder.

    Raises:
        ArtifactError: photos, weights, a checkpoint of another run, or a gate.
    """
    photos = job.photos()
    wanted = replace(wanted, labels=photos.labels)
    trained = pretrained(wanted)
    job.say("reading the photos")
    images = Photos(photos.training, trained.input, job.seed)
    tell_skipped(job, images)
    finetune(
        learner(trained),
        head_of(trained),
        images,
        plan,
        kept=job.kept(photos, f"finetune {wanted.architecture} {dict(trained.options)}"),
        device=job.device,
        tell=job.bar,
    )
    origin = f"{trained.origin}; fine-tuned on {len(images)} photos of {job.data.name}"
    return job.finish(replace(trained, origin=origin), photos)


def train_job(job: Job, wanted: Wanted, schedule: Schedule) -> Finished:
    """Train a net from fresh weights; `wanted.labels` are found in the folder.

    Raises:
        ArtifactError: photos, a checkpoint of another run, or a gate.
        ModelError: no such net or option.
    """
    photos = job.photos()
    trained = fresh(replace(wanted, labels=photos.labels))
    _train(job, trained, photos, schedule, None, f"train {wanted.architecture}")
    origin = f"trained on {len(photos.training)} photos of {job.data.name}, seed {wanted.seed}"
    return job.finish(replace(trained, origin=origin), photos)


def distil_job(
    job: Job,
    wanted: Wanted,
    teacher: Draft,
    softening: Softening,
    schedule: Schedule,
    scratch: bool,
) -> Finished:
    """Let a net learn from a model, on photos with or without classes.

    Raises:
        ArtifactError: photos, weights, a checkpoint of another run, or a gate.
        ModelError: no such net or option.
    """
    photos = job.photos(teacher.labels)
    wanted = replace(wanted, labels=teacher.labels)
    trained = fresh(wanted) if scratch else pretrained(wanted)
    facts = teacher.manifest
    session = OrtSession(teacher.graph, SessionOptions())
    objective = taught(model_teacher(session, facts.input), softening)
    settings = f"distil {wanted.architecture} {facts.files} {softening}"
    _train(job, trained, photos, schedule, objective, settings)
    step = CompressionStep(
        step="knowledge distillation",
        settings={
            "teacher": facts.name,
            "temperature": softening.temperature,
            "alpha": softening.alpha if photos.training[0].index is not None else 1.0,
            "photos": len(photos.training),
            "epochs": schedule.epochs,
        },
    )
    begun = "" if scratch else f"{trained.origin}; "
    origin = f"{begun}distilled from {facts.name} on {len(photos.training)} photos"
    return job.finish(replace(trained, origin=origin, steps=(step,)), photos)


def _train(
    job: Job,
    trained: TrainedNet,
    photos: PhotoSet,
    schedule: Schedule,
    objective: Objective | None,
    settings: str,
) -> None:
    job.say("reading the photos")
    images = Photos(photos.training, trained.input, job.seed)
    tell_skipped(job, images)
    settings = f"{settings} {dict(trained.options)} {describe(schedule)}"
    train(
        learner(trained),
        images,
        schedule,
        objective=objective,
        device=job.device,
        kept=job.kept(photos, settings).phase("training", describe(schedule)),
        tell=job.bar("training"),
    )


def learner(trained: TrainedNet) -> Normalised:
    """Return a net as it learns: its axes in the order in which a CPU is a third faster."""
    net = Normalised(trained.net, trained.normalisation)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def tell_skipped(job: Job, images: Photos) -> None:
    """Name the photos that cannot be decoded, ten at most."""
    for fault in images.skipped[:10]:
        job.say(f"left out {fault}")
    if len(images.skipped) > 10:
        job.say(f"left out {len(images.skipped) - 10} more")
