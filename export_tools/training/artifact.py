"""A trained net to the fp32 draft of an artifact.

What an ImageNet model takes from the exporter's own photos comes from the user's here: parity,
accuracy, the self-test.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from export_tools.draft import (
    Draft,
    check_name,
    expect_selftest,
    file_facts_of,
    labels_bytes,
    tool_versions,
)
from export_tools.evaluate import Accuracy, accuracy, run_all
from export_tools.fp32 import SELFTEST_TOLERANCE, Fp32Result, Say
from export_tools.measure import ROUNDS, measured_facts, time_side_by_side
from export_tools.onnx_export import export_onnx
from export_tools.parity import BATCHES, check_parity
from export_tools.serving_net import ServingNet
from export_tools.training.class_folders import Photos
from export_tools.training.trained import TrainedNet, weights_hash
from models import count_macs, count_parameters
from service.engine.manifest import (
    LABELS_FILE,
    MODEL_FILE,
    SELFTEST_FILE,
    Manifest,
    Provenance,
    Quality,
)
from service.engine.session import OrtSession, Session, SessionOptions
from service.errors import GateFailed

_SELFTEST_SIDE, _TRIED = 400, 5


@dataclass(frozen=True, slots=True)
class Finished:
    """What `finetune` and its like end in: the draft, and right answers on the test photos."""

    result: Fp32Result
    right: Accuracy | None


def build_trained(
    trained: TrainedNet, name: str, photos: Photos, data: str, say: Say, rounds: int = ROUNDS
) -> Finished:
    """Export a trained net.

    Args:
        trained: the net.
        name: of the model.
        photos: to test on, with or without classes.
        data: what the manifest calls them.
        say: told what is done next, for people who wait.
        rounds: of timing.

    Raises:
        ArtifactError: the name, the graph, or a gate; its text says which.
    """
    check_name(name)
    say("exporting to ONNX")
    net = ServingNet(trained.net.cpu(), trained.normalisation).eval()
    graph = export_onnx(net, trained.input, len(trained.labels))
    session = OrtSession(graph, SessionOptions())
    say("evaluating")
    planes = photos.plain(range(len(photos)))
    parity = check_parity(net, session, np.resize(planes, (max(BATCHES), *planes.shape[1:])))
    probabilities = run_all(session, planes)
    right = None
    if photos.labels is not None:
        right = accuracy(probabilities, photos.labels.tolist())
    selftest = _selftest(trained, session, photos, probabilities)
    say("timing")
    timings = time_side_by_side({name: graph}, planes[:1], rounds)
    draft = Draft(
        manifest=_manifest(trained, name, graph, session, selftest, quality_of(right, data)),
        graph=graph,
        labels=trained.labels,
        selftest=selftest,
        measured=measured_facts(timings, name, None),
    )
    return Finished(Fp32Result(draft, parity), right)


def _selftest(
    trained: TrainedNet, session: Session, photos: Photos, answers: NDArray[np.float32]
) -> bytes:
    """Return the photo that is answered most surely, rightly where that is known, as a JPEG.

    Raises:
        GateFailed: no photo is.
    """
    sure = answers.max(axis=1)
    if photos.labels is not None:
        sure = np.where(answers.argmax(axis=1) == photos.labels, sure, 0.0)
    fault = "it answers no photo rightly"
    for index in np.argsort(-sure, kind="stable")[:_TRIED]:
        if sure[index] == 0.0:
            break
        photo = _small_jpeg(photos.items[int(index)].path)
        try:
            expect_selftest(
                session,
                trained.input,
                trained.labels,
                photo,
                tolerance=SELFTEST_TOLERANCE,
                must_be_sure=True,
            )
        except GateFailed as error:
            fault = str(error)
        else:
            return photo
    raise GateFailed(f"The net is sure of none of the test photos: train longer. ({fault})")


def _small_jpeg(path: Path) -> bytes:
    with Image.open(path) as opened:
        photo = opened.convert("RGB")
    photo.thumbnail((_SELFTEST_SIDE, _SELFTEST_SIDE))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=92)
    return file.getvalue()


def quality_of(right: Accuracy | None, data: str) -> Quality:
    """Return what a manifest says of right answers; nothing where there are no classes."""
    if right is None:
        return Quality()
    return Quality(
        dataset=data,
        images=right.images,
        top1=round(right.top1 / right.images, 4),
        top5=round(right.top5 / right.images, 4),
    )


def _manifest(
    trained: TrainedNet, name: str, graph: bytes, session: Session, photo: bytes, quality: Quality
) -> Manifest:
    files = {MODEL_FILE: graph, LABELS_FILE: labels_bytes(trained.labels), SELFTEST_FILE: photo}
    return Manifest(
        name=name,
        version=1,
        architecture=trained.architecture,
        variant={key: value for key, value in trained.options.items() if value is not None},
        precision="fp32",
        parameters=count_parameters(trained.net),
        macs=count_macs(trained.net, trained.input.height),
        classes=len(trained.labels),
        file_bytes=len(graph),
        files=file_facts_of(files),
        input=trained.input,
        quality=quality,
        compression=list(trained.steps),
        provenance=Provenance(
            weights_source=trained.origin,
            weights_sha256=weights_hash(trained),
            licence=trained.licence,
            tools=tool_versions(quantized=False),
            command=trained.command,
        ),
        selftest=expect_selftest(
            session,
            trained.input,
            trained.labels,
            photo,
            tolerance=SELFTEST_TOLERANCE,
            must_be_sure=True,
        ),
    )
