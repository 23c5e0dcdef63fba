"""What training begins with: pretrained weights and a new head, or fresh weights."""

from dataclasses import dataclass
from functools import partial

from torch import nn

from export_tools.errors import WeightsError
from export_tools.request import Typed, parse_options, resolve
from export_tools.training.trained import TrainedNet
from export_tools.weights import RANDOM, Normalisation, load_net, random_crop
from export_tools.weights.choose import deployed_options
from export_tools.weights.head import Build, build_seeded, head_keys
from export_tools.weights.load import build_net
from export_tools.weights.source import IMAGENET_MEAN, IMAGENET_STD

_IMAGENET = Normalisation(IMAGENET_MEAN, IMAGENET_STD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The net that somebody typed; `variant` is written `name=value`."""

    architecture: str
    labels: tuple[str, ...]
    variant: tuple[str, ...] = ()
    input_size: int | None = None
    source: str | None = None
    weights: str | None = None
    seed: int = 0
    command: str = ""


def pretrained(wanted: Wanted) -> TrainedNet:
    """Return a net with a source's weights and a fresh head for the labels.

    Raises:
        WeightsError: there are no such weights.
        ModelError: no such net or option.
    """
    classes = len(wanted.labels)
    request = resolve(
        Typed(
            net=wanted.architecture,
            source=wanted.source,
            weights=wanted.weights,
            variant=wanted.variant,
            input_size=wanted.input_size,
            classes=classes,
        )
    )
    loaded = load_net(
        request.architecture,
        request.source,
        request.weights,
        classes=classes,
        options=request.options,
        checkpoint=request.checkpoint,
        input_size=request.input_size,
        new_head=True,
    )
    _start_alive(loaded.net, wanted, bool(loaded.untrained))
    return TrainedNet(
        net=loaded.net,
        architecture=wanted.architecture,
        options=dict(loaded.spec.variant),
        normalisation=loaded.normalisation,
        input=loaded.input,
        labels=wanted.labels,
        origin=f"{loaded.source.origin}: {loaded.file_name}",
        licence=loaded.source.licence,
        command=wanted.command,
    )


def _start_alive(net: nn.Module, wanted: Wanted, new_head: bool) -> None:
    """Let a new head of SqueezeNet begin above 0: its ReLU passes no gradient below."""
    if new_head and wanted.architecture.startswith("squeezenet"):
        last = [part for part in net.modules() if isinstance(part, nn.Conv2d)][-1]
        assert last.bias is not None
        nn.init.ones_(last.bias)


def fresh(wanted: Wanted) -> TrainedNet:
    """Return a net with weights drawn by a seed; raises `ModelError`."""
    policy = random_crop(wanted.architecture, wanted.input_size).policy()
    options = deployed_options(
        wanted.architecture, parse_options(wanted.architecture, wanted.variant)
    )
    build = partial(build_net, wanted.architecture, policy.height, options)
    net = build_seeded(build, len(wanted.labels), wanted.seed)
    _start_alive(net, wanted, new_head=True)
    return TrainedNet(
        net=net,
        architecture=wanted.architecture,
        options=options,
        normalisation=_IMAGENET,
        input=policy,
        labels=wanted.labels,
        origin=f"{RANDOM.origin}, seed {wanted.seed}",
        licence=None,
        command=wanted.command,
    )


def head_of(trained: TrainedNet) -> str:
    """Return the name of the layer whose width is the number of classes.

    Raises:
        WeightsError: the net has several such layers, or none.
    """
    build: Build = partial(build_net, trained.architecture, trained.input.height, trained.options)
    keys = head_keys(build, len(trained.labels))
    names = {key.rpartition(".")[0] for key in keys}
    if len(names) != 1:
        raise WeightsError(f"{trained.architecture} has no single head: {', '.join(names)}.")
    return names.pop()
