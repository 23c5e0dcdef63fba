"""GET stats: counts and sums since the start, as the statistics extension has them.

They are those of /metrics, where each image counts by itself and runs by itself.
"""

from fastapi import APIRouter

from service.api.context import Context, ContextDep
from service.api.v2.documents import TAG, errors
from service.api.v2.paths import ServedDep, for_model
from service.api.v2.schemas import (
    DurationAnswer,
    InferenceStats,
    MemoryAnswer,
    ModelStats,
    StatsAnswer,
)
from service.engine.repository import ServedModel

router = APIRouter(tags=[TAG])


@router.get("/v2/models/stats", summary="Statistics of all models", operation_id="v2_stats")
async def all_statistics(context: ContextDep) -> StatsAnswer:
    """Counts and durations of every model since the start."""
    context.ledger.settle()
    return StatsAnswer(model_stats=[_stats(context, model) for model in context.repository.models])


@for_model(
    router, "GET", "/stats", operation_id="model_stats", summary="Statistics of a model",
    response_model=StatsAnswer, responses=errors(404),
)  # fmt: skip
async def model_statistics(context: ContextDep, model: ServedDep) -> StatsAnswer:
    """Counts and durations of one model since the start."""
    context.ledger.settle()
    return StatsAnswer(model_stats=[_stats(context, model)])


def _stats(context: Context, model: ServedModel) -> ModelStats:
    totals = context.metrics.stage_totals(model.name)
    images = totals["total"][0]
    use = context.ledger.use_of(model.name)

    def spent(*stages: str) -> DurationAnswer:
        seconds = sum(totals[stage][1] for stage in stages)
        return DurationAnswer(count=images, ns=round(seconds * 1e9))

    return ModelStats(
        name=model.name,
        version=str(model.version),
        last_inference=int(use.last_answer * 1e3),
        inference_count=images,
        execution_count=images,
        inference_stats=InferenceStats(
            success=spent("total"),
            fail=DurationAnswer(count=use.failures, ns=round(use.failed_ms * 1e6)),
            queue=spent("queue"),
            compute_input=spent("decode", "preprocess"),
            compute_infer=spent("inference"),
            compute_output=spent("postprocess"),
        ),
        memory_usage=[MemoryAnswer(type="CPU", id=0, byte_size=model.memory_bytes or 0)],
    )
