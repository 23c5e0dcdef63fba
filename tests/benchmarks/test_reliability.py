"""The scorecard: its rows, and that it sees what it is there to see."""

import csv
import hashlib
import io
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.reliability import __main__ as command
from benchmarks.reliability import corpus, growth, lifecycle, requests
from benchmarks.reliability.clients import Clients, Fate
from benchmarks.reliability.flood import flood
from benchmarks.reliability.row import MET, MISSED, NOT_MEASURED, Faults, Options, Outcome, Row
from benchmarks.reliability.scorecard import ROWS, run, tally
from tests.support.images import photo
from tests.support.process import ROOT
from tests.support.stub_server import QuietHandler, stub_server
from tests.support.waiting import wait_until

PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")


class Handler(QuietHandler):
    """Answers by the first byte of the body."""

    def do_POST(self) -> None:  # noqa: N802  (http.server's name)
        self.give(self.rfile.read(int(self.headers["Content-Length"]))[:1])

    def do_GET(self) -> None:  # noqa: N802
        self.give(b"g")

    def give(self, kind: bytes) -> None:
        if kind == b"c":  # cuts the connection
            self.close_connection = True
            return
        self.send_response(200 if kind == b"g" else 503)
        self.send_header("Content-Type", "application/json")
        if kind == b"r":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


@pytest.fixture
def port() -> Iterator[int]:
    with stub_server(Handler) as port:
        yield port


def test_there_is_a_row_for_each_of_the_29_figures() -> None:
    assert [row.number for row in ROWS] == list(range(1, 30))
    assert len({row.title for row in ROWS}) == 29


def test_the_page_explains_every_row() -> None:
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == [*range(1, 30)]
    for row in ROWS:
        assert f"| {row.number} | {row.title} |" in PAGE


def test_a_row_that_fails_is_a_row() -> None:
    def broken(_: Options) -> Outcome:
        raise ValueError("no\nserver")

    def unknown(_: Options) -> Outcome:
        return Outcome("-", "1", None)

    def good(_: Options) -> Outcome:
        return Outcome("1", "1", True, "2", "of 1")

    rows = [Row(1, "a", broken), Row(2, "b", unknown), Row(3, "c", good)]
    records = run(rows, Options())
    assert [record["verdict"] for record in records] == [MISSED, NOT_MEASURED, MET]
    assert records[0]["figure"] == "ValueError: no server"
    assert tally(records) == "1 of 3 rows met; missed: 1"


def test_faults_are_counted_and_the_first_are_named() -> None:
    faults = Faults()
    for number in range(9):
        faults.check(f"case {number}", number < 2, number)
    assert (faults.tried, faults.passed) == (9, 2)
    assert faults.note(2) == "case 2: 2; case 3: 3; and 5 more"


def request(body: bytes) -> bytes:
    return requests.post(body, "image/jpeg")


def test_a_flood_keeps_every_answer(port: int) -> None:
    kinds = [[request(b"good")], [request(b"refused")], [request(b"bare")], [request(b"cut")]]
    found = flood(port, kinds, 80, 0.5, cpu=1)
    assert found.sent == 40
    assert (found.count(200), found.count(503), found.broken) == (10, 20, 10)
    assert (found.unanswered, found.unsent, found.probes_failed) == (0, 0, 0)
    assert [a.complete for a in found.answers if a.kind == 1] == [True] * 10
    assert [a.complete for a in found.answers if a.kind == 2] == [False] * 10
    assert 0 < found.goodput() <= 20
    assert 0 < found.p99_ms(200, 0) == found.p99_ms(200)
    assert found.probes_ms


@pytest.mark.parametrize(
    ("body", "fate"), [(b"g", Fate.ANSWERED), (b"r", Fate.REFUSED), (b"c", Fate.CUT)]
)
def test_clients_note_the_fate_of_every_request(port: int, body: bytes, fate: Fate) -> None:
    clients = Clients(port, body)
    with clients.asking(2):
        wait_until(lambda: len(clients.fates) > 3, "some requests are through")
    assert clients.count(fate) == len(clients.fates)
    assert clients.statuses() == ({503} if fate is Fate.REFUSED else set())


def test_an_accepted_request_without_an_answer_is_lost(port: int) -> None:
    clients = Clients(port, b"c", asks_first=True)
    with clients.asking(1):
        wait_until(lambda: bool(clients.fates), "a request is through")
    assert clients.count(Fate.LOST) == len(clients.fates)


def test_nobody_listens(port: int) -> None:
    clients = Clients(1, b"g")
    with clients.asking(1):
        wait_until(lambda: bool(clients.fates), "a request is through")
    assert clients.count(Fate.NOT_TAKEN) == len(clients.fates)


def test_a_dip_is_over_when_the_rate_is_back() -> None:
    clients = Clients(0, b"")
    busy = [number / 100 for number in range(600) if not 150 <= number < 250]
    clients.fates = [(at, Fate.ANSWERED, 200) for at in busy]
    assert 1.0 <= lifecycle._back_after(clients, 1.2, 90) <= 1.4
    assert lifecycle._back_after(clients, 3.0, 90) == 0
    assert lifecycle._back_after(clients, 1.2, 200) == float("inf")


def test_every_request_class_has_a_name_of_its_own() -> None:
    names = Counter(name for name, _, _ in requests.cases())
    assert len(names) >= 120
    assert max(names.values()) == 1
    kinds = {name.partition(":")[0] for name in names}
    assert {"image", "form", "file name", "framing", "head", "method", "v2"} <= kinds


def test_the_final_answer_is_read_to_its_end() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\n"
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}"
    assert not requests.is_whole(early)
    assert not requests.is_whole(answer[:-1])
    assert requests.is_whole(answer)
    assert requests.status_of(early + answer) == 413
    assert requests.status_of(b"") == requests.status_of(early) == 0


def test_the_corpus_is_what_lies_under_the_images(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("p-1/Tests/images/a/b.png", "p-1/Tests/c.py", "p-1/setup.py"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    assert list(corpus.read(archive)) == [("a/b.png", b"abc")]


def test_another_archive_is_no_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    (tmp_path / corpus.ARCHIVE).write_bytes(b"something else")
    assert hashlib.sha256(b"something else").hexdigest() != corpus._SHA256
    outcome = corpus.corpus(Options())
    assert outcome.verdict == NOT_MEASURED
    assert "another SHA-256" in outcome.note


def test_pillow_says_what_must_be_answered() -> None:
    files = [("a.png", photo()), ("b.png", photo()[:60]), ("c.txt", b"text")]
    assert corpus.readable_by_pillow(files) == {"a.png"}


def test_the_slope_of_memory() -> None:
    assert growth._slope([(0, 100.0), (10_000, 105.0), (20_000, 110.0)]) * 1e4 == pytest.approx(5)
    assert growth._slope([(0, 100.0)]) == 0


def test_the_command_measures_the_rows_it_is_told_and_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "rows.csv"
    repository = str(ROOT / "model_repository")
    monkeypatch.setattr(
        "sys.argv",
        ["reliability", "--rows", "19", "--seconds", "1", "--repository", repository,
         "--save", str(target)],
    )  # fmt: skip
    with pytest.raises(SystemExit):
        command.main()
    (row,) = csv.DictReader(target.read_text(encoding="utf-8").splitlines())
    assert (row["row"], row["title"]) == ("19", "SIGTERM, half-sent bodies")
    assert row["figure"].startswith("exit 0 after ")
    assert "1 rows" in capsys.readouterr().out
