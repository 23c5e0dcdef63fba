"""What the user typed for `export`, turned into what is exported."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export_tools.errors import DataError, WeightsError
from export_tools.fp32 import Fp32Request
from export_tools.labels import imagenet_labels
from export_tools.photos import selftest_photo
from export_tools.weights import (
    RANDOM,
    SOURCES,
    WeightSource,
    fetch,
    find_published,
    get_source,
    sources_of,
)
from export_tools.weights.choose import Options
from models import InvalidOptionError, OptionValue, get_spec
from models.registry import get_architecture

_WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The arguments of `export` as they were typed."""

    net: str
    source: str | None = None
    weights: str | None = None
    random_weights: bool = False
    seed: int = 0
    variant: Sequence[str] = ()
    input_size: int | None = None
    classes: int | None = None
    labels: Path | None = None
    name: str | None = None
    selftest: Path | None = None


def resolve(typed: Typed) -> Fp32Request:
    """Find source, file, labels and photo; a file of a library is fetched.

    Raises:
        WeightsError: there are no such weights; the text says which file to bring.
        DataError: a file cannot be read, or labels and classes differ.
        ModelError: no such net or option.
    """
    options = parse_options(typed.net, typed.variant)
    source = RANDOM if typed.random_weights else None
    file, checkpoint = None, None
    if typed.random_weights and (typed.source or typed.weights):
        raise WeightsError("--random-weights goes with neither --source nor --weights.")
    if typed.weights is not None:
        published = find_published(SOURCES.values(), typed.weights)
        if published is None:
            file = Path(typed.weights)
        elif published.checkpoint.architecture != typed.net:
            raise WeightsError(
                f"{typed.weights} are weights of {published.checkpoint.architecture}, "
                f"not of {typed.net}."
            )
        else:
            source, checkpoint, file = published.source, published.checkpoint, fetch(published)
    return Fp32Request(
        name=typed.name or typed.net,
        architecture=typed.net,
        source=source or _source(typed),
        labels=_labels(typed),
        selftest=read_bytes(typed.selftest) if typed.selftest else selftest_photo(),
        weights=file,
        checkpoint=checkpoint,
        options=options,
        input_size=typed.input_size,
        seed=typed.seed,
        labels_option=_labels_option(typed),
    )


def parse_options(net: str, written: Sequence[str]) -> Options:
    """Turn `name=value` texts into a variant's options, each of the type the net declares.

    Raises:
        ModelError: no such net or option, or a value of another type.
    """
    options: dict[str, OptionValue] = {}
    known = get_architecture(net).options
    for text in written:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidOptionError(f"a variant is written name=value: {text!r}")
        options[name] = _value(value, known[name].kind if name in known else str)
    get_spec(net, **options)
    return options


def _value(text: str, kind: type) -> OptionValue:
    if kind is not str and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            return text  # refused by the net, with its own words
        return number
    return text


def _source(typed: Typed) -> WeightSource:
    """Return the named source, or the one that brings its own file for the net."""
    if typed.source is not None:
        return get_source(typed.source)
    sources = sources_of(typed.net)
    if typed.weights is None:
        for source in sources:
            if source.packaged is not None:
                return source
    elif len(sources) == 1:
        return sources[0]
    names = ", ".join(source.name for source in sources) or "there is none for this net"
    raise WeightsError(
        f"Say where the weights of {typed.net} come from with --source ({names}), "
        "or take --random-weights."
    )


def _labels(typed: Typed) -> tuple[str, ...]:
    if typed.labels is None:
        known = imagenet_labels()
        if typed.classes in (None, len(known)):
            return known
        return tuple(f"class {index}" for index in range(typed.classes or 0))
    labels = read_labels(typed.labels)
    if typed.classes not in (None, len(labels)):
        raise DataError(f"{typed.labels.name} has {len(labels)} lines, --classes {typed.classes}.")
    return labels


def _labels_option(typed: Typed) -> str:
    if typed.labels is not None:
        return f"--labels {typed.labels.name}"
    return "" if typed.classes is None else f"--classes {typed.classes}"


def read_labels(path: Path) -> tuple[str, ...]:
    """Read a label a line.

    Raises:
        DataError: the file cannot be read, is no UTF-8 text, or has an empty line.
    """
    try:
        labels = tuple(read_bytes(path).decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8 text.") from error
    if not labels or not all(label.strip() for label in labels):
        raise DataError(f"{path.name} must have a label in every line, the first for class 0.")
    return labels


def read_bytes(path: Path) -> bytes:
    """Read a file; raises `DataError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
