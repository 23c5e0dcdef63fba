"""ONNX Runtime behind one small class; no other file imports it.

Telemetry is switched off before the import: since 1.29 the library reports model names to its
maker unless this variable is set by then.
"""

import logging
import os
import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.errors import ContractViolation, ModelFailed, ProviderUnavailable, UnsafeGraph

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

INPUT_NAME = "image"
OUTPUT_NAME = "probabilities"
BATCH_NAME = "batch"
RUNTIME_VERSION: str = ort.__version__

# The runtime writes its own lines to standard error, which is ours for JSON. It raises whatever
# it calls an error as well, and that is logged here.
_FATAL_ONLY = 4

_ON_CUDA = {"CUDAExecutionProvider", "TensorrtExecutionProvider"}
_MOST_BOUND = 16  # shapes, that is batch sizes, for which a thread keeps memory on the device

_AS_REQUESTED = 1  # an arena grows by what is asked for, not to the next power of two
_arena_made = False
_arena_lock = threading.Lock()

logger = logging.getLogger("featherbox.session")


class Session(Protocol):
    """What the rest of the engine needs of an inference session."""

    @property
    def providers(self) -> tuple[str, ...]:
        """Execution providers in use, best first."""
        ...

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify uint8 [batch, 3, height, width] into float32 [batch, classes]."""
        ...


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session is made; with `bind`, I/O binding is used on a CPU as it always is on CUDA."""

    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    allow_provider_fallback: bool = False
    intra_op_threads: int = 1
    lone_request_threads: int = 1
    spins_us: int = 0  # how long a thread of an inference looks for work before it sleeps
    max_batch: int = 1  # images of one run, see `service.engine.batcher`
    max_delay_ms: float = 0.0
    bind: bool = False


def available_providers() -> tuple[str, ...]:
    """Return the execution providers that the installed ONNX Runtime was built with."""
    return tuple(ort.get_available_providers())


class OrtSession:
    """An ONNX Runtime session that holds the artifact contract; `run` is thread-safe."""

    def __init__(self, graph: bytes, options: SessionOptions) -> None:
        """Load a graph.

        Raises:
            ProviderUnavailable: a provider was asked for, cannot be had and may not be replaced.
            UnsafeGraph: the runtime cannot load the graph.
            ContractViolation: inputs or outputs are not those of the contract.
        """
        wanted = _usable_providers(options)
        self._session = _create(graph, wanted, options)
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        if self.providers[0] != wanted[0] and not options.allow_provider_fallback:
            raise ProviderUnavailable(
                f"{wanted[0]} was asked for and {self.providers[0]} is what the runtime uses: "
                "check its driver and libraries, or set allow_provider_fallback."
            )
        self.height, self.width, self.classes = _contract_shape(self._session)
        self._bound: _BoundRuns | None = None
        if self.providers[0] in _ON_CUDA:
            self._bound = _BoundRuns(self._session, self.classes, "cuda")
        elif options.bind:
            self._bound = _BoundRuns(self._session, self.classes, "cpu")

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify uint8 [batch, 3, height, width] into float32 [batch, classes].

        Raises:
            ModelFailed: the runtime could not run the graph.
        """
        try:
            if self._bound is not None:
                return self._bound.run(images)
            (probabilities,) = self._session.run((OUTPUT_NAME,), {INPUT_NAME: images})
        except Exception as error:  # the runtime's errors share no narrower base
            logger.error("inference failed: %s", error)
            raise ModelFailed("The model failed while it was run.") from error
        result: NDArray[np.float32] = probabilities
        return result


class _BoundRuns:
    """Runs a session on memory of the device that is kept and bound once.

    Without it the runtime would take memory for input and output anew in each run. A binding
    serves one run at a time, so each thread has its own, for each of the last batch sizes.
    """

    def __init__(self, session: "ort.InferenceSession", classes: int, device: str) -> None:
        self._session = session
        self._classes = classes
        self._device = device
        self._own = _OfThread()

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify uint8 [batch, 3, height, width] into float32 [batch, classes]."""
        kept = self._own.bindings
        binding = kept.pop(images.shape, None) or self._bind(images.shape)
        kept[images.shape] = binding  # now the last to be dropped
        if len(kept) > _MOST_BOUND:
            del kept[next(iter(kept))]
        binding.images.update_inplace(np.ascontiguousarray(images))
        self._session.run_with_iobinding(binding.both)
        probabilities: NDArray[np.float32] = binding.probabilities.numpy()
        # On a CPU that is a view of what the next run writes over.
        return probabilities.copy() if self._device == "cpu" else probabilities

    def _bind(self, shape: tuple[int, ...]) -> "_Binding":
        make = ort.OrtValue.ortvalue_from_shape_and_type
        images = make(list(shape), np.uint8, self._device, 0)
        probabilities = make([shape[0], self._classes], np.float32, self._device, 0)
        both = self._session.io_binding()
        both.bind_ortvalue_input(INPUT_NAME, images)
        both.bind_ortvalue_output(OUTPUT_NAME, probabilities)
        return _Binding(images, probabilities, both)


class _OfThread(threading.local):
    """What each thread has of its own: bindings by the shape of their input."""

    def __init__(self) -> None:
        self.bindings: dict[tuple[int, ...], _Binding] = {}


@dataclass(frozen=True, slots=True)
class _Binding:
    """Input and output of one batch size on the device, and what ties them to the session."""

    images: "ort.OrtValue"
    probabilities: "ort.OrtValue"
    both: "ort.IOBinding"


def check_providers(options: SessionOptions) -> None:
    """Refuse a provider that this ONNX Runtime was not built with, unless it may be replaced.

    Raises:
        ProviderUnavailable: says what to do.
    """
    _usable_providers(options)


def _usable_providers(options: SessionOptions) -> list[str]:
    """Return the providers to ask the runtime for, refusing one that it was not built with."""
    built = available_providers()
    missing = [name for name in options.providers if name not in built]
    if missing and not options.allow_provider_fallback:
        raise ProviderUnavailable(
            f"{', '.join(missing)} was asked for and this ONNX Runtime has only "
            f"{', '.join(built)}: install a build that has it, ask for another provider, "
            "or set allow_provider_fallback."
        )
    usable = [name for name in options.providers if name in built]
    return usable or ["CPUExecutionProvider"]


def _create(graph: bytes, providers: list[str], options: SessionOptions) -> "ort.InferenceSession":
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.intra_op_threads
    settings.inter_op_num_threads = 1
    settings.add_session_config_entry(
        "session.intra_op.allow_spinning", "1" if options.spins_us else "0"
    )
    if options.spins_us:
        settings.add_session_config_entry(
            "session.intra_op.spin_duration_us", str(options.spins_us)
        )
    settings.log_severity_level = _FATAL_ONLY
    if providers == ["CPUExecutionProvider"]:
        share_arena(settings)
    if _ON_CUDA & set(providers):
        ort.preload_dlls(directory="")  # CUDA and cuDNN from their wheels, where they are installed
    try:
        return ort.InferenceSession(
            graph,
            settings,
            providers=providers,
            provider_options=[provider_options(name, options) for name in providers],
            enable_fallback=0,
        )
    except Exception as error:  # the runtime's errors share no narrower base
        logger.error("a session could not be made: %s", error)
        if providers[0] == "CPUExecutionProvider":
            raise UnsafeGraph("ONNX Runtime cannot load the graph.") from error
        if options.allow_provider_fallback:
            return _create(graph, providers[1:] or ["CPUExecutionProvider"], options)
        raise ProviderUnavailable(
            f"{providers[0]} could not be started: check its driver and libraries, "
            "or set allow_provider_fallback."
        ) from error


def share_arena(settings: "ort.SessionOptions") -> None:
    """Let a session on the CPU take the memory of its runs from one arena of the process.

    An arena of each session's own never gives back what its largest batch took, and a memory
    pattern takes all of a run in one block, for each thread and each batch size.
    """
    global _arena_made  # noqa: PLW0603 - the runtime's environment is the process's own
    with _arena_lock:
        if not _arena_made:
            kind = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
            place = ort.OrtMemoryInfo("Cpu", kind, 0, ort.OrtMemType.DEFAULT)
            ort.create_and_register_allocator(place, ort.OrtArenaCfg(0, _AS_REQUESTED, -1, -1))
            _arena_made = True
    settings.add_session_config_entry("session.use_env_allocators", "1")
    settings.enable_mem_pattern = False


def provider_options(name: str, options: SessionOptions) -> dict[str, str]:
    """Return what a provider must be told to share the CPUs as our worker threads do.

    Left alone, OpenVINO gives one inference all CPUs and lets the others wait.
    """
    if name != "OpenVINOExecutionProvider":
        return {}
    at_once = max(1, options.lone_request_threads // options.intra_op_threads)
    return {
        "device_type": "CPU",
        "num_of_threads": str(at_once * options.intra_op_threads),
        "num_streams": str(at_once),
    }


def _contract_shape(session: "ort.InferenceSession") -> tuple[int, int, int]:
    """Return height, width and classes after checking names, types and ranks."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    found = [(node.name, node.type, len(node.shape)) for node in (*inputs, *outputs)]
    expected = [(INPUT_NAME, "tensor(uint8)", 4), (OUTPUT_NAME, "tensor(float)", 2)]
    if found != expected:
        raise ContractViolation(f"The graph has {found}, the contract is {expected}.")
    batch, channels, height, width = inputs[0].shape
    classes = outputs[0].shape[1]
    if channels != 3 or not all(isinstance(size, int) for size in (height, width, classes)):
        raise ContractViolation(
            f"The input's shape is {inputs[0].shape} and the output's {outputs[0].shape}: "
            "only the batch may be symbolic, and there are 3 channels."
        )
    if batch != BATCH_NAME or outputs[0].shape[0] != BATCH_NAME:
        raise ContractViolation(
            f"The first axis of input and output is {batch!r} and {outputs[0].shape[0]!r}, "
            f"the contract is a symbolic axis named {BATCH_NAME!r}."
        )
    return height, width, classes
