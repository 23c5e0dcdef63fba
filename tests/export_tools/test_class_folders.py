"""Photos in class folders: layouts, the split, what is drawn of them."""

from pathlib import Path

import numpy as np
import pytest

from export_tools.errors import DataError
from export_tools.training.class_folders import Photos, find_photos
from service.engine.manifest import InputPolicy
from tests.export_tools.training_support import write_photos

POLICY = InputPolicy(height=24, width=24, resize_shorter=28)


def test_a_fifth_of_each_class_is_held_out_by_the_seed(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "colours", each=10)
    found = find_photos(folder)
    assert found.labels == ("blue", "red")
    assert [len(found.training), len(found.test)] == [16, 4]
    assert sorted(item.index for item in found.test if item.index is not None) == [0, 0, 1, 1]
    assert not {i.path for i in found.training} & {i.path for i in found.test}
    assert find_photos(folder) == found
    assert find_photos(folder, seed=1).test != found.test
    assert found.facts() == "16 photos in 2 classes, 4 for the test"


def test_a_split_that_is_there_is_taken(tmp_path: Path) -> None:
    write_photos(tmp_path / "train", each=3)
    write_photos(tmp_path / "val", each=2)
    found = find_photos(tmp_path)
    assert [len(found.training), len(found.test)] == [6, 4]
    assert {item.path.parts[-3] for item in found.test} == {"val"}


def test_photos_without_classes_are_found(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "colours", each=5) / "red"
    found = find_photos(folder)
    assert found.labels == ()
    assert [item.index for item in found.training] == [None] * 4
    assert Photos(found.training, POLICY, 0).labels is None


def test_what_cannot_be_learnt_from_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        find_photos(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no photos"):
        find_photos(tmp_path)
    folder = write_photos(tmp_path / "colours")
    with pytest.raises(DataError, match="Not among the classes: red"):
        find_photos(folder, labels=("blue", "green"))
    for photo in list((folder / "red").iterdir())[1:]:
        photo.unlink()
    with pytest.raises(DataError, match="'red' has 1 photo"):
        find_photos(folder)
    (folder / "red" / "0.png").unlink(missing_ok=True)
    for photo in (folder / "red").iterdir():
        photo.unlink()
    with pytest.raises(DataError, match="one class"):
        find_photos(folder)


@pytest.mark.parametrize("cache", [0, 1 << 30])
def test_the_same_draws_whatever_was_drawn_before(tmp_path: Path, cache: int) -> None:
    items = find_photos(write_photos(tmp_path / "colours")).training
    photos = Photos(items, POLICY, seed=5, cache=cache)
    first = photos.draw([3, 1], epoch=2)
    assert first.shape == (2, 3, 24, 24)
    assert first.dtype == np.uint8
    photos.draw([0, 1, 2], epoch=7)
    assert (photos.draw([1], epoch=2)[0] == first[1]).all()
    assert (photos.draw([1], epoch=3)[0] != first[1]).any()
    assert (Photos(items, POLICY, seed=6, cache=cache).draw([1], 2)[0] != first[1]).any()
    # Colours stay what they are.
    assert photos.labels is not None
    red = int(np.flatnonzero(photos.labels == 1)[0])
    channels = photos.plain([red])[0].mean((1, 2))
    assert channels[0] > 180
    assert channels[2] < 100


def test_damaged_photos_are_left_out_or_named(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "colours")
    (folder / "red" / "5.png").write_bytes(b"no photo")
    items = find_photos(folder, seed=1).training
    broken = [item.path.name for item in items].count("5.png")
    photos = Photos(items, POLICY, 0)
    assert len(photos) + len(photos.skipped) == len(items)
    if broken:
        lazy = Photos(items, POLICY, 0, cache=0)
        with pytest.raises(DataError, match=r"5\.png"):
            lazy.plain(range(len(items)))
