"""The layouts in which people have labelled images."""

from pathlib import Path

import pytest
from PIL import Image

from export_tools.datasets import find_items
from export_tools.errors import DataError
from export_tools.labels import imagenet_labels

LABELS = imagenet_labels()


def paint(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path, "JPEG")


def found(data: Path, labels_file: Path | None = None) -> list[tuple[str, int | None]]:
    return [(item.path.name, item.index) for item in find_items(data, LABELS, labels_file)]


def test_class_folders_by_index_synset_and_name(tmp_path: Path) -> None:
    paint(
        tmp_path / "281" / "a.jpg",
        tmp_path / "n01440764" / "b.JPEG",
        tmp_path / "tiger_cat" / "c.jpg",
    )
    (tmp_path / "tiger_cat" / "notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    assert found(tmp_path) == [("a.jpg", 281), ("b.JPEG", 0), ("c.jpg", 282)]


def test_a_folder_that_is_no_class_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "unicorn" / "a.jpg")
    with pytest.raises(DataError, match="'unicorn' is no class"):
        found(tmp_path)


@pytest.mark.parametrize("header", ["", "file,label\n"], ids=["bare", "header"])
def test_a_csv_beside_its_files(tmp_path: Path, header: str) -> None:
    paint(tmp_path / "a.jpg", tmp_path / "sub" / "b.jpg")
    table = tmp_path / "labels.csv"
    table.write_text(f'{header}a.jpg,281\nsub/b.jpg,"tiger cat"\n', "utf-8")
    assert found(table) == [("a.jpg", 281), ("b.jpg", 282)]


def test_a_csv_that_names_a_missing_file_is_refused_with_its_line(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    table = tmp_path / "labels.csv"
    table.write_text("a.jpg,281\nb.jpg,3\n")
    with pytest.raises(DataError, match=r"labels\.csv, line 2: there is no b\.jpg"):
        found(table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg\n", "line 1: a file name and a class"),
        ("file,label\n", "names no image"),
        ("a.jpg,5000\n", "'5000' is no class"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    paint(tmp_path / "a.jpg")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        found(tmp_path / "labels.csv")


def test_the_flat_validation_folder_needs_no_labels(tmp_path: Path) -> None:
    paint(*(tmp_path / f"ILSVRC2012_val_0000000{i}.JPEG" for i in (1, 2)))
    assert found(tmp_path) == [
        ("ILSVRC2012_val_00000001.JPEG", 65),
        ("ILSVRC2012_val_00000002.JPEG", 970),
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970\n", id="val.txt"
        ),
        pytest.param("n01751748\nn09193705\n", id="synset a line"),
        pytest.param(
            "ImageId,PredictionString\n"
            "ILSVRC2012_val_00000002,n09193705 1 2 3 4\n"
            "ILSVRC2012_val_00000001,n01751748 85 1 205 132 n01751748 1 2 3 4\n",
            id="table with boxes",
        ),
    ],
)
def test_the_usual_label_files_of_the_validation_set(tmp_path: Path, text: str) -> None:
    photos = tmp_path / "val"
    paint(*(photos / f"ILSVRC2012_val_0000000{i}.JPEG" for i in (1, 2)))
    (tmp_path / "labels.txt").write_text(text)
    items = dict(found(photos, tmp_path / "labels.txt"))
    assert items == {"ILSVRC2012_val_00000001.JPEG": 65, "ILSVRC2012_val_00000002.JPEG": 970}


def test_the_development_kits_own_numbers_are_refused(tmp_path: Path) -> None:
    paint(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    (tmp_path / "truth.txt").write_text("490\n")
    with pytest.raises(DataError, match="an order of its own"):
        found(tmp_path / "val", tmp_path / "truth.txt")


def test_a_line_too_few_is_refused(tmp_path: Path) -> None:
    paint(tmp_path / "val" / "a.jpg", tmp_path / "val" / "b.jpg")
    (tmp_path / "synsets.txt").write_text("n01751748\n")
    with pytest.raises(DataError, match="1 lines for 2 images"):
        found(tmp_path / "val", tmp_path / "synsets.txt")


def test_a_folder_of_photos_has_no_classes(tmp_path: Path) -> None:
    paint(tmp_path / "b.jpg", tmp_path / "a.jpg")
    assert found(tmp_path) == [("a.jpg", None), ("b.jpg", None)]


def test_nothing_to_evaluate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images"):
        found(tmp_path)
    with pytest.raises(DataError, match="no folder and no CSV"):
        found(tmp_path / "none")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as text"):
        found(tmp_path / "x.csv")
