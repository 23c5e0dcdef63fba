"""What takes long is asked for first, where somebody waits for the thread."""

import threading
from collections.abc import Callable

import pytest
from PIL import Image

from benchmarks.reliability.files.hostile import progressive
from service.engine.decode import DecodeLimits, decode_image
from service.engine.effort import TakesLong, ask_first, begin_long
from tests.support.images import encode

LARGE = Image.new("L", (2500, 2000))


def on_a_thread(work: Callable[[], object], *, may_begin: bool) -> bool:
    """Do some work on a thread of its own; return whether it was told to go on elsewhere."""
    sent_away: list[bool] = []

    def run() -> None:
        ask_first(lambda: may_begin)
        try:
            work()
            sent_away.append(False)
        except TakesLong:
            sent_away.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return sent_away[0]


def test_a_thread_that_is_not_asked_may_begin_everything() -> None:
    begin_long()


@pytest.mark.parametrize("may_begin", [True, False])
def test_whoever_is_asked_decides(may_begin: bool) -> None:
    assert on_a_thread(begin_long, may_begin=may_begin) is not may_begin


@pytest.mark.parametrize(
    ("data", "long"),
    [
        (encode(LARGE, "PNG"), True),
        (encode(LARGE, "GIF"), True),
        (progressive((2500, 2000), 3), True),
        (encode(LARGE, "JPEG"), False),
        (encode(LARGE.resize((1900, 2000)), "PNG"), False),
    ],
    ids=["PNG", "GIF", "progressive JPEG", "baseline JPEG", "smaller PNG"],
)
def test_the_header_tells_what_takes_long(data: bytes, long: bool) -> None:
    def decode() -> None:
        decode_image(data, DecodeLimits(), 256)

    assert on_a_thread(decode, may_begin=False) is long
    assert on_a_thread(decode, may_begin=True) is False
