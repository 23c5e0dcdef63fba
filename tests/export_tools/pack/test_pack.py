"""A real graph through the whole way: what the server computes is what the plain file computes."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from typer.testing import CliRunner

from benchmarks.reliability.files.graphs import colour_graph
from export_tools.cli import app
from export_tools.draft import Draft, read_draft
from export_tools.errors import ExportError
from export_tools.int8 import QUICK, build_int8
from export_tools.pack.draft import expand_draft, finish_packed, pack_draft
from export_tools.pack.dreams import draw_dreams
from export_tools.pack.layers import find_layers
from export_tools.pack.mixtures import draw_mixtures
from export_tools.pack.pack import Prepared, pack, prepare
from export_tools.pack.plan import PackPlan
from export_tools.publish import publish
from service.engine.artifact import load_artifact
from service.engine.fbz import expand
from service.engine.manifest import MODEL_FILE, PACKED_FILE
from service.engine.session import OrtSession, SessionOptions
from service.errors import DamagedArchive, HashMismatch, InvalidManifest
from tests.export_tools.conftest import random_planes
from tests.support.artifacts import edit_manifest

PLANS = [
    PackPlan(4, levels="kmeans", compensate=False, prune=0.3),
    PackPlan(4, levels="kmeans"),
    PackPlan(4, levels="uniform", steps="rms", compensate=False),
    PackPlan(4, levels="uniform"),
    PackPlan(4),
]


def coloured_planes(count: int) -> NDArray[np.uint8]:
    """Return images uint8 [count, 3, 32, 32] that differ in more than noise."""
    colours = np.random.default_rng(4).integers(0, 256, (count, 3, 4, 4)).repeat(8, 2).repeat(8, 3)
    return ((colours * 3 + random_planes(count)) // 4).astype(np.uint8)


PLANES = list(coloured_planes(24))


@pytest.fixture(scope="module")
def prepared(tiny_graph: bytes) -> Prepared:
    return prepare(tiny_graph, [PLANES])


@pytest.mark.parametrize("plan", PLANS, ids=lambda p: f"{p.levels}-{p.steps}-{p.compensate}")
def test_packing_is_exact_and_the_same_each_time(prepared: Prepared, plan: PackPlan) -> None:
    packed = pack(prepared, plan)
    assert expand(packed.archive) == packed.graph
    assert pack(prepared, plan).archive == packed.archive
    assert packed.step.settings["bits"] == plan.bits


def test_more_bits_answer_more_like_the_parent(prepared: Prepared, tiny_graph: bytes) -> None:
    images = coloured_planes(40)[24:]
    wanted = OrtSession(tiny_graph, SessionOptions()).run(images)
    apart, sizes = [], []
    for bits in (2, 4, 8):
        packed = pack(prepared, PackPlan(bits))
        found = OrtSession(packed.graph, SessionOptions()).run(images)
        apart.append(np.abs(found - wanted).mean())
        sizes.append(len(packed.archive))
    assert apart[0] > apart[1] > apart[2]
    assert sizes[0] < sizes[1] < sizes[2]
    assert apart[2] < 0.01


def test_the_moments_are_those_of_the_layer_s_inputs(prepared: Prepared) -> None:
    stem = find_layers(prepared.model)[0]
    found = prepared.statistics[stem.node].inputs[0]
    scale = {t.name: numpy_helper.to_array(t) for t in prepared.model.graph.initializer}
    given = np.stack(PLANES) * scale["scale"] + scale["offset"]
    squares = np.square(given).mean(axis=(0, 2, 3))
    # the centre of the kernel sees every other pixel, so only about the mean of all
    assert found[[4, 13, 22], [4, 13, 22]] == pytest.approx(squares, rel=0.05)


def test_a_graph_without_weights_is_refused() -> None:
    with pytest.raises(ExportError, match="no fp32 weights"):
        prepare(colour_graph().SerializeToString(), [PLANES])


def test_shared_weights_stay_as_they_are(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    before = find_layers(model)
    stem = next(n for n in model.graph.node if n.op_type == "Conv")
    twin = onnx.NodeProto()
    twin.CopyFrom(stem)
    twin.name, twin.output[0] = "twin", "twin"
    model.graph.node.append(twin)
    assert [item.node for item in find_layers(model)] == [item.node for item in before[1:]]


def test_mixtures_are_images_and_the_same_for_the_same_seed() -> None:
    first, again, other = (list(draw_mixtures(PLANES, 9, seed)) for seed in (1, 1, 2))
    assert all(image.shape == PLANES[0].shape and image.dtype == np.uint8 for image in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_dreams_are_images_of_classes_that_no_view_shows(tiny_graph: bytes) -> None:
    model = onnx.load_model_from_string(tiny_graph)
    first, again, other = (list(draw_dreams(model, PLANES, 20, seed)) for seed in (1, 1, 2))
    assert len(first) == 20
    assert all(image.shape == PLANES[0].shape and image.dtype == np.uint8 for image in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    session = OrtSession(tiny_graph, SessionOptions())
    before, after = (session.run(np.stack(planes)).max(axis=0) for planes in (PLANES, first))
    assert (after > before).all()  # of each class there is an image that it is surer of


def test_sets_of_images_count_the_same(tiny_graph: bytes) -> None:
    few, many = PLANES[:8], PLANES[8:]
    both, *alone = (prepare(tiny_graph, sets) for sets in ([few, many], [few], [many]))
    assert both.images == len(PLANES)
    for name, found in both.statistics.items():
        halves = [part.statistics[name].inputs / 2 for part in alone]
        assert np.allclose(found.inputs, sum(halves))


@pytest.fixture(scope="module")
def packed_draft(make_draft: Callable[[str], Draft]) -> Draft:
    parent = make_draft("tiny")
    packed = pack_draft(parent, PackPlan(6), [PLANES], lambda _: None)
    return finish_packed(parent, "tiny-packed", packed, lambda _: None, effort=QUICK).draft


@pytest.fixture
def folder(packed_draft: Draft, tmp_path: Path) -> Path:
    return publish(packed_draft, tmp_path)


def test_a_packed_model_is_published_and_read_back(packed_draft: Draft, folder: Path) -> None:
    assert not (folder / MODEL_FILE).exists()
    assert not (folder.parent / "config.pbtxt").exists()
    assert (folder / PACKED_FILE).stat().st_size == packed_draft.manifest.file_bytes
    again = read_draft(folder)
    assert (again.graph, again.archive) == (packed_draft.graph, packed_draft.archive)
    assert again.manifest.precision == "fp32"
    assert again.manifest.quality.parent == "tiny"


def test_expand_gives_a_plain_model_of_the_same_answers(folder: Path) -> None:
    repository = folder.parents[1]
    done = CliRunner().invoke(
        app, ["expand", "tiny-packed", "--from", str(repository), "--to", str(repository)]
    )
    assert done.exit_code == 0, done.output
    plain = repository / "tiny-packed-expanded" / "1"
    assert (plain.parent / "config.pbtxt").exists()
    images = random_planes(4)
    served = load_artifact(folder, SessionOptions()).session.run(images)
    onnx.checker.check_model(onnx.load(plain / MODEL_FILE))
    assert np.array_equal(load_artifact(plain, SessionOptions()).session.run(images), served)


def test_only_plain_models_are_packed_and_only_packed_ones_expanded(
    packed_draft: Draft, make_draft: Callable[[str], Draft]
) -> None:
    with pytest.raises(ExportError, match="not a plain fp32 model"):
        pack_draft(packed_draft, PackPlan(4), [PLANES], lambda _: None)
    with pytest.raises(ExportError, match="not packed"):
        expand_draft(make_draft("tiny"), "other")
    with pytest.raises(ExportError, match="is packed"):
        build_int8(packed_draft, "tiny-int8", lambda _: None)


def test_a_damaged_archive_is_refused(folder: Path) -> None:
    path = folder / PACKED_FILE
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(HashMismatch, match=PACKED_FILE):
        load_artifact(folder, SessionOptions())
    facts = read_facts(folder, bytes(data))
    edit_manifest(folder, files=facts)
    with pytest.raises(DamagedArchive, match="checksum"):
        load_artifact(folder, SessionOptions())


def test_a_manifest_names_one_graph(folder: Path, packed_draft: Draft) -> None:
    facts = read_facts(folder, packed_draft.archive or b"")
    edit_manifest(folder, files=facts | {MODEL_FILE: facts[PACKED_FILE]})
    with pytest.raises(InvalidManifest, match=r"both model\.onnx and model\.fbz"):
        load_artifact(folder, SessionOptions())


def read_facts(folder: Path, archive: bytes) -> dict[str, dict[str, object]]:
    files: dict[str, dict[str, object]] = json.loads((folder / "manifest.json").read_text())[
        "files"
    ]
    sha256 = hashlib.sha256(archive).hexdigest()
    return files | {PACKED_FILE: {"bytes": len(archive), "sha256": sha256}}
