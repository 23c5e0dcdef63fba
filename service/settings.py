"""All settings, once. Each is an environment variable with the prefix FEATHERBOX_ and a flag of
`featherbox serve`; the description of a field is its documentation everywhere.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# A list in the environment is written with commas.
CommaList = Annotated[list[str], NoDecode]
_ORIGIN = re.compile(r"https?://[a-z0-9.\[\]:-]+")


class Settings(BaseSettings):
    """Settings of the server."""

    model_config = SettingsConfigDict(env_prefix="FEATHERBOX_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 opens it to all.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port to listen on; 0 picks one.")
    model_repository: Path = Field(
        Path("model_repository"), description="Folder that holds the models."
    )
    default_model: str = Field(
        "squeezenet1_1-int8", description="Model that answers when a request names none."
    )
    models: CommaList = Field(
        [], description="Models to load, NAME or NAME:VERSION, with commas; empty loads all."
    )
    model_poll_s: float = Field(
        0.0,
        ge=0,
        le=86_400,
        description="Look for new and removed versions this often, s; 0 only at SIGHUP.",
    )
    quarantine_after: int = Field(
        5,
        ge=0,
        le=10_000,
        description="Failed inferences in a row that set a model aside; 0 is never.",
    )
    required_models: CommaList = Field(
        [], description="Models without which /readyz is not 200; empty means the default model."
    )
    providers: CommaList = Field(
        ["CPUExecutionProvider"],
        description="ONNX Runtime execution providers, best first, with commas.",
    )
    allow_provider_fallback: bool = Field(
        False, description="Serve on the CPU, with a warning, where a provider cannot be had."
    )
    workers: int = Field(
        1, ge=1, le=64, description="Processes that answer on the port; one mostly is best."
    )
    worker_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads of a process that decode and infer; 0 is one for each CPU.",
    )
    intra_op_threads: int = Field(
        1, ge=1, le=256, description="ONNX Runtime threads inside one inference."
    )
    lone_request_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="ONNX Runtime threads for an image that is alone; 0 is one for each CPU.",
    )
    max_batch: int = Field(
        0,
        ge=0,
        le=256,
        description="Images of one model that may share an inference; 0 is 1 on the CPU, else 8.",
    )
    max_delay_ms: float = Field(
        2.0,
        ge=0,
        le=1000,
        description="Longest wait for images that are being decoded, to share an inference, ms.",
    )
    queue_per_thread: int = Field(
        32, ge=0, le=10_000, description="Images of one model that may wait for each worker thread."
    )
    client_requests_per_s: float = Field(
        0.0, ge=0, le=1e6, description="Requests a second of one client address; 0 is no limit."
    )
    client_burst: int = Field(
        20, ge=1, le=1_000_000, description="Requests of one client at once, where it has a limit."
    )
    request_timeout_ms: int = Field(
        10_000,
        ge=1,
        le=600_000,
        description="Time for a request, ms, if X-Request-Timeout-Ms does not say less.",
    )
    header_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Time for the head of a request to arrive, s."
    )
    body_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Time for a request's body to arrive, s."
    )
    send_timeout_s: float = Field(
        10.0, gt=0, le=600, description="Time for a client that reads no answer, s."
    )
    keep_alive_timeout_s: float = Field(
        30.0, gt=0, le=3600, description="Time that a connection may be idle between requests, s."
    )
    max_header_bytes: int = Field(
        32_000, ge=1024, description="Largest head of a request: its line and headers, bytes."
    )
    max_headers: int = Field(100, ge=8, description="Most headers that a request may have.")
    max_body_bytes: int = Field(
        20_000_000, ge=1, description="Largest body of /classify, and largest single image."
    )
    max_batch_images: int = Field(
        32, ge=1, le=1024, description="Most images in one request to /classify/batch or /v2."
    )
    max_batch_bytes: int = Field(
        64_000_000, ge=1, description="Largest body of /classify/batch and /v2, bytes."
    )
    max_held_bytes: int = Field(
        128_000_000,
        ge=1,
        description="Most bytes of all bodies in memory at once; beyond them, 503.",
    )
    max_header_pixels: int = Field(
        64_000_000,
        ge=1,
        le=89_000_000,
        description="Most pixels that an image may have by its header.",
    )
    max_decoded_pixels: int = Field(
        16_000_000,
        ge=1,
        le=89_000_000,
        description="Most pixels that are decoded; a baseline JPEG is scaled down while decoding.",
    )
    reducing_gap: float = Field(
        2.0,
        ge=1,
        le=8,
        description="A JPEG is decoded no smaller than so many times what it is resized to.",
    )
    latency_window_s: float = Field(
        300.0, ge=1, le=86_400, description="Length of the window of /latency, s."
    )
    shutdown_timeout_s: int = Field(
        10, ge=0, le=600, description="Time for accepted requests to finish after SIGTERM, s."
    )
    tokens_file: Path | None = Field(
        None, description="File of bearer tokens, one a line; without it everybody may ask."
    )
    admin_token_file: Path | None = Field(
        None,
        description="File of the token for benchmark and reload; without it they are refused.",
    )
    open_metrics: bool = Field(
        False, description="Answer /metrics without a token where the others need one."
    )
    cors_origins: CommaList = Field(
        [], description="Origins whose pages may read the answers, with commas; * means all."
    )
    auto_latency_ms: float = Field(
        250.0,
        gt=0,
        le=600_000,
        description="Promise of model=auto where a request has no max_latency_ms, ms.",
    )
    cascade_confidence: float = Field(
        0.0,
        ge=0,
        le=1,
        description="With model=auto, the fastest model answers if it is so sure; 0 is never.",
    )
    min_confidence: float = Field(
        0.0, ge=0, le=1, description="Below this probability an answer is marked unsure; 0 is off."
    )
    shadow_model: str | None = Field(
        None, description="Model that looks at answered images too, to count agreement."
    )
    shadow_share: float = Field(
        0.0, ge=0, le=1, description="Share of the images that the shadow model looks at."
    )
    benchmark_when_idle: bool = Field(
        True, description="Measure each model once while no image is in work."
    )
    cache_folder: Path | None = Field(
        None, description="Folder that keeps what was measured over restarts; none keeps nothing."
    )
    watchdog_s: float = Field(
        25.0,
        ge=0,
        le=86_400,
        description="End the process if one image or probe takes this long, s; 0 is never.",
    )
    page: bool = Field(True, description="Serve the page at /, to try the service in a browser.")
    otlp_endpoint: str = Field(
        "",
        description="URL of an OpenTelemetry collector that gets a trace of each request; "
        "needs the extra otel.",
    )
    docs: bool = Field(True, description="Serve /docs and /openapi.json.")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="JSON lines or text; auto is text on a terminal, JSON elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe message that is logged."
    )

    @field_validator("models", "required_models", "providers", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [item.strip() for item in value.split(",") if item.strip()]
        return value

    @field_validator("tokens_file", "admin_token_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        if not all(origin == "*" or _ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("an origin is scheme://host or scheme://host:port, nothing more")
        return value

    @field_validator("providers")
    @classmethod
    def _one_at_least(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError("name at least one execution provider")
        return value
