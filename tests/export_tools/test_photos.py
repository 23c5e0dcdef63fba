"""The photos are those that may be used, found without importing their packages."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from export_tools import photos
from export_tools.errors import DataError
from export_tools.installed import installed_files, installed_version


def test_calibration_photos_are_free_and_there() -> None:
    assert all(photo.licence in ("CC0", "public domain") for photo in photos.CALIBRATION_PHOTOS)
    paths = photos.calibration_photos()
    assert [path.name for path in paths] == [photo.file for photo in photos.CALIBRATION_PHOTOS]
    for path in paths:
        with Image.open(path) as image:
            assert image.mode == "RGB"


def test_gate_photos_carry_their_class() -> None:
    found = photos.gate_photos()
    assert len(found) == 20
    assert found[0].path.name == "imagenet_00_243.jpg"
    assert found[0].index == 243
    assert photos.gate_data_name().startswith("ImageNet photos of foolbox ")


def test_the_self_test_photo_is_small_and_the_one_in_the_tests_data() -> None:
    photo = photos.selftest_photo()
    assert len(photo) <= 40_000
    copy = Path(__file__).parents[1] / "data" / "coffee.jpg"
    assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(photo).digest()


def test_finding_photos_imports_no_package() -> None:
    code = (
        "import sys; from export_tools.photos import calibration_photos, gate_photos;"
        "calibration_photos(); gate_photos();"
        "sys.exit('skimage' in sys.modules or 'foolbox' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_distribution_that_is_not_installed_is_named() -> None:
    with pytest.raises(DataError, match="featherbox-none is not installed"):
        installed_files("featherbox-none", lambda _: True)
    with pytest.raises(DataError, match="featherbox-none is not installed"):
        installed_version("featherbox-none")


def test_versions_have_no_local_part() -> None:
    assert "+" not in installed_version("torch")
