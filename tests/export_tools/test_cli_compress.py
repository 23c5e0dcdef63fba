"""Where `evaluate` finds its images."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from export_tools.cli import app
from export_tools.cli_compress import one_place
from export_tools.errors import DataError
from export_tools.labels import imagenet_synsets
from export_tools.photos import gate_photos


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
