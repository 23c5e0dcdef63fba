"""Images to evaluate on, with or without their classes, in the layouts that people have.

FOLDER/CLASS/photo.jpg      CLASS is an index, a WordNet id (n01440764) or a label
FILE.csv                    file,class a line, files relative to the CSV; a header is optional
FOLDER + a labels file      file,class or "file class" a line, or a WordNet id a line, which
                            then go with the sorted files
ILSVRC2012 validation       the flat folder as downloaded: classes by file name are known; or
                            sorted into folders by WordNet id, the first layout
FOLDER of photos            unlabelled: only for the agreement with a parent
"""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export_tools.errors import DataError
from export_tools.labels import class_index, validation_indices

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
_VALIDATION_FILE = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG")

FindClass = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Item:
    """A photo, and the index of its class if that is known."""

    path: Path
    index: int | None


def find_items(data: Path, labels: tuple[str, ...], labels_file: Path | None = None) -> list[Item]:
    """Find the images of a data set, in a fixed order.

    Args:
        data: a folder, or a CSV file.
        labels: the model's labels, by index.
        labels_file: classes of a flat folder's files.

    Raises:
        DataError: nothing is there, or a class or a file cannot be found; it is named.
    """
    find_class = class_index(labels)
    if data.is_file():
        return _from_table(data, data.parent, find_class)
    if not data.is_dir():
        raise DataError(f"There is no folder and no CSV file {data}.")
    if labels_file is not None:
        return _from_labels_file(labels_file, data, find_class)
    flat = images_in(data)
    if flat and all(_VALIDATION_FILE.fullmatch(path.name) for path in flat):
        known = validation_indices()
        return [Item(path, known[path.name]) for path in flat]
    items = [Item(path, None) for path in flat] or _from_class_folders(data, find_class)
    if not items:
        raise DataError(f"There are no images in {data}.")
    return items


def images_in(folder: Path) -> list[Path]:
    """Return the photos that lie in a folder itself, by their names."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and p.is_file())


def _from_class_folders(data: Path, find_class: FindClass) -> list[Item]:
    items = []
    for folder in sorted(entry for entry in data.iterdir() if entry.is_dir()):
        images = images_in(folder)
        if images:
            index = find_class(folder.name)
            items += [Item(path, index) for path in images]
    return items


def _from_labels_file(path: Path, folder: Path, find_class: FindClass) -> list[Item]:
    lines = [line.strip() for line in _read(path).splitlines() if line.strip()]
    if all(line.isdigit() for line in lines):
        raise DataError(
            f"{path.name} has only numbers, and ImageNet's development kit counts classes in an "
            "order of its own: give WordNet ids, or a file name and a class a line."
        )
    if any(re.search(r"[\s,]", line) for line in lines):
        return _from_table(path, folder, find_class)
    images = images_in(folder)
    if len(images) != len(lines):
        raise DataError(f"{path.name} has {len(lines)} lines for {len(images)} images.")
    return [Item(image, find_class(line)) for image, line in zip(images, lines, strict=True)]


def _from_table(path: Path, folder: Path, find_class: FindClass) -> list[Item]:
    """Read lines of a file name and a class, parted by a comma or, without one, by white space."""
    text = _read(path)
    rows = (
        [row for row in csv.reader(text.splitlines()) if row]
        if "," in text
        else [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    )
    items = []
    for number, row in enumerate(rows, start=1):
        if len(row) < 2:
            raise DataError(f"{path.name}, line {number}: a file name and a class are wanted.")
        image = _find_file(folder, row[0].strip())
        if image is None and number == 1:
            continue  # a header
        if image is None:
            raise DataError(f"{path.name}, line {number}: there is no {row[0]} in {folder}.")
        items.append(Item(image, find_class(_class_of(row[1]))))
    if not items:
        raise DataError(f"{path.name} names no image that is in {folder}.")
    return items


def _class_of(written: str) -> str:
    """Return the class of a cell; ImageNet's own table adds boxes behind the WordNet id."""
    synset = re.match(r"\s*(n\d{8})\b", written)
    return synset[1] if synset else written


def _find_file(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / f"{name}.JPEG"):
        if candidate.is_file():
            return candidate
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as text.") from error
