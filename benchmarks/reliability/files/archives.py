"""Real archives of tiny graphs, and damaged relatives of them whose checksum is right again."""

import random
import zlib

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from benchmarks.reliability.files.graphs import colour_graph
from export_tools.pack.archive import Coded, write_archive
from service.engine.fbz import HEAD, LENGTHS

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def random_coded(seed: int, shape: tuple[int, ...], kind: str = "trellis") -> Coded:
    """Return a tensor of random symbols; `kind` is grid, trellis or codebook."""
    numbers = np.random.default_rng(seed)
    symbols = np.round(numbers.normal(0, 3, int(np.prod(shape)))).astype(np.int16)
    if kind == "codebook":
        book = np.sort(numbers.normal(size=16)).astype(np.float32)
        return Coded(shape, np.clip(symbols, -8, 7), codebook=book, lowest=-8)
    return Coded(shape, symbols, step=-20, trellis=kind == "trellis")


def graph_with(tensors: list[NDArray[np.float32]]) -> bytes:
    """Return the colour graph with further tensors, which do not change its answers."""
    names = [f"weight_{i}" for i in range(len(tensors))]
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    nodes, last = [], "image_float"
    nodes.append(helper.make_node("Cast", ["image"], [last], to=onnx.TensorProto.FLOAT))
    for name in names:
        nodes += [
            helper.make_node("ReduceMax", [name], [f"{name}_most"], keepdims=0),
            helper.make_node("Mul", [f"{name}_most", "zero"], [f"{name}_none"]),
            helper.make_node("Add", [last, f"{name}_none"], [f"{name}_sum"]),
        ]
        last = f"{name}_sum"
    stored = [numpy_helper.from_array(t, n) for t, n in zip(tensors, names, strict=True)]
    model = colour_graph(nodes_before=nodes, initializers=[zero, *stored])
    model.graph.node[len(nodes)].input[0] = last
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def small_archive(kind: str = "trellis") -> tuple[bytes, bytes]:
    """Return an archive and the graph that it expands to."""
    coded = [random_coded(1, (8, 6, 3, 3), kind), random_coded(2, (8,), "grid")]
    graph = graph_with([item.values() for item in coded])
    return write_archive(graph, coded), graph


def sealed(archive: bytes) -> bytes:
    """Return an archive with the checksum that its bytes have."""
    crc = zlib.crc32(archive[8:]).to_bytes(4, "little")
    return archive[:4] + crc + archive[8:]


def with_lengths(archive: bytes, **changes: int) -> bytes:
    """Return an archive that says other lengths of its parts."""
    names = ("graph", "rest", "rest_deflated", "facts", "facts_deflated", "lanes", "words")
    found = dict(zip(names, LENGTHS.unpack_from(archive, HEAD.size), strict=True)) | changes
    packed = LENGTHS.pack(*found.values())
    return sealed(archive[: HEAD.size] + packed + archive[HEAD.size + LENGTHS.size :])


def with_facts(archive: bytes, facts: bytes) -> bytes:
    """Return an archive that says something else of its tensors."""
    found = LENGTHS.unpack_from(archive, HEAD.size)
    start = HEAD.size + LENGTHS.size + found[2]
    deflated = zlib.compress(facts, 9)
    changed = archive[:start] + deflated + archive[start + found[4] :]
    return with_lengths(changed, facts=len(facts), facts_deflated=len(deflated))


def facts_of(archive: bytes) -> bytes:
    """Return what an archive says of its tensors."""
    found = LENGTHS.unpack_from(archive, HEAD.size)
    start = HEAD.size + LENGTHS.size + found[2]
    return zlib.decompress(archive[start : start + found[4]])


def mutant(archive: bytes, numbers: random.Random) -> bytes:
    """Return a damaged archive; most have a right checksum, so that more is tried than that."""
    inner = numbers.random() < 0.5
    data = bytearray(facts_of(archive) if inner else archive)
    for _ in range(numbers.randint(1, 4)):
        place = numbers.randrange(len(data))
        match numbers.randrange(4):
            case 0:
                data[place] ^= 1 << numbers.randrange(8)
            case 1:
                size = numbers.choice((1, 2, 4))
                edge = numbers.choice(_EDGES) & (1 << 8 * size) - 1
                data[place : place + size] = edge.to_bytes(size, "little")
            case 2:
                del data[place : place + numbers.randint(1, 40)]
            case _:
                data[place:place] = data[: numbers.randint(0, 40)]
        if not data:
            break
    if inner:
        return with_facts(archive, bytes(data))
    return sealed(bytes(data)) if numbers.random() < 0.9 and len(data) > 8 else bytes(data)
