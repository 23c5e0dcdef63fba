"""Work that takes long says so before it begins, and may be told to go on elsewhere.

Whoever decodes knows from the header alone what an image will cost. A thread that others wait for
is asked here; on any other thread everything may begin.
"""

import threading
from collections.abc import Callable

_thread = threading.local()


class TakesLong(BaseException):
    """What was begun on this thread belongs on another; nothing has been done yet.

    No Exception, as nothing failed: what counts or answers errors must let it pass.
    """


def ask_first(may_begin: Callable[[], bool]) -> None:
    """Ask on this thread, from now on, before anything that takes long is begun."""
    _thread.may_begin = may_begin


def begin_long() -> None:
    """Begin something that takes many times as long as an inference.

    Raises:
        TakesLong: not on this thread, not now.
    """
    may_begin: Callable[[], bool] | None = getattr(_thread, "may_begin", None)
    if may_begin is not None and not may_begin():
        raise TakesLong
