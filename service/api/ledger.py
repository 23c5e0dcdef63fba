"""Finished requests to log lines, counters and latency windows: a handful at a time.

Between two inferences the processor's caches hold none of this code, and one request's accounting
costs several times what it costs as one of twenty. So the hot path only notes a request, and
whoever reads the figures settles first. At most a tenth of a second is open, and what a worker
thread has answered since the loop was last awake.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from service.api.held import HeldBodies
from service.api.metrics import Metrics
from service.api.record import QUIET_ROUTES, RequestRecord
from service.api.tracing import Tracing
from service.engine.forecast import Forecast

_SETTLE_AFTER_S = 0.1
_MOST_OPEN = 256
_MAX_PATH_CHARACTERS = 256

logger = logging.getLogger("featherbox.access")


@dataclass(slots=True)
class ModelUse:
    """Of one model: `time.time()` of the last answer, and the requests that failed."""

    last_answer: float = 0.0
    failures: int = 0
    failed_ms: float = 0.0


class Ledger:
    """Accounts for finished requests; used from the event loop's thread only."""

    def __init__(
        self,
        metrics: Metrics,
        bodies: HeldBodies,
        forecast: Forecast,
        tracing: Tracing | None = None,
    ) -> None:
        self._metrics = metrics
        self._bodies = bodies
        self._forecast = forecast
        self._tracing = tracing
        self._before: list[Callable[[], None]] = []
        self._open: deque[RequestRecord] = deque()
        self._use: defaultdict[str, ModelUse] = defaultdict(ModelUse)

    def note(self, record: RequestRecord) -> None:
        """Take in a request that is finished now or has ended, and whose body is held no longer."""
        self._bodies.release(record)
        if not record.finished_at:
            record.end()
        if not self._open:
            asyncio.get_running_loop().call_later(_SETTLE_AFTER_S, self.settle)
        self._open.append(record)
        if len(self._open) >= _MOST_OPEN:
            self.settle()

    def settle_before(self, look: Callable[[], None]) -> None:
        """Call `look` before figures are settled: it notes what is answered and not noted."""
        self._before.append(look)

    def use_of(self, model: str) -> ModelUse:
        """Return what was noted of a model of the repository."""
        return self._use[model]

    def settle(self) -> None:
        """Account for all requests noted so far."""
        for look in self._before:
            look()
        while self._open:
            record = self._open.popleft()
            for served, times in record.classified:
                served.window.add(times)
                way_out_ms = record.duration_ms - (record.receive_ms or 0.0) - times.total
                self._forecast.observe(served.name, times, max(0.0, way_out_ms))
                self._metrics.observe_stages(served.name, times)
            if record.model is not None:
                self._note_use(record, self._use[record.model])
            route = record.route or "unmatched"
            self._metrics.count_request(route, record.model, record.status, record.error_code)
            if self._tracing is not None:
                self._tracing.note(record)
            _log(record, route)

    def close(self) -> None:
        """Account for what is left, and send what is left of the traces."""
        self.settle()
        if self._tracing is not None:
            self._tracing.close()

    @staticmethod
    def _note_use(record: RequestRecord, use: ModelUse) -> None:
        if record.classified:
            use.last_answer = record.finished_at
        if record.status >= 400:
            use.failures += 1
            use.failed_ms += record.duration_ms


def _log(record: RequestRecord, route: str) -> None:
    quiet = route in QUIET_ROUTES and record.status < 400
    level = logging.DEBUG if quiet else logging.INFO
    if not logger.isEnabledFor(level):
        return
    path = record.path[:_MAX_PATH_CHARACTERS]
    fields: dict[str, object] = {
        "request_id": record.request_id,
        "method": record.method,
        "path": path,
        "status": record.status,
        "model": record.model,
        "code": record.error_code,
        "images": record.images,
        "duration_ms": round(record.duration_ms, 2),
        "receive_ms": record.receive_ms,
    }
    if record.images is None and record.classified:
        fields["timings_ms"] = record.classified[0][1].rounded()
    line = logging.makeLogRecord(
        {
            "name": logger.name,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": f"{record.method} {path} {record.status}",
            "created": record.finished_at,
            "msecs": record.finished_at % 1 * 1e3,
            "fields": {key: value for key, value in fields.items() if value is not None},
        }
    )
    logger.handle(line)
