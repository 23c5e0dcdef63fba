"""The load generators: what they send and what they count."""

from collections.abc import Iterator

import pytest

from benchmarks.closed_loop import parse_wrk
from benchmarks.open_loop import open_loop
from benchmarks.raw_client import content_length, post_for
from benchmarks.traffic import LoadResult, Traffic
from tests.support.stub_server import QuietHandler, stub_server

WRK = """Running 2s test @ http://127.0.0.1:8000
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    13.12ms    2.00ms  28.00ms   85.00%
    Req/Sec   300.00     10.00   320.00     70.00%
  600 requests in 2.00s, 300.00KB read
  Non-2xx or 3xx responses: 20
Requests/sec:    300.00
Transfer/sec:    150.00KB
RESULT requests=600 duration_us=2000000 p50_us=13000 p99_us=27500 status=20 failed=3
"""
BODIES = (b"good" * 20_000, b"bad")


class Handler(QuietHandler):
    """Accepts long bodies and refuses short ones."""

    def do_POST(self) -> None:  # noqa: N802  (http.server's name)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert body in BODIES
        self.send_response(200 if len(body) > 3 else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


@pytest.fixture
def port() -> Iterator[int]:
    with stub_server(Handler) as port:
        yield port


def test_the_result_line_of_wrk_is_read() -> None:
    result = parse_wrk(WRK)
    assert result == LoadResult(2.0, 580, 20, 3, 13.0, 27.5)
    assert result.per_s == 290.0


def test_wrk_without_a_result_line_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:8000 Connection refused")


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(LoadResult(1.0, 10, 1, 0, 1.0, 1.0), id="refused"),
        pytest.param(LoadResult(1.0, 10, 0, 1, 1.0, 1.0), id="failed"),
        pytest.param(LoadResult(1.0, 0, 0, 0, 0.0, 0.0), id="nothing answered"),
    ],
)
def test_figures_with_refusals_or_failures_are_not_taken(result: LoadResult) -> None:
    with pytest.raises(RuntimeError, match="answered"):
        result.require_clean()


def test_every_path_gets_every_body_in_turn() -> None:
    heads = [request.split(b" ")[1] for request in Traffic((b"x", b"y"), ("/a", "/b")).requests()]
    assert heads == [b"/a", b"/b", b"/a", b"/b"]


def test_the_length_of_an_answer_is_found_whatever_its_case() -> None:
    assert content_length([b"HTTP/1.1 200 OK", b"content-length: 12"]) == 12
    assert content_length([b"HTTP/1.1 204 No Content"]) == 0


def test_the_raw_client_counts_answers_and_refusals_apart(port: int) -> None:
    result = post_for(port, Traffic(BODIES), clients=2, seconds=0.2)
    assert result.answered > 0
    assert abs(result.answered - result.refused) <= 2
    assert result.failed == 0
    assert 0 < result.p50_ms <= result.p99_ms


def test_the_open_loop_sends_what_was_appointed_and_no_more(port: int) -> None:
    result = open_loop(port, Traffic(BODIES), per_s=100, seconds=0.2)
    assert (result.answered, result.refused, result.failed) == (10, 10, 0)
    assert result.per_s == 50.0


def test_the_open_loop_counts_a_server_that_is_gone_as_failures() -> None:
    result = open_loop(9, Traffic(BODIES), per_s=50, seconds=0.1)
    assert (result.answered, result.failed) == (0, 5)
