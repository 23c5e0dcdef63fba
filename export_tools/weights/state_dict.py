"""Read a PyTorch state dict without running code from it."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from export_tools.errors import WeightsError


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a file of named tensors.

    Raises:
        WeightsError: it is no PyTorch file, needs code to be read, or holds other things.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unusual pickle protocol, told before it fails
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file can raise anything
        raise WeightsError(
            f"{path.name} is not a PyTorch file of plain tensors; it was read without running code."
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path.name} holds a {type(content).__name__}, not a state dict.")
    other = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if other:
        raise WeightsError(
            f"{path.name} is not a flat state dict; not tensors: {', '.join(other[:5])}."
        )
    return {str(key): value for key, value in content.items()}
