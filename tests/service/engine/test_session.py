"""A real ONNX Runtime session behind the engine's own class."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.reliability.files import graphs
from service.engine.session import (
    OrtSession,
    SessionOptions,
    available_providers,
    provider_options,
)
from service.errors import ContractViolation, ModelFailed, ProviderUnavailable, UnsafeGraph

ROOT = Path(__file__).parents[3]
OPTIONS = SessionOptions()
BOUND = SessionOptions(bind=True)  # as on CUDA, where memory of the device is bound once
BOTH = pytest.mark.parametrize("options", [OPTIONS, BOUND], ids=["plain", "bound"])
CPU = "CPUExecutionProvider"
NEVER_BUILT = "AbacusExecutionProvider"


def session_of(model: onnx.ModelProto, options: SessionOptions = OPTIONS) -> OrtSession:
    return OrtSession(model.SerializeToString(), options)


@BOTH
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_each_image_of_a_batch_has_its_own_answer(batch: int, options: SessionOptions) -> None:
    session = session_of(graphs.colour_graph(), options)
    images = np.zeros((batch, 3, graphs.HEIGHT, graphs.WIDTH), np.uint8)
    for i in range(batch):
        images[i, i % 3] = 255
    found = session.run(images)
    assert found.shape == (batch, 3)
    assert found.dtype == np.float32
    assert found.argmax(axis=1).tolist() == [i % 3 for i in range(batch)]


def test_a_session_knows_the_shape_that_its_graph_declares() -> None:
    session = session_of(graphs.colour_graph())
    assert (session.height, session.width, session.classes) == (graphs.HEIGHT, graphs.WIDTH, 3)
    assert session.providers == (CPU,)


@BOTH
def test_threads_share_a_session(options: SessionOptions) -> None:
    session = session_of(graphs.colour_graph(), options)
    rng = np.random.default_rng(0)
    shape = (1, 3, graphs.HEIGHT, graphs.WIDTH)
    inputs = [rng.integers(0, 256, shape, np.uint8) for _ in range(64)]
    alone = [session.run(images) for images in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(session.run, inputs))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_bound_memory_gives_the_same_answers_whatever_came_before() -> None:
    plain, bound = (session_of(graphs.colour_graph(), options) for options in (OPTIONS, BOUND))
    rng = np.random.default_rng(0)
    # more batch sizes than are kept bound, each twice, and one picture that is no whole block
    sizes = [*range(1, 21), *range(20, 0, -1)]
    inputs = [rng.integers(0, 256, (n, 3, graphs.HEIGHT, graphs.WIDTH), np.uint8) for n in sizes]
    inputs.append(inputs[4][:, :, :, ::-1])
    wanted = [plain.run(images) for images in inputs]
    found = [bound.run(images) for images in inputs]  # all kept: none may be written over
    assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))


BROKEN = dict(graphs.broken_contracts())


@pytest.mark.parametrize("name", BROKEN)
def test_a_graph_that_breaks_the_contract_is_refused(name: str) -> None:
    with pytest.raises(ContractViolation):
        session_of(BROKEN[name])


@pytest.mark.parametrize(
    "data", [b"hello", graphs.colour_graph().SerializeToString()[:-40]], ids=["text", "cut"]
)
def test_what_the_runtime_cannot_load_is_refused_without_its_text(data: bytes) -> None:
    with pytest.raises(UnsafeGraph) as caught:
        OrtSession(data, OPTIONS)
    assert caught.value.detail == "ONNX Runtime cannot load the graph."


@BOTH
def test_a_graph_that_fails_when_it_runs_is_a_failed_model(
    options: SessionOptions, capfd: pytest.CaptureFixture[str]
) -> None:
    session = session_of(graphs.failing_when_run(), options)
    with pytest.raises(ModelFailed) as caught:
        session.run(np.zeros((1, 3, graphs.HEIGHT, graphs.WIDTH), np.uint8))
    assert "ONNXRuntimeError" not in caught.value.detail
    assert capfd.readouterr().err == "", "the runtime wrote beside the log"


def test_a_provider_that_the_runtime_lacks_is_an_error_that_says_what_to_do() -> None:
    options = SessionOptions(providers=(NEVER_BUILT, CPU))
    with pytest.raises(ProviderUnavailable) as caught:
        session_of(graphs.colour_graph(), options)
    assert NEVER_BUILT in caught.value.detail
    assert CPU in caught.value.detail
    assert "allow_provider_fallback" in caught.value.detail


def test_a_provider_that_may_be_replaced_is() -> None:
    options = SessionOptions(providers=(NEVER_BUILT,), allow_provider_fallback=True)
    assert session_of(graphs.colour_graph(), options).providers == (CPU,)


def test_openvino_runs_as_many_at_once_as_there_are_cpus() -> None:
    options = SessionOptions(intra_op_threads=2, lone_request_threads=8)
    asked = provider_options("OpenVINOExecutionProvider", options)
    assert asked == {"device_type": "CPU", "num_of_threads": "8", "num_streams": "4"}
    assert provider_options(CPU, options) == {}


def test_the_cpu_is_always_among_the_providers() -> None:
    assert CPU in available_providers()


def test_telemetry_is_off() -> None:
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


_MEASURE = """
import sys
from pathlib import Path
import numpy as np
from service.engine.memory import resident_bytes
from service.engine.session import OrtSession, SessionOptions

graph = Path(sys.argv[1]).read_bytes()
sessions = [OrtSession(graph, SessionOptions()) for _ in range(4)]
images = np.zeros((8, 3, 224, 224), np.uint8)
taken = [resident_bytes()]
for session in sessions:
    session.run(images)
    taken.append(resident_bytes())
print(taken[1] - taken[0], taken[-1] - taken[1])
"""


def test_sessions_run_in_the_same_memory_one_after_the_other() -> None:
    command = [sys.executable, "-c", _MEASURE, "model_repository/squeezenet1_1/1/model.onnx"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    by_the_first, by_three_more = map(int, done.stdout.split())
    assert by_the_first > 20e6
    assert by_three_more < 0.5 * by_the_first
