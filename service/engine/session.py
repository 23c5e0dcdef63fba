"""ONNX Runtime behind one small class; no other file imports it.

Telemetry is switched off before the import: since 1.29 the library reports model names to its
maker unless this variable is set by then.
"""

import logging
import os
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
    """How a session is made."""

    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    allow_provider_fallback: bool = False
    intra_op_threads: int = 1
    lone_request_threads: int = 1
    spins_us: int = 0  # how long a thread of an inference looks for work before it sleeps
    max_batch: int = 1  # images of one run, see `service.engine.batcher`
    max_delay_ms: float = 0.0


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

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify uint8 [batch, 3, height, width] into float32 [batch, classes].

        Raises:
            ModelFailed: the runtime could not run the graph.
        """
        try:
            (probabilities,) = self._session.run((OUTPUT_NAME,), {INPUT_NAME: images})
        except Exception as error:  # the runtime's errors share no narrower base
            logger.error("inference failed: %s", error)
            raise ModelFailed("The model failed while it was run.") from error
        result: NDArray[np.float32] = probabilities
        return result


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
    if _ON_CUDA & set(providers):
        ort.preload_dlls(directory="")  # CUDA and cuDNN from their wheels, where they are installed
    try:
        return ort.InferenceSession(graph, settings, providers=providers, enable_fallback=0)
    except Exception as error:  # the runtime's errors share no narrower base
        logger.error("a session could not be made: %s", error)
        if providers[0] == "CPUExecutionProvider":
            raise UnsafeGraph("ONNX Runtime cannot load the graph.") from error
        if options.allow_provider_fallback:
            return _create(graph, ["CPUExecutionProvider"], options)
        raise ProviderUnavailable(
            f"{providers[0]} could not be started: check its driver and libraries, "
            "or set allow_provider_fallback."
        ) from error


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
