"""Agreement of two preprocessing paths, counted."""

from benchmarks.shortcuts import Pair, agreement

PAIRS = [
    Pair("640x480", ours=1, plain=1, plain_probability=0.9, index=1),
    Pair("640x480", ours=2, plain=3, plain_probability=0.4, index=3),
    Pair("640x480", ours=4, plain=4, plain_probability=0.5, index=None),
    Pair("640x480", ours=5, plain=6, plain_probability=0.6, index=None),
]


def test_agreement_is_counted_over_all_and_where_the_plain_path_is_sure() -> None:
    found = agreement(PAIRS)
    assert (found["equal"], found["photos"]) == (0.5, 4)
    assert (found["equal_sure"], found["sure"]) == (0.5, 2)


def test_accuracy_is_that_of_the_labelled_photos() -> None:
    found = agreement(PAIRS)
    assert (found["top1_ours"], found["top1_plain"], found["labelled"]) == (0.5, 1.0, 2)


def test_times_are_the_medians_of_each_path() -> None:
    pairs = [Pair("720p", 1, 1, 0.9, None, ours, 2 * ours) for ours in (1.0, 2.0, 9.0)]
    found = agreement(pairs)
    assert (found["ours_ms"], found["plain_ms"]) == (2.0, 4.0)


def test_what_no_photo_tells_is_unknown() -> None:
    assert agreement(PAIRS[2:3])["equal_sure"] is None
