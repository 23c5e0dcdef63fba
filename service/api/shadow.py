"""A second model beside the one that answers: on some of the images, and never in their way.

Its thread has the lowest priority and takes an image only while no other waits for a worker; what
comes faster than it can follow is left out and counted.
"""

import logging
import os
import queue
import random
import threading
from collections.abc import Callable
from contextlib import suppress

from service.api.metrics import Metrics
from service.engine.decode import DecodeLimits
from service.engine.repository import ModelRepository
from service.errors import FeatherboxError

_MOST_WAITING = 4
_LOWEST_PRIORITY = 19

logger = logging.getLogger("featherbox.shadow")

_Item = tuple[str, bytes, str]


class Shadow:
    """Compares the labels of one more model with those that were answered."""

    def __init__(
        self,
        name: str,
        share: float,
        repository: ModelRepository,
        limits: DecodeLimits,
        metrics: Metrics,
        busy: Callable[[], bool],
    ) -> None:
        """Start its thread.

        Args:
            name: the model that runs in the shadow.
            share: of the images that are answered, 0 to 1.
            repository: the models.
            limits: of decoding.
            metrics: where agreement is counted.
            busy: whether images wait for a worker.
        """
        self._name = name
        self._share = share
        self._repository = repository
        self._limits = limits
        self._metrics = metrics
        self._busy = busy
        self._items: queue.Queue[_Item | None] = queue.Queue(_MOST_WAITING)
        self._draw = random.Random().random  # noqa: S311  # a sample, no secret
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, model: str, image: bytes | memoryview, label: str) -> None:
        """Look at an image that `model` has answered with `label`, or at none of it."""
        if model == self._name or self._draw() >= self._share:
            return
        if self._busy():
            self._metrics.count_shadow(model, self._name, "left_out")
            return
        try:
            self._items.put_nowait((model, bytes(image), label))
        except queue.Full:
            self._metrics.count_shadow(model, self._name, "left_out")

    def close(self, timeout_s: float) -> None:
        """Stop; what still waits is left out."""
        with suppress(queue.Empty):
            while True:
                self._items.get_nowait()
        self._items.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        while (item := self._items.get()) is not None:
            model, image, label = item
            self._metrics.count_shadow(model, self._name, self._outcome(image, label))
            del item, image

    def _outcome(self, image: bytes, label: str) -> str:
        try:
            loaded = self._repository.find(self._name).require()
            answer = loaded.classify(image, 1, self._limits).predictions[0]
        except FeatherboxError:
            return "failed"
        except Exception:
            logger.exception("the shadow model failed")
            return "failed"
        return "agrees" if answer.label == label else "differs"
