"""A trained net as a file that it can be made from again, and as the fp32 draft of an artifact.

The file is in the safetensors format: the weights, and beside them in words the architecture, its
options, the shapes that pruning left, how images are normalised, and what was done so far.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as pack_tensors
from torch import nn

from export_tools.errors import WeightsError
from export_tools.training.widths import parse_shapes, resized
from export_tools.weights import Normalisation
from export_tools.weights.choose import Options
from export_tools.weights.load import build_net
from models import ModelError, OptionValue
from service.engine.manifest import CompressionStep, InputPolicy

NET_FILE = "net.safetensors"
_SELFTEST_SIDE = 400  # px


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedNet:
    """A net in evaluation mode with all that an artifact says of it.

    `origin` says where its weights come from, `command` what made it; `shapes` are written as
    `widths.write_shapes` does, empty where nothing was pruned.
    """

    net: nn.Module
    architecture: str
    options: Options
    normalisation: Normalisation
    input: InputPolicy
    labels: tuple[str, ...]
    origin: str
    licence: str | None
    command: str
    shapes: str = ""
    steps: tuple[CompressionStep, ...] = ()


def save_net(trained: TrainedNet, file: Path) -> None:
    """Write a net; a kill leaves the old file or the new one."""
    facts = {
        "architecture": trained.architecture,
        "options": dict(trained.options),
        "mean": trained.normalisation.mean,
        "std": trained.normalisation.std,
        "input": trained.input.model_dump(mode="json"),
        "labels": trained.labels,
        "origin": trained.origin,
        "licence": trained.licence,
        "command": trained.command,
        "shapes": trained.shapes,
        "steps": [step.model_dump(mode="json") for step in trained.steps],
    }
    tensors = {key: value.detach().cpu().contiguous() for key, value in _state(trained).items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    beside.write_bytes(pack_tensors(tensors, {"featherbox": json.dumps(facts)}))
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    beside.replace(file)


def load_trained(file: Path) -> TrainedNet:
    """Make a net again from its file.

    Raises:
        WeightsError: there is no such file, or it is none of `save_net`.
    """
    if not file.is_file():
        raise WeightsError(f"There is no trained net {file}: train or finetune makes one.")
    try:
        with safe_open(file, framework="pt") as opened:
            facts: Mapping[str, Any] = json.loads((opened.metadata() or {})["featherbox"])
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
        trained = _made_again(facts)
        trained.net.load_state_dict(tensors)
    except (SafetensorError, KeyError, ValueError, RuntimeError, ModelError) as error:
        raise WeightsError(f"{file} is not a net that this version trained.") from error
    return trained


def _made_again(facts: Mapping[str, Any]) -> TrainedNet:
    options: dict[str, OptionValue] = dict(facts["options"])
    policy = InputPolicy.model_validate(facts["input"])
    net = build_net(facts["architecture"], policy.height, options, len(facts["labels"]))
    return TrainedNet(
        net=resized(net, parse_shapes(facts["shapes"])).eval(),
        architecture=facts["architecture"],
        options=options,
        normalisation=Normalisation(tuple(facts["mean"]), tuple(facts["std"])),
        input=policy,
        labels=tuple(facts["labels"]),
        origin=facts["origin"],
        licence=facts["licence"],
        command=facts["command"],
        shapes=facts["shapes"],
        steps=tuple(CompressionStep.model_validate(step) for step in facts["steps"]),
    )


def _state(trained: TrainedNet) -> Mapping[str, Any]:
    return trained.net.state_dict()


def weights_hash(trained: TrainedNet) -> str:
    """Return the sha256 of a net's tensors."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in _state(trained).items()}
    return hashlib.sha256(pack_tensors(tensors)).hexdigest()
