"""What ONNX Runtime's session options change: one image's inference, loading, memory.

Each cell is a process of its own, cells in turn: the engine's options as they are, and each with
one thing changed. `optimised` loads the graph as the runtime has optimised it before, as a cache
of optimised graphs would; `spread` uses all CPUs for the image, asleep between the graph's nodes
or looking for work for so many microseconds. `batches_mb` is what a process has taken once two
sessions of the model, as the server makes them, have run batches of 1 to 8 images.
"""

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.engine import shipped_in, version_folder
from benchmarks.machine import describe_machine, headline
from benchmarks.options import make_parser, names
from benchmarks.results import print_table, save_rows, say
from benchmarks.summary import Row, median_rows
from service.engine.memory import resident_bytes
from service.engine.session import BATCH_NAME, INPUT_NAME, share_arena

_RUNS = 150
_WARM_UP = 20
_BATCHES = (1, 8, 3, 5, 2, 7, 4, 6)
# A request decodes between two inferences; threads that spin are asleep again by then.
_PAUSE_S = 0.002

Change = Callable[[ort.SessionOptions], object]


def _static_batch(options: ort.SessionOptions) -> None:
    options.add_free_dimension_override_by_name(BATCH_NAME, 1)


def _no_arena(options: ort.SessionOptions) -> None:
    options.enable_cpu_mem_arena = False


def _pattern(options: ort.SessionOptions) -> None:
    options.enable_mem_pattern = True


def _extended(options: ort.SessionOptions) -> None:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED


def _as_it_is(options: ort.SessionOptions) -> None:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL


def _spread(options: ort.SessionOptions, spins_us: int = 0) -> None:
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spins_us else "0")
    if spins_us:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(spins_us))


def _spread_and_spin(options: ort.SessionOptions) -> None:
    _spread(options, 100)


_OPTIMISED, _OWN_ARENA, _NO_ARENA = "optimised", "an arena of its own", "no memory arena"
_CHANGES: dict[str, Change] = {
    "as served": lambda _: None,
    "batch fixed at 1": _static_batch,
    _OWN_ARENA: lambda _: None,
    _NO_ARENA: _no_arena,
    "a memory pattern": _pattern,
    "no layout optimisation": _extended,
    _OPTIMISED: _as_it_is,
    "spread, asleep": _spread,
    "spread, spinning 100 us": _spread_and_spin,
}


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", type=names, help="default: the shipped ones")
    options = parser.parse_args()
    machine = describe_machine()
    say(headline(machine))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="featherbox-bench-") as folder:
        for name in options.models or shipped_in(options.repository):
            graph = version_folder(options.repository, name) / "model.onnx"
            optimised = Path(folder) / f"{name}.onnx"
            _in_own_process(_optimise, graph, optimised)
            for number in range(options.rounds):
                for change in _CHANGES:
                    file = optimised if change == _OPTIMISED else graph
                    cell = _in_own_process(_measure, file, change)
                    rows.append({"model": name, "options": change, "round": number, **cell})
    say("medians over the rounds; ms of one inference and of loading, MB more resident memory")
    print_table(median_rows(rows, "model", "options"))
    save_rows(rows, "session_options", machine, options.save)


def _in_own_process(work: Callable[..., dict[str, float]], *arguments: object) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, work, arguments))
    process.start()
    sender.close()
    try:
        result: dict[str, float] = receiver.recv()
    finally:
        process.join()
    return result


def _send(
    sender: Connection, work: Callable[..., dict[str, float]], arguments: tuple[object, ...]
) -> None:
    sender.send(work(*arguments))


def _options() -> ort.SessionOptions:
    """Return the options that the engine gives to its sessions, but for their shared arena."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return options


def _optimise(graph: Path, target: Path) -> dict[str, float]:
    options = _options()
    options.optimized_model_filepath = str(target)
    ort.InferenceSession(graph.read_bytes(), options, providers=["CPUExecutionProvider"])
    return {}


def _measure(file: Path, change: str) -> dict[str, float]:
    graph, options = file.read_bytes(), _options()
    if change not in {_OWN_ARENA, _NO_ARENA}:
        share_arena(options)
    _CHANGES[change](options)
    before, started = resident_bytes(), time.perf_counter()
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    load_ms = (time.perf_counter() - started) * 1e3
    batch, *image = session.get_inputs()[0].shape
    shape = (1, *image)
    planes = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    spent = []
    for _ in range(_WARM_UP + _RUNS):
        time.sleep(_PAUSE_S)
        started = time.perf_counter()
        session.run(None, {INPUT_NAME: planes})
        spent.append((time.perf_counter() - started) * 1e3)
    memory = resident_bytes() - before
    other = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    for size in (1,) if batch == 1 else _BATCHES:
        for one in (session, other):
            one.run(None, {INPUT_NAME: planes.repeat(size, axis=0)})
    return {
        "run_ms": statistics.median(spent[_WARM_UP:]),
        "load_ms": load_ms,
        "memory_mb": memory / 1e6,
        "batches_mb": (resident_bytes() - before) / 1e6,
    }


if __name__ == "__main__":
    main()
