"""A temperature in the graph: honest probabilities, the same answers, a sound artifact."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from typer.testing import CliRunner

from export_tools import cli
from export_tools.confidence import softmax
from export_tools.datasets import Item
from export_tools.draft import Draft, read_draft
from export_tools.errors import DataError, ExportError
from export_tools.graph_checks import check_contract
from export_tools.publish import publish, published_versions
from export_tools.temperature import Fitted, fit, tempered, with_temperature
from export_tools.views import photos_to_planes
from service.engine.session import OrtSession, SessionOptions
from service.errors import GateFailed
from tests.export_tools.conftest import TINY_INPUT, TINY_LABELS, random_planes

MakeDraft = Callable[[str], Draft]
HONEST = 0.15  # the temperature that the photos' classes are drawn at; the tiny net is never sure


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, make_draft: MakeDraft) -> Path:
    """Photos whose classes are as likely as the tiny model says at another temperature."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(6)
    paths = [folder / f"{number:03}.png" for number in range(160)]
    for path in paths:
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        Image.new("RGB", (36, 36), colour).save(path)
    session = OrtSession(make_draft("tiny").graph, SessionOptions())
    probabilities = session.run(np.stack(list(photos_to_planes(paths, TINY_INPUT))))
    honest = softmax(np.log(probabilities), HONEST)
    classes = (honest.cumsum(axis=1) < random.random((len(paths), 1))).sum(axis=1)
    rows = zip(paths, classes, strict=True)
    lines = [f"{path.name},{TINY_LABELS[index]}" for path, index in rows]
    (folder / "classes.csv").write_text("\n".join(lines), "utf-8")
    return folder / "classes.csv"


@pytest.fixture(scope="module")
def items(table: Path) -> list[Item]:
    rows = [line.split(",") for line in table.read_text("utf-8").splitlines()]
    return [Item(table.parent / name, TINY_LABELS.index(label)) for name, label in rows]


@pytest.fixture(scope="module")
def fitted(items: list[Item], make_draft: MakeDraft) -> Fitted:
    return fit(make_draft("tiny"), items, lambda _: None)


def test_the_temperature_is_found_on_one_half_and_tried_on_the_other(fitted: Fitted) -> None:
    assert 0.6 * HONEST < fitted.temperature < 1.6 * HONEST
    assert (fitted.images, fitted.before.honesty.images) == (80, 80)
    assert fitted.after.nll < fitted.before.nll
    assert fitted.after.honesty.ece < fitted.before.honesty.ece


def test_a_published_model_has_it_in_its_graph_and_answers_the_same(
    table: Path, fitted: Fitted, make_draft: MakeDraft, tmp_path: Path
) -> None:
    before = make_draft("tiny")
    publish(before, tmp_path)
    places = ("--from", tmp_path, "--to", tmp_path)
    status, output = run("temperature", "tiny", "--data", table, "--publish", "sharp", *places)
    assert status == 0, output
    assert f"temperature {fitted.temperature:g}, found on 80 images" in output
    assert f"NLL {fitted.before.nll:.3f} -> {fitted.after.nll:.3f} nats, 80 held-out" in output
    assert f"ECE after {fitted.after.honesty.ece:.3f} (80 images, 15 bins)" in output
    after = read_draft(tmp_path / "sharp" / "1")
    planes = random_planes(30)
    old, new = (OrtSession(d.graph, SessionOptions()).run(planes) for d in (before, after))
    assert (old.argmax(axis=1) == new.argmax(axis=1)).all()
    np.testing.assert_allclose(new, softmax(np.log(old), fitted.temperature), atol=1e-5)
    check_contract(after.graph, TINY_INPUT, len(TINY_LABELS))


def test_the_manifest_records_the_step_and_a_new_self_test(
    items: list[Item], fitted: Fitted, make_draft: MakeDraft
) -> None:
    before = make_draft("tiny")
    after = tempered(before, "sharp", fitted, items, "my photos").manifest
    (step,) = after.compression
    assert step.step == "temperature"
    assert step.settings["temperature"] == fitted.temperature
    assert (step.settings["images"], step.settings["held_out_images"]) == (80, 80)
    assert after.selftest.index == before.manifest.selftest.index
    assert after.selftest.probability > before.manifest.selftest.probability
    assert after.provenance.command == (
        "featherbox-export temperature tiny --data 'my photos' --publish sharp"
    )


def test_a_temperature_that_helps_nobody_is_not_published(
    items: list[Item], fitted: Fitted, make_draft: MakeDraft
) -> None:
    useless = dataclasses.replace(fitted, after=fitted.before)
    with pytest.raises(GateFailed, match="no likelier"):
        tempered(make_draft("tiny"), "sharp", useless, items, "photos")


def test_an_answer_that_changes_is_refused(
    items: list[Item], fitted: Fitted, make_draft: MakeDraft
) -> None:
    turned = dataclasses.replace(fitted, temperature=-1.0)  # cannot be found: turns the order
    with pytest.raises(GateFailed, match="Answers change: 0 of 160"):
        tempered(make_draft("tiny"), "sharp", turned, items, "photos")


def test_photos_without_classes_or_too_few_are_refused(
    items: list[Item], make_draft: MakeDraft
) -> None:
    model = make_draft("tiny")
    with pytest.raises(DataError, match="at least 20 photos, here are 19"):
        fit(model, items[:19], lambda _: None)
    with pytest.raises(DataError, match="classes of all photos"):
        fit(model, [*items, Item(items[0].path, None)], lambda _: None)


def test_a_graph_takes_one_temperature_and_needs_a_softmax(make_draft: MakeDraft) -> None:
    graph = make_draft("tiny").graph
    with pytest.raises(ExportError, match="a temperature already"):
        with_temperature(with_temperature(graph, 2.0), 2.0)
    model = onnx.load_model_from_string(graph)
    model.graph.node[-1].op_type = "Sigmoid"
    with pytest.raises(ExportError, match="does not end in a softmax"):
        with_temperature(model.SerializeToString(), 2.0)


def test_what_ships_in_int8_takes_a_temperature(model_repository: Path) -> None:
    model = read_draft(model_repository / "squeezenet1_1-int8" / "1")
    graph = with_temperature(model.graph, 1.5)
    check_contract(graph, model.manifest.input, model.manifest.classes)
    planes = np.random.default_rng(1).integers(0, 256, (4, 3, 224, 224), dtype=np.uint8)
    old, new = (OrtSession(g, SessionOptions()).run(planes) for g in (model.graph, graph))
    assert (old.argsort(kind="stable") == new.argsort(kind="stable"))[:, -5:].all()
    np.testing.assert_allclose(new, softmax(np.log(old), 1.5), atol=1e-5)


def test_evaluate_tells_the_calibration_error_and_weighs_a_cascade(
    table: Path, fitted: Fitted, make_draft: MakeDraft, tmp_path: Path
) -> None:
    publish(make_draft("tiny"), tmp_path)
    publish(make_draft("other"), tmp_path)
    few = table.with_name("few.csv")
    few.write_text("".join(table.read_text("utf-8").splitlines(keepends=True)[:24]), "utf-8")
    command = ("evaluate", "tiny", few, "--from", tmp_path)
    status, output = run(*command)
    assert status == 0
    assert "(24 images, 15 bins); honest probabilities would have" in output
    status, output = run(*command, "--cascade", "other")
    assert status == 0, output
    for text in ("tiny alone", "other alone", "0.95", "24 images, timed 9 times", "top-1"):
        assert text in output
    status, output = run(*command, "--cascade", "other", "--parent", "other")
    assert status == 1
    assert "not both" in output


def test_nothing_is_written_when_the_photos_are_too_few(
    table: Path, make_draft: MakeDraft, tmp_path: Path
) -> None:
    publish(make_draft("tiny"), tmp_path)
    few = table.with_name("two.csv")
    few.write_text("".join(table.read_text("utf-8").splitlines(keepends=True)[:2]), "utf-8")
    places = ("--from", tmp_path, "--to", tmp_path, "--publish", "sharp")
    status, output = run("temperature", "tiny", "--data", few, *places)
    assert status == 1
    assert "at least 20 photos, here are 2" in output
    assert published_versions(tmp_path, "sharp") == []
    assert json.loads((tmp_path / "tiny" / "1" / "manifest.json").read_text())["compression"] == []
