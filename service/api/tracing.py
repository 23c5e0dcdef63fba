"""Traces of finished requests for OpenTelemetry, if the settings name a collector.

A span is made from what is remembered of a request anyway, after its answer was sent, so tracing
adds nothing between two inferences. Needs the extra `otel`, imported only where it is used.
"""

import importlib
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.api.record import QUIET_ROUTES, RequestRecord
from service.engine.pipeline import StageTimes
from service.errors import SettingUnusable

_WORK = ("queue", "decode", "preprocess", "inference", "postprocess")
_PROPAGATED = ("traceparent", "tracestate")

_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Makes a span of each request; the provider's own thread sends them."""

    def __init__(self, provider: Any) -> None:
        """Take a tracer provider of the OpenTelemetry SDK."""
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("featherbox")

    def note(self, record: RequestRecord) -> None:
        """Make the span of a finished request; health checks and metrics have none."""
        if record.route in QUIET_ROUTES:
            return
        ended = round(record.finished_at * 1e9)
        route = record.route or "unmatched"
        span = self._tracer.start_span(
            f"{record.method} {route}",
            _parent(record),
            SpanKind.SERVER,
            _attributes(record, route),
            start_time=ended - round(record.duration_ms * 1e6),
        )
        if record.status >= 500:
            span.set_status(StatusCode.ERROR)
        if record.images is None and record.classified:
            self._note_stages(span, record.classified[0][1], ended)
        span.end(ended)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def _note_stages(self, parent: Span, times: StageTimes, ended: int) -> None:
        """Lay the stages end to end from the body's last byte, which is where `total` begins."""
        context = set_span_in_context(parent)
        started = ended - round(times.total * 1e6)
        for stage in _WORK:
            spent = round(getattr(times, stage) * 1e6)
            self._tracer.start_span(stage, context, start_time=started).end(started + spent)
            started += spent


def start_tracing(endpoint: str) -> Tracing | None:
    """Return tracing to a collector, or None where no endpoint is set.

    Args:
        endpoint: URL that takes OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces. Names,
            sampling and headers are OpenTelemetry's own variables, OTEL_SERVICE_NAME and so on.

    Raises:
        SettingUnusable: the extra is not installed.
    """
    if not endpoint:
        return None
    try:
        otlp = importlib.import_module("service.api.otlp")
    except ModuleNotFoundError:
        raise SettingUnusable(
            "FEATHERBOX_OTLP_ENDPOINT is set and OpenTelemetry's SDK is not installed: "
            "pip install 'featherbox[otel]'."
        ) from None
    return Tracing(otlp.provider_to(endpoint))


def _parent(record: RequestRecord) -> Context:
    """Return the context that the client sent (W3C Trace Context), or an empty one."""
    sent = ((name, record.headers.get(name.encode())) for name in _PROPAGATED)
    carrier = {name: value.decode("latin-1") for name, value in sent if value is not None}
    return _propagator.extract(carrier, Context())


def _attributes(record: RequestRecord, route: str) -> dict[str, str | int]:
    """Return attributes by OpenTelemetry's conventions for HTTP, and ours."""
    found: dict[str, str | int | None] = {
        "http.request.method": record.method,
        "http.route": route,
        "http.response.status_code": record.status,
        "error.type": record.error_code,
        "featherbox.request_id": record.request_id,
        "featherbox.model": record.model,
        "featherbox.images": record.images,
    }
    return {name: value for name, value in found.items() if value is not None}
