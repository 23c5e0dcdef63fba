"""What a file is loaded with: the options of its net, and the crop that its maker evaluated at.

A source fixes options that its arithmetic needs (padding, epsilon), a checkpoint those of its size
(width, groups); the rest is the user's.
"""

from collections.abc import Mapping
from types import MappingProxyType

from export_tools.errors import WeightsError
from export_tools.weights.source import Checkpoint, Crop, WeightSource
from models import OptionValue, get_spec

Options = Mapping[str, OptionValue]
NO_OPTIONS: Options = MappingProxyType({})


def merge_options(source: WeightSource, checkpoint: Checkpoint | None, chosen: Options) -> Options:
    """Join the options that source and checkpoint fix with those that the user chose.

    Raises:
        WeightsError: the user chose another value than the weights need.
    """
    fixed = {**source.variant, **(checkpoint.variant if checkpoint else {})}
    for name, value in chosen.items():
        if name in fixed and fixed[name] != value:
            raise WeightsError(
                f"{source.name}'s weights need {name}={fixed[name]}, not {name}={value}."
            )
    return {**fixed, **chosen}


def deployed_options(architecture: str, options: Options) -> Options:
    """Leave out what only training needs: auxiliary classifiers are gone at export."""
    if "aux" in get_spec(architecture, **options).variant:
        return {**options, "aux": False}
    return options


def checkpoint_of(source: WeightSource, architecture: str, chosen: Options) -> Checkpoint | None:
    """Return the source's first checkpoint of exactly this variant, if it has one."""
    wanted = get_spec(architecture, **{**source.variant, **chosen}).variant
    for checkpoint in source.checkpoints:
        if checkpoint.architecture == architecture:
            options = {**source.variant, **checkpoint.variant}
            if get_spec(architecture, **options).variant == wanted:
                return checkpoint
    return None


def crop_of(
    source: WeightSource, architecture: str, checkpoint: Checkpoint | None, size: int | None
) -> Crop:
    """Return the maker's crop, or the same share of the photo at another input size."""
    native = get_spec(architecture).input_size
    crop = Crop(native, source.resize_shorter, source.interpolation)
    if checkpoint is not None and checkpoint.crop is not None:
        crop = checkpoint.crop
    return crop if size is None else crop.at(size)
