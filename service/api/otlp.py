"""The OpenTelemetry SDK and its exporter: only imported where the settings name a collector."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_TIMEOUT_S = 1.0  # with all its tries; the end of the process may have to wait for it


def provider_to(endpoint: str) -> TracerProvider:
    """Return a provider whose spans go to `endpoint` in batches, from a thread of its own."""
    named = Resource({"service.name": "featherbox"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=named, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
