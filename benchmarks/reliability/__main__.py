"""Measure whether anything breaks the server: 29 rows, each a figure with its target.

    python -m benchmarks.reliability                        all rows
    python -m benchmarks.reliability --rows 1,2,9           some of them
    python -m benchmarks.reliability --seconds 3            with short loads, for a first look

All traffic stays on loopback. Rows 1 to 9 keep the server on the first CPU and the generator on
the second. Row 10 fetches Pillow's source distribution into build/ once. The exit status is 1 if a
row is missed.
"""

import sys

from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_small_parser, numbers
from benchmarks.reliability.row import MISSED, Options
from benchmarks.reliability.scorecard import ROWS, run, tally
from benchmarks.results import save_rows, say


def main() -> None:
    """Measure and print."""
    parser = make_small_parser(__doc__)
    parser.add_argument("--rows", type=numbers, default=[], help="default: all")
    parser.add_argument("--seconds", type=float, default=8.0, help="of one load, default 8")
    parser.add_argument("--no-yardstick", action="store_true", help="leave plain FastAPI out")
    parser.add_argument(
        "--save", nargs="?", const="", metavar="PATH",
        help="write CSV; without a path to benchmarks/results/, named by machine and versions",
    )  # fmt: skip
    given = parser.parse_args()
    machine = describe_machine()
    say(headline(machine))
    rows = [row for row in ROWS if not given.rows or row.number in given.rows]
    options = Options(given.repository, given.seconds, not given.no_yardstick)
    records = run(rows, options)
    say(tally(records))
    save_rows(records, "reliability", machine, given.save)
    sys.exit(any(record["verdict"] == MISSED for record in records))


if __name__ == "__main__":
    main()
