"""Unpack `model.fbz`: an ONNX file whose weights are entropy-coded.

    4 bytes   "FBZ" and the version of the format
    4         CRC-32 of all that follows
    32        SHA-256 of the ONNX file that comes out
    28        seven lengths, see `_Lengths`
    ...       the ONNX file without the coded weights, deflated
    ...       what is known of each coded tensor, and the coder's tables, deflated
    4 a lane  the coder's states
    2 a word  the coder's words

Numbers are little-endian. The result is the whole ONNX file, so what is checked of a graph is
checked of it, and the runtime loads the same bytes as from a plain artifact. Nothing is allocated
before its length was compared with what the archive's own size allows; the coder's tables take
some megabytes more, however small the archive.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine.coded import (
    LARGEST_STEP,
    LEAST_STEP,
    MOST_CONTEXTS,
    AxisSums,
    CodedTensor,
    axes_of,
)
from service.engine.rans import Table, decode
from service.errors import DamagedArchive

MAGIC = b"FBZ\x01"
HEAD = struct.Struct("<4sI32s")
LENGTHS = struct.Struct("<7I")
COUNTS = struct.Struct("<BH")
TABLE = struct.Struct("<hH")
TENSOR = struct.Struct("<IBBhhH")
GRID, TRELLIS, CODEBOOK = range(3)  # what symbols stand for
MOST_LANES = 1 << 16
MOST_ROUNDS = 1 << 12  # what a lane decodes: bounds the time
# An archive grows at most so much: half a bit for each weight of 32.
MOST_GROWTH = 64
SLACK = 1 << 16
MOST_DIMENSIONS = 8
MOST_SYMBOLS = 1 << 13  # of a table, used or not


@dataclass(frozen=True, slots=True)
class _Lengths:
    graph: int  # of the ONNX file that comes out
    rest: int  # of the ONNX file without the coded weights
    rest_deflated: int
    facts: int  # of what is known of the tensors
    facts_deflated: int
    lanes: int
    words: int


def expand(archive: bytes) -> bytes:
    """Return the ONNX file that an archive holds.

    Raises:
        DamagedArchive: it is no archive, of another version, damaged, cut short, or asks for
            more memory than `MOST_GROWTH` times its own size.
    """
    lengths, digest = _read_head(archive)
    start = HEAD.size + LENGTHS.size
    rest = _inflate(archive, start, lengths.rest_deflated, lengths.rest)
    start += lengths.rest_deflated
    facts = _Reader(_inflate(archive, start, lengths.facts_deflated, lengths.facts))
    start += lengths.facts_deflated
    states = np.frombuffer(archive, "<u4", lengths.lanes, start)
    words = np.frombuffer(archive, "<u2", lengths.words, start + states.nbytes)
    tables, places, tensors = _read_facts(facts, lengths)
    contexts = np.concatenate(
        [np.empty(0, np.uint8), *(tensor.context_of_each() for tensor in tensors)]
    )
    if len(contexts) > MOST_ROUNDS * lengths.lanes:
        raise DamagedArchive("The archive has too few lanes for its weights.")
    if len(contexts) and len(tables) <= int(contexts.max()):
        raise DamagedArchive("The archive has weights of a context without a table.")
    graph = _put_in(rest, places, tensors, decode(tables, contexts, states, words))
    if hashlib.sha256(graph).digest() != digest:
        raise DamagedArchive("The archive's graph differs from its sha256.")
    return graph


def _read_head(archive: bytes) -> tuple[_Lengths, bytes]:
    if archive[:3] != MAGIC[:3]:
        raise DamagedArchive("The file is not a Featherbox archive.")
    if len(archive) < HEAD.size + LENGTHS.size:
        raise DamagedArchive("The archive is cut short.")
    magic, crc, digest = HEAD.unpack_from(archive)
    if magic != MAGIC:
        raise DamagedArchive(
            f"The archive's format has version {magic[3]}, this server reads {MAGIC[3]}."
        )
    if zlib.crc32(memoryview(archive)[8:]) != crc:
        raise DamagedArchive("The archive is damaged: its checksum differs.")
    found = _Lengths(*LENGTHS.unpack_from(archive, HEAD.size))
    body = found.rest_deflated + found.facts_deflated + 4 * found.lanes + 2 * found.words
    if HEAD.size + LENGTHS.size + body != len(archive):
        raise DamagedArchive("The archive's lengths differ from its size.")
    most = MOST_GROWTH * len(archive) + SLACK
    if max(found.graph, found.rest, found.facts) > most or found.rest > found.graph:
        raise DamagedArchive(f"The archive would grow by more than {MOST_GROWTH} times.")
    if not 1 <= found.lanes <= MOST_LANES:
        raise DamagedArchive(f"The archive has {found.lanes} lanes, {MOST_LANES} at most.")
    return found, digest


def _inflate(archive: bytes, start: int, size: int, inflated: int) -> bytes:
    machine = zlib.decompressobj()
    try:
        data = machine.decompress(memoryview(archive)[start : start + size], inflated + 1)
    except zlib.error:
        raise DamagedArchive("A part of the archive cannot be inflated.") from None
    if len(data) != inflated or not machine.eof or machine.unused_data:
        raise DamagedArchive("A part of the archive has another length than it says.")
    return data


class _Reader:
    """Takes values from the front of bytes; there are never fewer than asked for."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        return layout.unpack(self._take(layout.size))

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        return np.frombuffer(self._take(np.dtype(kind).itemsize * count), kind)

    def end(self) -> None:
        if self._position != len(self._data):
            raise DamagedArchive("The archive says more of its tensors than it should.")

    def _take(self, size: int) -> bytes:
        taken = self._data[self._position : self._position + size]
        if len(taken) != size:
            raise DamagedArchive("The archive says too little of its tensors.")
        self._position += size
        return taken


def _read_facts(
    facts: _Reader, lengths: _Lengths
) -> tuple[list[Table], list[int], list[CodedTensor]]:
    """Return the coder's tables, and tensors with their places in the rest of the graph."""
    count, tensor_count = facts.unpack(COUNTS)
    if count > MOST_CONTEXTS:
        raise DamagedArchive(f"The archive has {count} tables, {MOST_CONTEXTS} at most.")
    tables = [_read_table(facts) for _ in range(count)]
    places: list[int] = []
    tensors: list[CodedTensor] = []
    left, before = lengths.graph - lengths.rest, 0
    for _ in range(tensor_count):
        place, tensor = _read_tensor(facts, left)
        if not before <= place <= lengths.rest:
            raise DamagedArchive("The archive's tensors do not stand in their order.")
        left, before = left - 4 * tensor.size, place
        places.append(place)
        tensors.append(tensor)
    if left:
        raise DamagedArchive("The archive's tensors are fewer or smaller than it says.")
    facts.end()
    return tables, places, tensors


def _read_table(facts: _Reader) -> Table:
    lowest, count = facts.unpack(TABLE)
    if not 1 <= count <= MOST_SYMBOLS or lowest + count > np.iinfo(np.int16).max:
        raise DamagedArchive("A table of the archive has an impossible length.")
    low, high = (facts.array("u1", count).astype(np.uint16) for _ in range(2))
    return Table(lowest, low + 256 * high)


def _read_tensor(facts: _Reader, left: int) -> tuple[int, CodedTensor]:
    place, dimensions, kind, base, step, entries = facts.unpack(TENSOR)
    if not 1 <= dimensions <= MOST_DIMENSIONS or kind > CODEBOOK:
        raise DamagedArchive("The archive has a tensor of an unknown kind.")
    shape = tuple(int(size) for size in facts.array("<u4", dimensions))
    size = 1
    for length in shape:  # one by one: the product stays small
        size *= length
        if not 1 <= size <= left // 4:
            raise DamagedArchive("The archive's tensors are more or larger than it says.")
    contexts = _read_sums(facts, shape, base)
    if kind == CODEBOOK:
        if not entries:
            raise DamagedArchive("A codebook of the archive is empty.")
        codebook = facts.array("<f4", entries).astype(np.float32)
        return place, CodedTensor(shape, contexts, codebook=codebook, lowest=step)
    if not LEAST_STEP <= step <= LARGEST_STEP:
        raise DamagedArchive("A step of the archive is out of range.")
    return place, CodedTensor(shape, contexts, step=step, trellis=kind == TRELLIS)


def _read_sums(facts: _Reader, shape: tuple[int, ...], base: int) -> AxisSums:
    rows, columns, places = (facts.array("i1", n).view(np.int8) for n in axes_of(shape))
    return AxisSums(base, rows, columns, places)


def _put_in(
    rest: bytes, places: list[int], tensors: list[CodedTensor], symbols: NDArray[np.int16]
) -> bytes:
    """Return the ONNX file with the weights in their places."""
    parts: list[bytes | memoryview] = []
    position = done = 0
    for place, tensor in zip(places, tensors, strict=True):
        values = tensor.values(symbols[done : done + tensor.size])
        parts += [rest[position:place], values.astype("<f4").tobytes()]
        position, done = place, done + tensor.size
    return b"".join([*parts, rest[position:]])
