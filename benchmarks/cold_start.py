"""Cold start: from the start of the process to answers, polled every 5 ms.

`first_answer_s` is the first correct answer of the default model over HTTP; `all_answer_s` is when
every shipped model, loaded and self-tested, has answered its own photo correctly. The files are
in the page cache and Python's byte code is compiled, as after the first start on a box.
"""

import json
import time
from pathlib import Path

from benchmarks.engine import manifest_of, shipped_in, version_folder
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import request, running_server
from benchmarks.summary import Row, median_rows
from service.engine.manifest import SELFTEST_FILE


class AllAnswer:
    """Asks each model until it has answered its self-test photo correctly once."""

    def __init__(self, repository: Path, models: list[str]) -> None:
        self._waiting = {
            name: (
                version_folder(repository, name).joinpath(SELFTEST_FILE).read_bytes(),
                manifest_of(repository, name).selftest.index,
            )
            for name in models
        }
        self._started = time.perf_counter()
        self.answered_after_s: dict[str, float] = {}

    def __call__(self, port: int) -> bool:
        """Return whether all have answered."""
        for name, (photo, expected) in list(self._waiting.items()):
            status, body = request(port, "POST", f"/classify?model={name}", photo)
            if status != 200:
                return False
            if json.loads(body)["predictions"][0]["index"] != expected:
                raise RuntimeError(f"{name} gave a wrong answer to its own photo")
            self.answered_after_s[name] = time.perf_counter() - self._started
            del self._waiting[name]
        return True


def main() -> None:
    """Measure and print."""
    options = make_parser(__doc__, rounds=5).parse_args()
    models = shipped_in(options.repository)
    machine = describe_machine()
    say(headline(machine))
    rows: list[Row] = []
    for number in range(options.rounds):
        for some in ([models[0]], models):
            row = measure(options.repository, some)
            rows.append({"models": ", ".join(some), "round": number, **row})
    say("seconds from the start of the process, medians over the rounds")
    print_table(median_rows(rows, "models"))
    save_rows(rows, "cold_start", machine, options.save)


def measure(repository: Path, models: list[str]) -> dict[str, float]:
    """Start a server on `models` once; return when the first and when all had answered, s."""
    probe = AllAnswer(repository, models)
    with running_server(
        repository, answers=probe, default_model=models[0], models=",".join(models)
    ):
        first = probe.answered_after_s[models[0]]
        return {"all_answer_s": max(probe.answered_after_s.values()), "first_answer_s": first}


if __name__ == "__main__":
    main()
