"""What `featherbox-export list` and `featherbox-export table` print."""

from rich.table import Table

from export_tools.artifacts import SHIPPED
from export_tools.weights import sources_of
from models import ModelSpec, PublishedAccuracy, get_spec, list_models
from models.registry import get_architecture

_AUTHORS = ("paper", "authors")


def nets_table() -> Table:
    """Return a row a net: what its default variant costs, and where its weights come from."""
    table = Table("net", box=None, pad_edge=False)
    for column in ("parameters", "MACs", "px"):
        table.add_column(column, justify="right")
    table.add_column("weights")
    table.add_column("ships as")
    for name in list_models():
        spec = get_spec(name)
        shipped = any(entry.architecture == name for entry in SHIPPED)
        table.add_row(
            name,
            _count(spec.parameters),
            _count(spec.macs),
            str(spec.input_size),
            ", ".join(source.name for source in sources_of(name)) or "-",
            f"{name}, {name}-int8" if shipped else "-",
        )
    return table


def accuracy_table() -> Table:
    """Return a row a net: its options, and what was published, in percent on ImageNet-1k."""
    table = Table("net", box=None, pad_edge=False)
    for column in ("options", "top-1/top-5 of the authors", "best public checkpoint", "paper"):
        table.add_column(column, overflow="fold")
    for name in list_models():
        spec = get_spec(name)
        table.add_row(
            name,
            _options(name),
            _accuracy(_by_authors(spec)),
            _accuracy(best_public(name)),
            spec.paper.url if spec.paper else "-",
        )
    return table


def best_public(name: str) -> PublishedAccuracy | None:
    """Return the best result of a public checkpoint of any variant of a net."""
    found = [
        result
        for row in get_architecture(name).table
        for result in row.published
        if not result.source.startswith(_AUTHORS) and result.top1 is not None
    ]
    return max(found, key=lambda result: result.top1 or 0.0, default=None)


def _options(name: str) -> str:
    options = get_architecture(name).options
    return ", ".join(f"{key}={option.default}" for key, option in options.items()) or "-"


def _by_authors(spec: ModelSpec) -> PublishedAccuracy | None:
    own = (result for result in spec.published if result.source.startswith(_AUTHORS))
    return next(own, None)


def _accuracy(result: PublishedAccuracy | None) -> str:
    if result is None:
        return "-"
    shares = (
        "-" if share is None else f"{100 * share:.2f}" for share in (result.top1, result.top5)
    )
    return f"{'/'.join(shares)} {result.source}, {result.input_size} px"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
