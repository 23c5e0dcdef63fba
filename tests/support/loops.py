"""An event loop of a test's own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any


def on_a_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine on a thread of its own, which may change what is the thread's."""
    errors: list[BaseException] = []

    def target() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join(30)
    if errors:
        raise errors[0]
