"""Labels are readable, unique and in the order of the nets' outputs."""

import pytest

from export_tools.errors import DataError
from export_tools.evaluate import run_all
from export_tools.fp32 import Fp32Result
from export_tools.labels import (
    class_index,
    imagenet_labels,
    imagenet_synsets,
    validation_indices,
)
from export_tools.photos import gate_photos
from export_tools.views import photos_to_planes
from service.engine.session import OrtSession, SessionOptions


def test_labels_are_a_thousand_different_short_lines() -> None:
    labels = imagenet_labels()
    assert len({label.casefold() for label in labels}) == 1000
    assert max(map(len, labels)) <= 40
    assert all(label == label.strip() and label.isprintable() for label in labels)
    assert "/" not in "".join(labels)


def test_names_that_are_told_apart() -> None:
    labels = imagenet_labels()
    assert (labels[134], labels[517]) == ("crane (bird)", "crane (machine)")
    assert (labels[638], labels[639]) == ("maillot", "one-piece swimsuit")
    assert (labels[836], labels[837]) == ("sunglass", "sunglasses")
    assert (labels[657], labels[744]) == ("missile", "projectile")


def test_the_order_is_that_of_the_nets_answers(squeezenet_fp32: Fp32Result) -> None:
    """The photos' class indices come with them, their names from looking at them."""
    seen = {243: "Bullmastiff", 949: "strawberry", 99: "goose", 22: "bald eagle", 471: "cannon"}
    photos = [photo for photo in gate_photos() if photo.index in seen]
    draft = squeezenet_fp32.draft
    session = OrtSession(draft.graph, SessionOptions())
    planes = photos_to_planes([photo.path for photo in photos], draft.manifest.input)
    best = run_all(session, planes).argmax(axis=1)
    answers = [imagenet_labels()[index] for index in best]
    assert [seen[photo.index] for photo in photos] == answers


def test_synsets_and_validation_files_share_the_order() -> None:
    assert imagenet_synsets()[:2] == ("n01440764", "n01443537")
    assert imagenet_synsets()[999] == "n15075141"
    assert len(set(imagenet_synsets())) == 1000
    indices = validation_indices()
    assert len(indices) == 50_000
    assert sorted(indices.values()) == sorted(list(range(1000)) * 50)
    assert indices["ILSVRC2012_val_00000001.JPEG"] == 65


@pytest.mark.parametrize("written", ["281", "n02123045", "tabby cat", "Tabby_Cat", " tabby  cat "])
def test_a_class_is_found_however_it_is_written(written: str) -> None:
    assert class_index(imagenet_labels())(written) == 281


@pytest.mark.parametrize("written", ["1000", "-1", "", "n99999999", "unicorn", "²"])
def test_what_is_no_class_is_refused(written: str) -> None:
    with pytest.raises(DataError, match="is no class"):
        class_index(imagenet_labels())(written)


def test_other_label_sets_have_no_synsets() -> None:
    find = class_index(("cat", "dog"))
    assert find("Dog") == 1
    with pytest.raises(DataError):
        find("n01440764")
