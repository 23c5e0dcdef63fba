"""Traces: what a collector on loopback receives, over OTLP, of real requests."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.api.tracing import start_tracing
from service.errors import SettingUnusable
from tests.support.images import photo
from tests.support.server import serving, settings_for
from tests.support.stub_server import QuietHandler, stub_server

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STAGES = ["queue", "decode", "preprocess", "inference", "postprocess"]


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Run a collector; yield its URL and the spans that it has received."""
    spans: list[Any] = []

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802  (http.server's name)
            body = self.rfile.read(int(self.headers["content-length"]))
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {a.key: a.value.string_value for a in group.resource.attributes}
                assert names["service.name"] == "featherbox"
                spans.extend(span for scope in group.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    with stub_server(Handler) as port:
        yield f"http://127.0.0.1:{port}/v1/traces", spans


def attributes(span: Any) -> dict[str, str | int]:
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def test_a_request_is_a_span_with_its_stages_inside(repository: Path) -> None:
    with collector() as (url, spans):
        with serving(settings_for(repository, otlp_endpoint=url)) as live:
            sent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "mine"}
            answer = live.classify_raw(photo(), sent).json()
            live.batch(photo(), photo())
            live.classify(b"text")
            live.client.get("/models/colours")
        # the server has ended, and with it everything is sent
        requests = {span.name: span for span in spans if span.name not in STAGES}
    assert requests.keys() == {"POST /classify", "POST /classify/batch", "GET /models/{name}"}
    first = next(span for span in spans if attributes(span).get("featherbox.request_id") == "mine")
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (TRACE, PARENT)
    assert attributes(first) == {
        "http.request.method": "POST",
        "http.route": "/classify",
        "http.response.status_code": 200,
        "featherbox.request_id": "mine",
        "featherbox.model": "colours",
    }
    inside = [span for span in spans if span.parent_span_id == first.span_id]
    assert [span.name for span in inside] == STAGES
    for span in inside:
        spent = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
        assert spent == pytest.approx(answer["timings_ms"][span.name], abs=0.001)
        assert span.start_time_unix_nano >= first.start_time_unix_nano
    assert attributes(requests["POST /classify/batch"])["featherbox.images"] == 2
    errors = [attributes(span).get("error.type") for span in spans]
    assert errors.count("unsupported_media_type") == 1


def test_without_a_collector_there_is_no_tracing() -> None:
    assert start_tracing("") is None


def test_a_collector_without_the_extra_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "service.api.otlp", None)
    with pytest.raises(SettingUnusable, match=r"featherbox\[otel\]"):
        start_tracing("http://127.0.0.1:4318/v1/traces")


def test_a_collector_that_is_not_there_disturbs_nobody(repository: Path) -> None:
    closed = "http://127.0.0.1:9/v1/traces"
    with serving(settings_for(repository, otlp_endpoint=closed)) as live:
        assert live.classify(photo()).is_success
