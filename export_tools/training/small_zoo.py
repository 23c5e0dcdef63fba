"""The nets of the zoo on hard digits, each narrow enough for a CPU: what is trained, and how.

A run is one net with one seed. It goes fp32 -> int8, fp32 -> pruned and fine-tuned, and beside
that the same net distilled from a bigger one. Each result is kept by the hash of all that it
depends on, so that a table goes on where it was stopped.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export_tools.compress import Plan, compress_graph
from export_tools.draft import tool_versions
from export_tools.evaluate import accuracy, run_all
from export_tools.onnx_export import export_onnx
from export_tools.serving_net import ServingNet
from export_tools.step_cache import Files, StepCache
from export_tools.training.digits import CLASSES, SIDE, Digits, read_digits
from export_tools.training.distil import Softening, model_teacher, taught
from export_tools.training.loop import (
    Normalised,
    Objective,
    Schedule,
    answers,
    right_share,
    train,
)
from export_tools.training.prune_plan import narrowed, prune_to_macs
from export_tools.training.widths import Shapes, parse_shapes, write_shapes
from export_tools.weights.source import HALF, Normalisation
from models import OptionValue, count_macs, count_parameters, create_model
from service.engine.manifest import MODEL_FILE, InputPolicy
from service.engine.session import OrtSession, SessionOptions

NORMALISATION = Normalisation(HALF, HALF)
INPUT = InputPolicy(height=SIDE, width=SIDE, resize_shorter=SIDE, interpolation="bilinear")
SOFTENING = Softening(temperature=4.0, alpha=0.7)
MACS_LEFT = 0.5
_TEST_SEED, _CALIBRATION_SEED = 999, 555
_CALIBRATION = 300  # images
_STATE, _FACTS = "net.pt", "facts.json"
_TRAINING_CODE = (
    "channels",
    "digits",
    "distil",
    "images",
    "loop",
    "prune",
    "prune_plan",
    "small_zoo",
    "widths",
)
_INT8_CODE = ("compress", "correct_bias", "fold_input", "quantize", "schemes", "share_concat")


@dataclass(frozen=True, slots=True)
class SmallNet:
    """A net at 32 px: epochs, highest rate, `share` of the channels that its variant has."""

    name: str
    architecture: str
    epochs: int
    rate: float
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    share: float = 1.0
    warm_up: float = 0.15

    def build(self) -> nn.Module:
        """Build it with fresh weights from PyTorch's generator."""
        options: dict[str, Any] = dict(self.options)
        net = create_model(
            self.architecture, num_classes=len(CLASSES), input_size=SIDE, dropout=0.0, **options
        )
        return net if self.share == 1.0 else narrowed(net, SIDE, self.share)

    def schedule(self, seed: int) -> Schedule:
        """Return how it is trained."""
        return Schedule(
            epochs=self.epochs, batch=25, rate=self.rate, warm_up=self.warm_up, seed=seed
        )

    def tuning(self, seed: int) -> Schedule:
        """Return how it is fine-tuned after pruning: as it was trained, on other draws."""
        return replace(self.schedule(seed), seed=seed + 1000)


@dataclass(frozen=True, slots=True)
class Result:
    """A graph (empty where it is that of another), right answers on the test, the net's costs."""

    graph: bytes
    accuracy: float
    parameters: int
    macs: int
    shapes: Shapes


class SmallZoo:
    """Trains what is asked for, or finds it."""

    def __init__(
        self,
        folder: Path,
        teacher: SmallNet,
        say: Callable[[str], None] = lambda _: None,
        test_images: int | None = None,
        softening: Softening = SOFTENING,
    ) -> None:
        """Take the folder of finished results, the bigger net that teaches, and how it does."""
        self._steps = StepCache(folder, content_key)
        self._teacher = teacher
        self._softening = softening
        self._say = say
        self._test_images = test_images

    def fp32(self, net: SmallNet, seed: int) -> Result:
        """Train a net on labels alone."""
        return _result(self._trained(net, seed, "fp32", self._labels_only))

    def distilled(self, net: SmallNet, seed: int) -> Result:
        """Train a net beside the bigger one."""
        return _result(self._trained(net, seed, "distilled", self._taught))

    def int8(self, net: SmallNet, seed: int) -> Result:
        """Quantise a trained net."""
        before = self.fp32(net, seed)

        def make() -> Files:
            self._say(f"{net.name}, seed {seed}: int8")
            images = read_digits("training", seed=_CALIBRATION_SEED)
            planes = list(images.plain(range(min(_CALIBRATION, len(images)))))
            graph, _ = compress_graph(before.graph, planes, Plan(), {})
            right = _right_share(graph, self._test())
            facts = _facts(right, before.parameters, before.macs, {})
            return {_FACTS: facts, MODEL_FILE: graph}

        depends = [_depends(net, seed, "int8"), _hash_of("", _INT8_CODE)]
        return _result(self._steps.files("int8", depends, make)[0])

    def pruned(self, net: SmallNet, seed: int) -> Result:
        """Prune a trained net to half of its MACs and fine-tune it, taught by what it was."""
        return self._tuned(net, seed, "pruned", _prune)

    def longer(self, net: SmallNet, seed: int) -> Result:
        """Fine-tune a trained net as if it had been pruned: what that alone gives."""
        return self._tuned(net, seed, "longer", lambda trained: (trained, {}))

    def _tuned(
        self,
        net: SmallNet,
        seed: int,
        kind: str,
        change: Callable[[nn.Module], tuple[nn.Module, Shapes]],
    ) -> Result:
        before = self._trained(net, seed, "fp32", self._labels_only)

        def make() -> Files:
            self._say(f"{net.name}, seed {seed}: {kind}")
            trained = net.build()
            trained.load_state_dict(_load(before[_STATE]))
            changed, shapes = change(trained.eval())
            exported = kind == "pruned" and seed == 0  # the shapes of all seeds are the same
            objective = _taught_by(before[MODEL_FILE])
            return self._learn(changed, net.tuning(seed), objective, shapes, exported)

        return _result(self._steps.files(kind, _depends(net, seed, kind), make)[0])

    def _trained(
        self, net: SmallNet, seed: int, kind: str, teach: Callable[[], Objective | None]
    ) -> Files:
        def make() -> Files:
            self._say(f"{net.name}, seed {seed}: {kind}")
            torch.manual_seed(seed)
            return self._learn(net.build(), net.schedule(seed), teach(), {}, kind == "fp32")

        depends = [_depends(net, seed, kind)]
        if kind == "distilled":
            depends += [_depends(self._teacher, 0, "fp32"), asdict(self._softening)]
        return self._steps.files(kind, depends, make)[0]

    def _labels_only(self) -> None:
        return None

    def _taught(self) -> Objective:
        return _taught_by(self.fp32(self._teacher, 0).graph, self._softening)

    def _learn(
        self,
        net: nn.Module,
        schedule: Schedule,
        objective: Objective | None,
        shapes: Shapes,
        exported: bool,
    ) -> Files:
        learner = Normalised(net, NORMALISATION)
        # A third faster than with the usual order of axes.
        learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        train(learner, read_digits("training", seed=schedule.seed), schedule, objective=objective)
        net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        graph = b""
        if exported:
            graph = export_onnx(ServingNet(net, NORMALISATION).eval(), INPUT, len(CLASSES))
        images = self._test()
        assert images.labels is not None
        right = right_share(answers(learner, images), images.labels)
        facts = _facts(right, count_parameters(net), count_macs(net, SIDE), shapes)
        return {_FACTS: facts, MODEL_FILE: graph, _STATE: _save(net)}

    def _test(self) -> Digits:
        return read_digits("test", seed=_TEST_SEED, most=self._test_images)


def _taught_by(graph: bytes, softening: Softening = SOFTENING) -> Objective:
    session = OrtSession(graph, SessionOptions(intra_op_threads=1))
    return taught(model_teacher(session, INPUT), softening)


def content_key(depends: Any) -> str:
    """Hash JSON facts with the code that trains and the tools' versions."""
    facts = [depends, _hash_of("training", _TRAINING_CODE), tool_versions(quantized=True)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def _hash_of(folder: str, modules: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in modules:
        path = Path(__file__).parent.parent / folder / f"{name}.py"
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _depends(net: SmallNet, seed: int, kind: str) -> Any:
    return {**asdict(net), "options": dict(net.options), "seed": seed, "kind": kind}


def _prune(trained: nn.Module) -> tuple[nn.Module, Shapes]:
    pruned = prune_to_macs(trained, SIDE, MACS_LEFT)
    return pruned.net, pruned.shapes


def _right_share(graph: bytes, images: Digits) -> float:
    session = OrtSession(graph, SessionOptions(intra_op_threads=1))
    assert images.labels is not None
    found = accuracy(run_all(session, images.plain(range(len(images)))), images.labels.tolist())
    return found.top1 / found.images


def _facts(right: float, parameters: int, macs: int, shapes: Shapes) -> bytes:
    facts = {
        "accuracy": right,
        "parameters": parameters,
        "macs": macs,
        "shapes": write_shapes(shapes),
    }
    return json.dumps(facts).encode()


def _save(net: nn.Module) -> bytes:
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    return file.getvalue()


def _load(data: bytes) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(io.BytesIO(data), weights_only=True)
    return state


def _result(files: Files) -> Result:
    facts = json.loads(files[_FACTS])
    return Result(
        graph=files[MODEL_FILE],
        accuracy=facts["accuracy"],
        parameters=facts["parameters"],
        macs=facts["macs"],
        shapes=parse_shapes(facts["shapes"]),
    )
