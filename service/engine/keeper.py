"""The thread that loads the models and keeps them as the model repository has them."""

import logging
import math
import threading
import time
from concurrent.futures import Future

from service.engine.memory import give_back_memory
from service.engine.repository import ModelRepository, ModelState

# What only makes lone images faster must not delay the first answers, and requests that began
# with the old version of a model mostly have their answer by then.
_TIDY_AFTER_S = 2.0

logger = logging.getLogger("featherbox.models")


class Keeper:
    """Loads, reloads and retries models on one background thread, away from the workers.

    It loads all once it is started. After that it looks into the folder when `reload` asks for
    it, and every `poll_s` seconds if that is not 0. The difference is that a reload also tries
    once more what was refused, though its files have not changed. The future `loaded` is done
    after the first look.
    """

    def __init__(self, repository: ModelRepository, poll_s: float) -> None:
        self._repository = repository
        self._poll_s = poll_s or math.inf
        self._poll_at = math.inf
        self._tidy_at = math.inf
        self._asked: list[Future[None]] = []
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stopping = False
        self.loaded: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        repository.on_quarantine = self._woken.set

    def start(self) -> None:
        """Begin to load, in the background."""
        self._thread.start()

    def reload(self) -> "Future[None]":
        """Look into the folder now; whoever wants to know when that is done waits for the future.

        From a coroutine: `await asyncio.wrap_future(keeper.reload())`.
        """
        done: Future[None] = Future()
        with self._lock:
            self._asked.append(done)
        self._woken.set()
        return done

    def close(self, timeout_s: float) -> None:
        """Stop; a model that is being loaded is not waited for longer than `timeout_s`."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        self._take_over(retry=True)
        self._say_how_many()
        self.loaded.set_result(None)
        while not self._stopping:
            due = min(self._poll_at, self._tidy_at, self._repository.retry_quarantined())
            self._woken.wait(None if due == math.inf else max(0.0, due - time.monotonic()))
            self._woken.clear()
            if not self._stopping:
                self._turn()

    def _turn(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, []
        if (asked or time.monotonic() >= self._poll_at) and self._take_over(retry=bool(asked)):
            self._say_how_many()
        for done in asked:
            if done.set_running_or_notify_cancel():
                done.set_result(None)
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = math.inf
            self._repository.widen_all()
            give_back_memory()

    def _take_over(self, *, retry: bool) -> bool:
        """Bring the models up to the folder; tell whether others serve than before."""
        try:
            changed = self._repository.reload(retry=retry)
        except Exception:  # what is loaded serves on, and the next look may be luckier
            logger.exception("the model repository could not be taken over")
            changed = False
        self._poll_at = time.monotonic() + self._poll_s
        if changed:
            self._tidy_at = time.monotonic() + _TIDY_AFTER_S
        return changed

    def _say_how_many(self) -> None:
        models = self._repository.models
        ready = sum(model.state is ModelState.READY for model in models)
        logger.info("%d of %d models ready", ready, len(models))
