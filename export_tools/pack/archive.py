"""Write `model.fbz`: the counterpart of `service.engine.fbz`, which says what is in it."""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export_tools.errors import ExportError
from export_tools.pack.contexts import find_contexts, make_tables
from export_tools.pack.rans import encode
from service.engine import fbz
from service.engine.coded import AxisSums, CodedTensor
from service.engine.rans import Table

_ROUNDS = 2000  # symbols of a lane: fewer lanes take fewer bytes and decode more slowly


@dataclass(frozen=True, slots=True)
class Coded:
    """A tensor to be coded: what its symbols, int16 [size], stand for, and the symbols."""

    shape: tuple[int, ...]
    symbols: NDArray[np.int16]
    step: int | None = None
    trellis: bool = False
    codebook: NDArray[np.float32] | None = None
    lowest: int = 0

    def tensor(self) -> CodedTensor:
        """Return what the archive says of it."""
        contexts = find_contexts(self.symbols, self.shape)
        return CodedTensor(
            self.shape, contexts, self.step, self.trellis, self.codebook, self.lowest
        )

    def values(self) -> NDArray[np.float32]:
        """Return the tensor that the server will have."""
        return self.tensor().values(self.symbols)


def write_archive(graph: bytes, coded: Sequence[Coded]) -> bytes:
    """Return the archive of an ONNX file.

    Args:
        graph: the ONNX file, the tensors' coded values in it already.
        coded: the tensors, in the order in which the file has them.

    Raises:
        ExportError: the file does not have one of the tensors there.
    """
    tensors = [item.tensor() for item in coded]
    rest, places = _cut_out(
        graph, [t.values(c.symbols) for t, c in zip(tensors, coded, strict=True)]
    )
    symbols = np.concatenate([np.empty(0, np.int16), *(item.symbols for item in coded)])
    contexts = np.concatenate([np.empty(0, np.uint8), *(t.context_of_each() for t in tensors)])
    tables = make_tables(contexts, symbols)
    lanes = max(1, -(-len(symbols) // _ROUNDS))
    states, words = encode(tables, contexts, symbols, lanes)
    facts = _facts(tables, places, tensors)
    parts = [zlib.compress(part, 9, wbits=zlib.MAX_WBITS) for part in (rest, facts)]
    lengths = fbz.LENGTHS.pack(
        len(graph), len(rest), len(parts[0]), len(facts), len(parts[1]), lanes, len(words)
    )
    body = [lengths, *parts, states.astype("<u4").tobytes(), words.astype("<u2").tobytes()]
    checked = b"".join([hashlib.sha256(graph).digest(), *body])
    return fbz.MAGIC + zlib.crc32(checked).to_bytes(4, "little") + checked


def _cut_out(graph: bytes, values: Sequence[NDArray[np.float32]]) -> tuple[bytes, list[int]]:
    """Return the file without the tensors' bytes, and where in it each was."""
    kept: list[bytes] = []
    places: list[int] = []
    position = length = 0
    for tensor in values:
        raw = tensor.astype("<f4").tobytes()
        found = graph.find(raw, position)
        if found < 0:
            raise ExportError("The graph does not hold the tensors that are to be packed.")
        kept.append(graph[position:found])
        length += found - position
        places.append(length)
        position = found + len(raw)
    return b"".join([*kept, graph[position:]]), places


def _facts(tables: Sequence[Table], places: Sequence[int], tensors: Sequence[CodedTensor]) -> bytes:
    parts = [fbz.COUNTS.pack(len(tables), len(tensors))]
    for table in tables:
        parts.append(fbz.TABLE.pack(table.lowest, len(table.frequencies)))
        high, low = np.divmod(table.frequencies.astype(np.uint16), 256)
        parts += [low.astype("u1").tobytes(), high.astype("u1").tobytes()]  # deflates better
    for place, tensor in zip(places, tensors, strict=True):
        parts += _tensor_facts(place, tensor)
    return b"".join(parts)


def _tensor_facts(place: int, tensor: CodedTensor) -> list[bytes]:
    shape = np.array(tensor.shape, "<u4").tobytes()
    contexts = _axes(tensor.contexts)
    last = b""
    if tensor.step is None:
        assert tensor.codebook is not None
        book = tensor.codebook.astype("<f4")
        head = (fbz.CODEBOOK, tensor.contexts.base, tensor.lowest, len(book))
        last = book.tobytes()
    else:
        kind = fbz.TRELLIS if tensor.trellis else fbz.GRID
        head = (kind, tensor.contexts.base, tensor.step, 0)
    return [fbz.TENSOR.pack(place, len(tensor.shape), *head), shape, contexts, last]


def _axes(sums: AxisSums) -> bytes:
    return b"".join(part.tobytes() for part in (sums.rows, sums.columns, sums.places))
