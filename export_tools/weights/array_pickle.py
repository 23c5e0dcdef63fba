"""Read a pickle of numpy arrays without running anything that it names.

Three globals are what numpy writes for an array, and the only ones admitted; each is answered by
a stand-in of ours, so not even numpy's own constructors see arguments from the file. A stand-in
takes just the form that a plain C-ordered float array has.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export_tools.errors import WeightsError

_MAX_BYTES = 512 * 1024 * 1024
_FLOATS = ("f2", "f4", "f8")


class _Refused(Exception):
    """The pickle asks for something that an array of floats does not need."""


class _DType:
    """Stands in for `numpy.dtype`: a little-endian float."""

    __slots__ = ("name",)

    def __init__(self, name: object, *_: object) -> None:
        if name not in _FLOATS:
            raise _Refused(f"a dtype {name!r}")
        self.name = str(name)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] != "<":
            raise _Refused("a dtype that is not little-endian")


class _NdArray:
    """Stands in for `numpy.ndarray`, which the pickle only passes on."""

    __slots__ = ()


class _Array:
    """Stands in for `numpy.core.multiarray._reconstruct`: an array that its state fills."""

    __slots__ = ("values",)

    def __init__(self, *_: object) -> None:
        self.values: NDArray[np.float32] | None = None

    def __setstate__(self, state: Any) -> None:
        try:
            _, shape, dtype, fortran, data = state
        except (TypeError, ValueError):
            raise _Refused("an array of an unknown form") from None
        known = isinstance(dtype, _DType) and fortran is False and isinstance(data, bytes)
        if not known or not isinstance(shape, tuple):
            raise _Refused("an array that is not plain C-ordered floats")
        try:
            values = np.frombuffer(data, np.dtype(f"<{dtype.name}")).reshape(shape)
        except (TypeError, ValueError):
            raise _Refused("an array whose shape and data differ") from None
        self.values = values.astype(np.float32)


_STAND_INS: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _NdArray,
    ("numpy", "dtype"): _DType,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        """Answer the admitted globals, refuse the others."""
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


def read_array_pickle(path: Path) -> dict[str, list[NDArray[np.float32]]]:
    """Read a pickled dictionary of lists of float arrays.

    Raises:
        WeightsError: the file names any other global (which is not run), or has another form.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise WeightsError(f"{path.name} is larger than {_MAX_BYTES} bytes.")
    try:
        with path.open("rb") as file:
            content = _ArrayUnpickler(file).load()
    except _Refused as refused:
        raise WeightsError(
            f"{path.name} asks for {refused}, which arrays of floats do not need; nothing was run."
        ) from refused
    except Exception as error:  # a broken pickle can raise anything
        raise WeightsError(f"{path.name} is not a readable pickle.") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path.name} holds a {type(content).__name__}, not a dictionary.")
    return {_name(path, key): _arrays(path, key, value) for key, value in content.items()}


def _name(path: Path, key: object) -> str:
    if not isinstance(key, str):
        raise WeightsError(f"{path.name} has a key that is not text: {key!r:.40}.")
    return key


def _arrays(path: Path, key: object, value: object) -> list[NDArray[np.float32]]:
    arrays = [
        item.values
        for item in (value if isinstance(value, list) else [])
        if isinstance(item, _Array) and item.values is not None
    ]
    if not isinstance(value, list) or len(arrays) != len(value):
        raise WeightsError(f"{path.name}: {key!r} is not a list of arrays.")
    return arrays
