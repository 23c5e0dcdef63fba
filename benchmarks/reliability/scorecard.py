"""The scorecard: all rows, measured one after the other."""

import time
from collections.abc import Iterable, Sequence

from benchmarks.reliability import (
    corpus,
    environment,
    growth,
    lifecycle,
    models,
    names,
    overload,
    pictures,
    requests,
    slow,
    supply,
)
from benchmarks.reliability.row import MET, MISSED, Options, Outcome, Row
from benchmarks.results import say
from benchmarks.summary import Row as Record

ROWS = (
    Row(1, "goodput at 2 P", overload.goodput_at_double),
    Row(2, "goodput at 10 P", overload.goodput_at_tenfold),
    Row(3, "accepted at 10 P", overload.accepted_latency),
    Row(4, "503 at 10 P", overload.rejections),
    Row(5, "unaccounted at 10 P", overload.unaccounted),
    Row(6, "memory at 10 P, 8 MP photos", overload.memory_of_large_photos),
    Row(7, "recovery to unloaded p99", overload.recovery),
    Row(8, "health at 10 P", overload.health),
    Row(9, "slow sockets", slow.slow_sockets),
    Row(10, "Pillow's test images", corpus.corpus),
    Row(11, "worst single image", pictures.worst_image),
    Row(12, "good beside bombs", pictures.beside_bombs),
    Row(13, "request classes", requests.request_classes),
    Row(14, "tiring bodies", slow.tiring_bodies),
    Row(15, "modes and orientations", pictures.invariance),
    Row(16, "attacks by model name", names.model_names),
    Row(17, "kill -9 of a worker", lifecycle.worker_killed),
    Row(18, "SIGTERM under load", lifecycle.stopped_under_load),
    Row(19, "SIGTERM, half-sent bodies", lifecycle.stopped_beside_half_sent),
    Row(20, "cold start", lifecycle.cold_start),
    Row(21, "stuck inference", lifecycle.stuck),
    Row(22, "damaged models at start", models.damaged_at_start),
    Row(23, "model overwritten", models.overwritten),
    Row(24, "one model always fails", models.one_that_fails),
    Row(25, "no room on disk", environment.no_room),
    Row(26, "clock jumps by an hour", environment.clock_jumps),
    Row(27, "memory over 20,000 requests", growth.memory_over_time),
    Row(28, "container rules", supply.container),
    Row(29, "supply chain", supply.supply_chain),
)


def run(rows: Iterable[Row], options: Options) -> list[Record]:
    """Measure rows, print each as it comes, and return them for a table."""
    records: list[Record] = []
    for row in rows:
        started = time.monotonic()
        outcome = row.outcome(options)
        took_s = time.monotonic() - started
        for line in _lines(row, outcome, took_s):
            say(line)
        records.append(
            {
                "row": row.number, "title": row.title, "figure": outcome.figure,
                "target": outcome.target, "verdict": outcome.verdict,
                "plain_fastapi": outcome.yardstick, "note": outcome.note,
                "took_s": round(took_s, 1),
            }
        )  # fmt: skip
    return records


def tally(records: Sequence[Record]) -> str:
    """Return one line on all of them."""
    verdicts = [record["verdict"] for record in records]
    missed = [f"{record['row']}" for record in records if record["verdict"] == MISSED]
    return f"{verdicts.count(MET)} of {len(records)} rows met" + (
        f"; missed: {', '.join(missed)}" if missed else ""
    )


def _lines(row: Row, outcome: Outcome, took_s: float) -> list[str]:
    lines = [
        f"{row.number:2}  {outcome.verdict:12}  {row.title}: {outcome.figure}"
        f"  [target: {outcome.target}]  ({took_s:.0f} s)"
    ]
    if outcome.yardstick:
        lines.append(f"{'':18}plain FastAPI: {outcome.yardstick}")
    if outcome.note:
        lines.append(f"{'':18}{outcome.note}")
    return lines
