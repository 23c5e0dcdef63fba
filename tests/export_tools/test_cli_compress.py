"""Where `evaluate` finds its images."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from export_tools.cli import app
from export_tools.cli_compress import one_place
from export_tools.draft import Draft
from export_tools.errors import DataError
from export_tools.gates import NO_GATES
from export_tools.int8 import QUICK, Choices, build_int8
from export_tools.labels import imagenet_synsets
from export_tools.photos import gate_photos
from export_tools.publish import publish


def test_a_target_picks_the_scheme_and_is_told(
    tmp_path: Path, make_draft: Callable[[str], Draft]
) -> None:
    made = build_int8(
        make_draft("tiny"), "tiny-int8", lambda _: None, NO_GATES, QUICK, Choices("x86-avx2")
    )
    manifest = made.draft.manifest
    assert manifest.compression[-1].settings["pairs_of_weights"] == "within 16 bits"
    assert manifest.provenance.command == "featherbox-export quantize tiny --target x86-avx2"
    publish(make_draft("tiny"), tmp_path)
    done = CliRunner().invoke(app, ["quantize", "tiny", "--target", "vax", "--from", str(tmp_path)])
    assert done.exit_code == 1
    assert "x86-vnni, x86-avx2, arm64" in done.output


@pytest.mark.parametrize("both", [False, True])
def test_the_images_are_named_once(both: bool) -> None:
    place = Path("x") if both else None
    with pytest.raises(DataError, match="once"):
        one_place(place, place)


@pytest.mark.parametrize("flat", [False, True])
def test_imagenets_layouts_are_read(tmp_path: Path, model_repository: Path, flat: bool) -> None:
    photo = gate_photos()[0]
    place = tmp_path if flat else tmp_path / imagenet_synsets()[photo.index]
    place.mkdir(exist_ok=True)
    with Image.open(photo.path) as image:
        image.convert("RGB").save(place / "ILSVRC2012_val_00000001.JPEG")
    done = CliRunner().invoke(
        app,
        ["evaluate", "squeezenet1_1", "--imagenet", str(tmp_path), "--from", str(model_repository)],
    )
    assert done.exit_code == 0, done.output
    assert "/1)" in done.output
