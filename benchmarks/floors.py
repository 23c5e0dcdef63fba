"""The floor of each stage: the least that the same libraries can do for it.

Decoding is Pillow's alone; preprocessing is one resize of the crop's box; inference is the session
alone on planes that are ready; HTTP is the CPU time of uvicorn with an application that reads the
body and answers a fixed document. Beside `micro` this tells what is ours. `tail` is p99 over p50
of four clients of the worker pool without HTTP.
"""

import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from benchmarks.bare_pool import pool_tail
from benchmarks.closed_loop import closed_loop
from benchmarks.engine import Model, classifier, shipped_in
from benchmarks.large_image import policy_of
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, names
from benchmarks.photos import make_photos
from benchmarks.plain import crop_while_resizing
from benchmarks.results import print_table, save_rows, say
from benchmarks.server import free_port, request, running
from benchmarks.summary import Row, median_rows
from benchmarks.traffic import Traffic
from service.engine.host import worker_threads

S = TypeVar("S")
T = TypeVar("T")

_CLIENTS = (1, 4)


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", type=names, help="default: the shipped ones")
    options = parser.parse_args()
    models: list[str] = options.models or shipped_in(options.repository)
    photos = make_photos()
    machine = describe_machine()
    say(headline(machine))
    cpus = worker_threads()
    rows: list[Row] = []
    for number in range(options.rounds):
        http = http_floor(photos, options.seconds)
        for name in models:
            stages = stage_floors(options.repository, name, photos)
            tail = pool_tail(classifier(options.repository, name), photos, cpus, 4, options.seconds)
            rows.append({"model": name, "round": number, **stages, **http, "tail": tail})
    say("medians over the rounds, ms for one image")
    print_table(median_rows(rows, "model"))
    save_rows(rows, "floors", machine, options.save)


def stage_floors(repository: Path, name: str, photos: list[bytes]) -> dict[str, float]:
    """Return the median time of each stage's least work over the photos, on this thread, ms."""
    model = Model(repository, name)
    policy = policy_of(model)
    images, decode = timed(_decode, photos)
    _, preprocess = timed(lambda image: crop_while_resizing(image, policy), images)
    planes = [model.preprocess(photo) for photo in photos]
    _, inference = timed(model.probabilities, planes)
    return {"decode": decode, "preprocess": preprocess, "inference": inference}


def timed(work: Callable[[S], T], inputs: Sequence[S]) -> tuple[list[T], float]:
    """Do `work` for each input; return what it made and the median time of one, ms."""
    work(inputs[0])
    made, spent = [], []
    for item in inputs:
        started = time.perf_counter()
        made.append(work(item))
        spent.append((time.perf_counter() - started) * 1e3)
    return made, statistics.median(spent)


def http_floor(photos: list[bytes], seconds: float) -> dict[str, float]:
    """Return the CPU time of a request to an empty application, by clients, ms."""
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", "benchmarks.empty_app:app", "--host", "127.0.0.1",
        "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log",
        "--log-level", "error", "--no-server-header", "--lifespan", "off",
    ]  # fmt: skip
    traffic = Traffic(tuple(photos))
    row = {}
    with running(command, port, {}, lambda port: request(port, "GET", "/")[0] == 200) as server:
        for clients in _CLIENTS:
            before = server.cpu_ms()
            result = closed_loop(port, traffic, clients, seconds).require_clean()
            row[f"http_cpu_{clients}"] = (server.cpu_ms() - before) / result.answered
    return row


def _decode(photo: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(photo))
    image.load()
    return image


if __name__ == "__main__":
    main()
