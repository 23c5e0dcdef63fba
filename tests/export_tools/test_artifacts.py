"""What ships is what the exporter makes, is sound, and says nothing of the host."""

import json
import re
from pathlib import Path

import pytest

from export_tools.artifacts import SHIPPED, Built, publish_all
from export_tools.draft import Draft, read_draft
from export_tools.evaluate import accuracy, run_all
from export_tools.fp32 import Fp32Result
from export_tools.graph_checks import check_contract
from export_tools.int8 import Int8Result
from export_tools.labels import imagenet_labels
from export_tools.photos import gate_photos, selftest_photo
from export_tools.publish import published_versions
from export_tools.recipe import shipped_recipes
from export_tools.triton import triton_config
from export_tools.views import photos_to_planes
from service.engine.artifact import checked_selftest, load_artifact
from service.engine.host import describe_host
from service.engine.manifest import Manifest
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.graph_compare import graph_differences

SHIPS = (
    "squeezenet1_1",
    "squeezenet1_1-int8",
    "squeezenet1_1-packed",
    "efficientnet_lite0-int8",
)


@pytest.fixture(params=SHIPS)
def shipped(request: pytest.FixtureRequest, model_repository: Path) -> Draft:
    return read_draft(model_repository / request.param / "1")


def without_tools(manifest: Manifest) -> dict[str, object]:
    """Return a manifest's facts without those that follow from the graph's bytes."""
    facts = manifest.model_dump(exclude={"files", "file_bytes", "quality", "selftest"})
    return {key: value for key, value in facts.items() if key != "provenance"}


def assert_same_build(rebuilt: Draft, ships: Draft) -> None:
    """Compare with what ships: the same bytes, or what another CPU's rounding can explain."""
    assert without_tools(rebuilt.manifest) == without_tools(ships.manifest)
    assert rebuilt.labels == ships.labels
    assert rebuilt.selftest == ships.selftest
    assert rebuilt.manifest.selftest.index == ships.manifest.selftest.index
    if rebuilt.graph != ships.graph:
        assert graph_differences(rebuilt.graph, ships.graph) == []


def test_the_fp32_model_that_ships_is_rebuilt(
    squeezenet_fp32: Fp32Result, model_repository: Path
) -> None:
    assert_same_build(squeezenet_fp32.draft, read_draft(model_repository / "squeezenet1_1" / "1"))


def test_the_int8_model_that_ships_is_rebuilt(
    squeezenet_int8: Int8Result, model_repository: Path
) -> None:
    ships = read_draft(model_repository / "squeezenet1_1-int8" / "1")
    assert_same_build(squeezenet_int8.draft, ships)


def test_a_build_is_published_as_it_ships(
    squeezenet_fp32: Fp32Result, tmp_path: Path, model_repository: Path
) -> None:
    publish_all([Built(squeezenet_fp32.draft)], tmp_path)
    ships = model_repository / "squeezenet1_1"
    names = {str(path.relative_to(ships)) for path in ships.rglob("*") if path.is_file()}
    made = {
        str(path.relative_to(tmp_path / "squeezenet1_1"))
        for path in (tmp_path / "squeezenet1_1").rglob("*")
        if path.is_file()
    }
    assert made == names


def test_every_model_is_sound_and_passes_its_self_test(
    shipped: Draft, model_repository: Path
) -> None:
    manifest = shipped.manifest
    folder = model_repository / manifest.name
    loaded = load_artifact(folder / "1", SessionOptions())
    checked_selftest(loaded, describe_host())
    check_contract(shipped.graph, manifest.input, manifest.classes)
    config = folder / "config.pbtxt"
    if shipped.archive is None:
        assert config.read_text("utf-8") == triton_config(manifest)
    else:
        assert not config.exists()
    assert shipped.labels == imagenet_labels()
    assert shipped.selftest == selftest_photo()


def test_what_is_said_of_quality_is_so(shipped: Draft) -> None:
    photos = gate_photos()
    planes = photos_to_planes([photo.path for photo in photos], shipped.manifest.input)
    session = OrtSession(shipped.graph, SessionOptions())
    found = accuracy(run_all(session, planes), [photo.index for photo in photos])
    quality = shipped.manifest.quality
    assert quality.images == found.images == 20
    assert quality.top1 is not None
    assert quality.top5 is not None
    # int8 may differ by a photo on a CPU without VNNI
    allowed = 0 if shipped.manifest.precision == "fp32" else 1
    assert abs(round(quality.top1 * 20) - found.top1) <= allowed
    assert abs(round(quality.top5 * 20) - found.top5) <= allowed


def test_manifests_hold_no_facts_of_the_host_or_the_day(shipped: Draft) -> None:
    text = shipped.manifest.to_json()
    assert not re.search(r"20\d\d-\d\d-\d\d|\d\d:\d\d:\d\d", text)
    assert "/home" not in text
    assert "/root" not in text
    assert "+cpu" not in text
    for fact in ("cpu", "median_ms"):
        assert fact not in json.loads(text)


def test_the_packed_model_that_ships_is_its_parent_s_half_megabyte(model_repository: Path) -> None:
    packed = read_draft(model_repository / "squeezenet1_1-packed" / "1")
    parent = read_draft(model_repository / "squeezenet1_1" / "1")
    assert packed.manifest.file_bytes <= 500_000
    assert packed.manifest.quality.parent == parent.manifest.name
    assert len(packed.graph) == len(parent.graph)
    recipe = shipped_recipes()[packed.manifest.name]
    (step,) = packed.manifest.compression
    assert recipe.pack is not None
    assert recipe.pack.plan().settings().items() <= step.settings.items()


def test_all_that_ships_is_small(model_repository: Path) -> None:
    files = [p for name in SHIPS for p in (model_repository / name).rglob("*") if p.is_file()]
    assert sum(path.stat().st_size for path in files) <= 15_000_000


def test_nothing_else_ships(model_repository: Path) -> None:
    parents = {entry.architecture for entry in SHIPPED}
    assert set(SHIPS) <= parents | {
        f"{name}-{kind}" for name in parents for kind in ("int8", "packed")
    }
    for name in SHIPS:
        assert published_versions(model_repository, name) == [1]
    assert "/efficientnet_lite0/" in (model_repository / ".gitignore").read_text("utf-8").split()
