"""GET /models, GET /models/{name} and GET /latency: what is served, and how fast it is here."""

import asyncio
import multiprocessing
import os
import signal

from fastapi import APIRouter

from service.api.access import AdminDep
from service.api.board import Notice
from service.api.context import Context, ContextDep
from service.api.model_schemas import (
    BenchmarkBody,
    HostBody,
    InputBody,
    LatencyBody,
    ModelBody,
    ModelLatencyBody,
    ModelsBody,
    PercentilesBody,
    ProviderBody,
    QualityBody,
    RefusedBody,
    StageLatencyBody,
)
from service.api.openapi import problems
from service.api.peers import windows_of, worst_state
from service.engine.manifest import Manifest, Quality
from service.engine.repository import ServedModel

router = APIRouter(tags=["models"])


@router.get("/models", summary="List the models")
async def list_models(context: ContextDep) -> ModelsBody:
    """Every model with its size, quality, and latency measured on this box."""
    host = context.host
    others = context.peers.refresh()
    return ModelsBody(
        default=context.settings.default_model,
        auto=True,
        host=HostBody(
            cpu=host.cpu, isa=list(host.isa), cpus=host.cpus, onnxruntime=host.onnxruntime
        ),
        models=[_model_body(context, model, others) for model in context.repository.models],
    )


@router.post("/models/reload", responses=problems(401, 403), summary="Look for new models")
async def reload_models(context: ContextDep, _: AdminDep) -> ModelsBody:
    """Take over new, changed and removed versions, as SIGHUP does; answer once that is done.

    Whatever is bad is refused and listed with its reason; what served before serves on.
    """
    supervisor = multiprocessing.parent_process()
    if supervisor is not None and supervisor.pid is not None:
        os.kill(supervisor.pid, signal.SIGHUP)  # which it passes on to every worker
    await asyncio.wrap_future(context.keeper.reload())
    return await list_models(context)


@router.post(
    "/models/{name}/benchmark",
    responses=problems(401, 403, 404, 409, 422, 503),
    summary="Measure one model now",
)
async def benchmark_model(context: ContextDep, name: str, _: AdminDep) -> BenchmarkBody:
    """Measure the model for a few seconds, beside whatever requests come; one at a time."""
    model = context.repository.find(name)
    figures = await asyncio.to_thread(context.benchmarks.measure_now, model)
    return BenchmarkBody.model_validate(figures.to_dict())


@router.get("/models/{name}", responses=problems(404, 422), summary="Show one model")
async def show_model(context: ContextDep, name: str) -> ModelBody:
    """Show one model, by `name` or `name:version`."""
    return _model_body(context, context.repository.find(name), context.peers.refresh())


@router.get("/latency", summary="Latency percentiles")
async def latency(context: ContextDep) -> LatencyBody:
    """Percentiles by model and stage over a sliding window."""
    others = context.peers.refresh()
    summaries = {
        model.name: model.window.summary(windows_of(others, model.name))
        for model in context.repository.models
    }
    return LatencyBody(
        window_seconds=context.settings.latency_window_s,
        models={
            name: StageLatencyBody.model_validate({"count": count, **stages})
            for name, (count, stages) in summaries.items()
        },
    )


def _model_body(context: Context, model: ServedModel, others: list[Notice]) -> ModelBody:
    manifest = model.loaded.manifest if model.loaded else None
    in_use = model.loaded.session.providers[0] if model.loaded else None
    return ModelBody(
        name=model.name,
        version=str(model.version),
        state=worst_state(model.state, others, model.name).value,
        reason=model.reason,
        refused=[RefusedBody(version=str(r.version), reason=r.reason) for r in model.refused],
        architecture=manifest and manifest.architecture,
        variant=manifest and manifest.variant,
        precision=manifest and manifest.precision,
        parameters=manifest and manifest.parameters,
        macs=manifest and manifest.macs,
        file_bytes=manifest and manifest.file_bytes,
        sha256=manifest and manifest.files[manifest.graph_file].sha256,
        classes=manifest and manifest.classes,
        input=manifest and _input_body(manifest),
        provider=ProviderBody(requested=context.settings.providers, in_use=in_use),
        quality=manifest and _quality_body(manifest.quality),
        licence=manifest and manifest.provenance.licence,
        weights_source=manifest and manifest.provenance.weights_source,
        load_ms=_rounded(model.load_ms),
        memory_bytes=model.memory_bytes,
        latency_ms=_latency_body(model, others),
        benchmark=_benchmark_body(context, model),
        warnings=[*model.warnings, *filter(None, [context.benchmarks.slower_than_parent(model)])],
    )


def _input_body(manifest: Manifest) -> InputBody:
    return InputBody(**manifest.input.model_dump())


def _quality_body(quality: Quality) -> QualityBody:
    published = quality.published
    return QualityBody(
        **quality.model_dump(exclude={"published"}),
        published_top1=published and published.top1,
        published_top5=published and published.top5,
        published_source=published and published.source,
    )


def _latency_body(model: ServedModel, others: list[Notice]) -> ModelLatencyBody:
    count, stages = model.window.summary(windows_of(others, model.name))
    if not count:
        return ModelLatencyBody(count=0, inference=None, total=None)
    return ModelLatencyBody(
        count=count,
        inference=PercentilesBody.model_validate(stages["inference"]),
        total=PercentilesBody.model_validate(stages["total"]),
    )


def _benchmark_body(context: Context, model: ServedModel) -> BenchmarkBody | None:
    figures = context.benchmarks.of(model)
    if figures is not None:
        return BenchmarkBody.model_validate(figures.to_dict())
    if model.warmup_ms is None:
        return None
    return BenchmarkBody(batch1_ms=round(model.warmup_ms, 3), images_per_second=None)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
