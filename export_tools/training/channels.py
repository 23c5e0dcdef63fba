"""Follow every channel of a net from the layers that make it to the layers that read it.

The net runs once without arithmetic (on the meta device), and each operation moves numbered
channels as it moves the real ones: a concatenation appends them, a shuffle permutes them, an
addition makes two of them one, for they can only be removed together. Torch-Pruning does this by
whole dimensions; what a channel shuffle does to single channels is out of its sight.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from export_tools.errors import ExportError

Numbers = list[int]


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or product: the channels it reads and makes, and how often it is applied."""

    name: str
    inputs: Numbers
    outputs: Numbers
    groups: int
    kernel: int  # weights of one input channel to one output channel
    places: int  # of the output, px


@dataclass(slots=True)
class ChannelMap:
    """The channels of a net; those that were made one have the same `root`."""

    layers: dict[str, Layer] = field(default_factory=dict)
    followers: dict[str, Numbers] = field(default_factory=dict)  # depthwise layers, batch norms
    depthwise: dict[str, Layer] = field(default_factory=dict)
    norm_after: dict[str, str] = field(default_factory=dict)  # layer -> the batch norm behind it
    fixed: set[int] = field(default_factory=set)  # of the image, of the answer, and their like
    parents: Numbers = field(default_factory=list)

    def root(self, number: int) -> int:
        """Return the lowest number among the channels that are one with this."""
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def roots(self, numbers: Iterable[int]) -> Numbers:
        """Return the root of each."""
        return [self.root(number) for number in numbers]

    def fresh(self, count: int) -> Numbers:
        """Number new channels."""
        start = len(self.parents)
        self.parents.extend(range(start, start + count))
        return self.parents[start:]

    def join(self, left: Sequence[int], right: Sequence[int]) -> None:
        """Make channels one, pair by pair."""
        for one, other in zip(left, right, strict=True):
            low, high = sorted((self.root(one), self.root(other)))
            self.parents[high] = low

    @property
    def fixed_roots(self) -> set[int]:
        """The roots that cannot be removed."""
        return {self.root(number) for number in self.fixed}


def trace_channels(net: nn.Module, input_size: int) -> ChannelMap:
    """Follow the channels of a net.

    Args:
        net: maps images [batch, 3, input_size, input_size] to logits.
        input_size: side of the images, px.

    Raises:
        ExportError: the net has an operation that is not understood; it is named.
    """
    twin = copy.deepcopy(net).to("meta").eval()
    tracer = _Tracer(twin)
    image = torch.empty(1, 3, input_size, input_size, device="meta")
    numbers = tracer.found.fresh(3)
    tracer.found.fixed.update(numbers)
    tracer.carry(image, torch.tensor(numbers).view(1, 3, 1, 1).expand(image.shape))
    with torch.no_grad(), tracer:
        logits = twin(image)
    tracer.found.fixed.update(tracer.numbers(logits).flatten().tolist())
    return tracer.found


@dataclass(frozen=True, slots=True)
class _Call:
    """One operation that ran."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Tensor


class _Tracer(TorchFunctionMode):
    """Sees every operation, and keeps beside each tensor one of its shape with the numbers."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.found = ChannelMap()
        self._owner = {
            id(part.weight): name
            for name, part in net.named_modules()
            if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d)
        }
        self._carried: dict[int, tuple[Tensor, Tensor]] = {}  # the tensor too, or ids would recur
        self._maker: dict[int, str] = {}

    def carry(self, tensor: Tensor, numbers: Tensor) -> None:
        self._carried[id(tensor)] = (tensor, numbers)

    def numbers(self, tensor: Tensor) -> Tensor:
        return self._carried[id(tensor)][1]

    def _known(self, value: object) -> bool:
        return isinstance(value, Tensor) and id(value) in self._carried

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        first = args[0] if args else None
        parts = first if isinstance(first, list | tuple) else args
        if isinstance(result, Tensor) and any(self._known(part) for part in parts):
            rule = _RULES.get(name.strip("_"))
            if rule is None:
                raise ExportError(f"Channels cannot be followed through {name!r}.")
            numbers = rule(self, _Call(func, args, kwargs, result))
            if not self._known(result):
                self.carry(result, numbers)
        return result

    def convolve(self, call: _Call) -> Tensor:
        """Take in a convolution or a product."""
        data, weight = call.args[0], call.args[1]
        read = self._row(data)
        name = self._owner.get(id(weight))
        if name is None:  # a constant over the channels, as LRN's band: they stay as they are
            self.found.fixed.update(read)
            return _spread(read, call.result)
        groups = len(read) // weight.shape[1]
        places = call.result[0, 0].numel() if call.result.ndim == 4 else 1
        kernel = weight[0, 0].numel()
        if groups == len(read) == weight.shape[0] and groups > 1:
            self.found.followers[name] = read
            self.found.depthwise[name] = Layer(name, read, read, groups, kernel, places)
            return _spread(read, call.result)
        made = self.found.fresh(weight.shape[0])
        self.found.layers[name] = Layer(name, read, made, groups, kernel, places)
        self._maker[id(call.result)] = name
        return _spread(made, call.result)

    def normalise(self, call: _Call) -> Tensor:
        """Take in a batch norm."""
        weight = call.kwargs["weight"] if "weight" in call.kwargs else call.args[3]
        name = self._owner[id(weight)]
        self.found.followers[name] = self._row(call.args[0])
        if id(call.args[0]) in self._maker:
            self.found.norm_after[self._maker[id(call.args[0])]] = name
        return self.numbers(call.args[0])

    def pool(self, call: _Call) -> Tensor:
        """Take in what changes height and width only, or takes their mean."""
        return _spread(self._row(call.args[0]), call.result)

    def keep(self, call: _Call) -> Tensor:
        """Take in what changes values only."""
        return self.numbers(call.args[0])

    def combine(self, call: _Call) -> Tensor:
        """Take in arithmetic of two tensors, or of one and a constant."""
        known = [self.numbers(part) for part in call.args[:2] if self._known(part)]
        if len(known) == 2:
            self.found.join(known[0].flatten().tolist(), known[1].flatten().tolist())
        return known[0]

    def move(self, call: _Call) -> Tensor:
        """Take in what moves values: the numbers move the same way."""
        first = call.args[0]
        if isinstance(first, list | tuple):
            moved = call.func([self.numbers(part) for part in first], *call.args[1:], **call.kwargs)
        else:
            moved = call.func(self.numbers(first), *call.args[1:], **call.kwargs)
        assert isinstance(moved, Tensor)
        return moved

    def _row(self, tensor: Tensor) -> Numbers:
        """Return the number of each channel."""
        numbers = self.numbers(tensor)
        return (numbers[0, :, 0, 0] if numbers.ndim == 4 else numbers[0]).tolist()


def _spread(numbers: Numbers, like: Tensor) -> Tensor:
    shape = [1, -1] + [1] * (like.ndim - 2)
    return torch.tensor(numbers).view(shape).expand(like.shape)


_Rule = Callable[[_Tracer, _Call], Tensor]
_RULES: dict[str, _Rule] = {
    "conv2d": _Tracer.convolve,
    "linear": _Tracer.convolve,
    "batch_norm": _Tracer.normalise,
    **dict.fromkeys(
        ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "pad", "mean"), _Tracer.pool
    ),
    **dict.fromkeys(
        ("relu", "relu6", "hardtanh", "dropout", "sqrt", "contiguous", "clone"), _Tracer.keep
    ),
    **dict.fromkeys(
        ("add", "radd", "iadd", "mul", "rmul", "sub", "rsub", "div", "truediv"), _Tracer.combine
    ),
    **dict.fromkeys(
        ("cat", "flatten", "unflatten", "transpose", "permute", "reshape", "view"), _Tracer.move
    ),
}
