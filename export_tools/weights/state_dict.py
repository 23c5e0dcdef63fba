"""Read a file of named tensors without running code from it: PyTorch's format or safetensors.

Training scripts write the state dict into a larger dictionary, and wrappers prefix every key with
`module.`; both are undone.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from export_tools.errors import WeightsError

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIX = "module."


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a file of named tensors.

    Raises:
        WeightsError: it is no such file, needs code to be read, or holds other things.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pytorch(path)
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path.name} holds a {type(content).__name__}, not a state dict.")
    other = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if other:
        raise WeightsError(
            f"{path.name} is not a flat state dict; not tensors: {', '.join(other[:5])}."
        )
    wrapped = all(str(key).startswith(_PREFIX) for key in content)
    start = len(_PREFIX) if wrapped else 0
    return {str(key)[start:]: value for key, value in content.items()}


def _read_pytorch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unusual pickle protocol, told before it fails
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file can raise anything
        raise WeightsError(
            f"{path.name} is not a PyTorch file of plain tensors; it was read without running code."
        ) from error


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path.name} is not a safetensors file: {error}.") from error
