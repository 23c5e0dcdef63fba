"""The bodies of /models and /latency."""

from pydantic import Field

from service.api.schemas import Body, Milliseconds, Probability
from service.engine.manifest import Interpolation


class HostBody(Body):
    """The box."""

    cpu: str
    isa: list[str] = Field(description="instruction sets that matter for inference")
    cpus: float = Field(description="CPUs this process may use: affinity and cgroup quota")
    onnxruntime: str


class InputBody(Body):
    """The graph's input, px, and how a photo becomes it: resized, then its centre cut out."""

    height: int
    width: int
    resize_shorter: int = Field(description="the photo's shorter side before the crop")
    interpolation: Interpolation = Field(description="filter that resizes, as Pillow names it")


class ProviderBody(Body):
    """Execution providers."""

    requested: list[str]
    in_use: str | None


class QualityBody(Body):
    """Measured and published quality; null where nobody measured."""

    dataset: str | None
    images: int | None
    top1: Probability | None
    top5: Probability | None
    parent: str | None
    agreement: Probability | None
    agreement_images: int | None
    agreement_sure: Probability | None
    agreement_sure_images: int | None
    published_top1: Probability | None
    published_top5: Probability | None
    published_source: str | None


class PercentilesBody(Body):
    """Percentiles, ms."""

    p50: Milliseconds
    p90: Milliseconds
    p99: Milliseconds


class ModelLatencyBody(Body):
    """Latency of a model over the window; the percentiles are null before the first request."""

    count: int
    inference: PercentilesBody | None
    total: PercentilesBody | None


class BenchmarkBody(Body):
    """Inference alone on this box: `batch1_ms` from the start, the rest once it was idle."""

    batch1_ms: Milliseconds = Field(description="median of one image on one thread")
    batch1_p95_ms: Milliseconds | None = Field(None, description="its 95th percentile")
    batch1_all_threads_ms: Milliseconds | None = Field(
        None, description="median of one image that has all CPUs"
    )
    batch8_ms: Milliseconds | None = Field(None, description="median of eight images at once")
    images_per_second: float | None = Field(description="all worker threads at work")
    threads: int | None = Field(None, description="worker threads of images_per_second")


class RefusedBody(Body):
    """A version in the model repository that failed a check, so that another one serves."""

    version: str
    reason: str


class ModelBody(Body):
    """One model: facts of its manifest, and what was measured on this box."""

    name: str
    version: str
    state: str = Field(description="loading, ready or failed")
    reason: str | None = Field(description="why it failed")
    refused: list[RefusedBody] = Field(description="versions that cannot serve, and why")
    architecture: str | None
    variant: dict[str, str | int | float | bool] | None
    precision: str | None
    parameters: int | None
    macs: int | None
    file_bytes: int | None
    sha256: str | None
    classes: int | None
    input: InputBody | None
    provider: ProviderBody
    quality: QualityBody | None
    licence: str | None
    weights_source: str | None
    load_ms: Milliseconds | None
    memory_bytes: int | None
    latency_ms: ModelLatencyBody
    benchmark: BenchmarkBody | None
    warnings: list[str]


class ModelsBody(Body):
    """All models."""

    default: str
    auto: bool = Field(description="whether `model=auto` can be asked for")
    host: HostBody
    models: list[ModelBody]


class StageLatencyBody(Body):
    """Latency of one model by stage, ms; empty stages before the first request."""

    count: int
    queue: PercentilesBody | None = None
    decode: PercentilesBody | None = None
    preprocess: PercentilesBody | None = None
    inference: PercentilesBody | None = None
    postprocess: PercentilesBody | None = None
    total: PercentilesBody | None = None


class LatencyBody(Body):
    """Latency by model and stage over a sliding window."""

    window_seconds: float
    models: dict[str, StageLatencyBody]
