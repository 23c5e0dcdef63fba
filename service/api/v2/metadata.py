"""What is served and whether it can run: server and models, health, configuration, index."""

from importlib.metadata import version as version_of

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from service.api.context import ContextDep
from service.api.health import readiness, required_models
from service.api.v2.documents import TAG, errors
from service.api.v2.paths import ServedDep, for_model
from service.api.v2.schemas import (
    INDEX_OUTPUT,
    LABEL_OUTPUT,
    ConfigAnswer,
    ConfigInput,
    ConfigOutput,
    ModelAnswer,
    ModelReadyAnswer,
    ServerAnswer,
    ServerLiveAnswer,
    ServerReadyAnswer,
    TensorAnswer,
)
from service.engine.manifest import LABELS_FILE
from service.engine.repository import ModelState
from service.engine.session import INPUT_NAME, OUTPUT_NAME

EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "statistics",
]
_PLATFORM = "onnx_onnxv1"
router = APIRouter(tags=[TAG])
health_router = APIRouter(tags=[TAG])


@router.get("/v2", summary="Describe the server")
async def server_metadata() -> ServerAnswer:
    """Name, version and the protocol's extensions that are understood."""
    return ServerAnswer(name="featherbox", version=version_of("featherbox"), extensions=EXTENSIONS)


@health_router.get("/v2/health/live", summary="Is the server alive?")
async def server_live() -> ServerLiveAnswer:
    """Answer 200 whenever the event loop turns."""
    return ServerLiveAnswer(live=True)


@health_router.get(
    "/v2/health/ready",
    summary="Is the server ready?",
    responses={503: {"model": ServerReadyAnswer, "description": "not yet"}},
    response_model=ServerReadyAnswer,
)
async def server_ready(context: ContextDep) -> Response:
    """Run every required model once, as /readyz does."""
    states = await readiness(context, required_models(context))
    ready = all(state == ModelState.READY for state in states.values())
    return JSONResponse(ServerReadyAnswer(ready=ready).model_dump(), 200 if ready else 503)


@for_model(
    router, "GET", "", operation_id="model", summary="Describe a model",
    response_model=ModelAnswer, responses=errors(404, 503),
)  # fmt: skip
async def model_metadata(model: ServedDep) -> ModelAnswer:
    """Inputs and outputs; encoded images (BYTES) are taken in place of the tensor."""
    manifest = model.require().manifest
    size = manifest.input
    return ModelAnswer(
        name=model.name,
        versions=[str(model.version)],
        platform=_PLATFORM,
        inputs=[
            TensorAnswer(name=INPUT_NAME, datatype="UINT8", shape=[-1, 3, size.height, size.width])
        ],
        outputs=[
            TensorAnswer(name=OUTPUT_NAME, datatype="FP32", shape=[-1, manifest.classes]),
            TensorAnswer(name=LABEL_OUTPUT, datatype="BYTES", shape=[-1]),
            TensorAnswer(name=INDEX_OUTPUT, datatype="INT64", shape=[-1]),
        ],
    )


@for_model(
    router, "GET", "/ready", operation_id="model_ready", summary="Is a model ready?",
    response_model=ModelReadyAnswer,
    responses={503: {"model": ModelReadyAnswer, "description": "not yet"}} | errors(404),
)  # fmt: skip
async def model_ready(context: ContextDep, model: ServedDep) -> Response:
    """Run the model once; 503 while it is loading, has failed or is stuck."""
    states = await readiness(context, [model.name])
    ready = states[model.name] == ModelState.READY
    body = ModelReadyAnswer(name=model.name, ready=ready)
    return JSONResponse(body.model_dump(), 200 if ready else 503)


@for_model(
    router, "GET", "/config", operation_id="model_config", summary="Configuration of a model",
    response_model=ConfigAnswer, responses=errors(404, 503),
)  # fmt: skip
async def model_config(context: ContextDep, model: ServedDep) -> ConfigAnswer:
    """What of Triton's ModelConfig has a meaning here."""
    manifest = model.require().manifest
    size = manifest.input
    return ConfigAnswer(
        name=model.name,
        platform="onnxruntime_onnx",
        backend="onnxruntime",
        max_batch_size=context.settings.max_batch_images,
        input=[
            ConfigInput(name=INPUT_NAME, data_type="TYPE_UINT8", dims=[3, size.height, size.width])
        ],
        output=[
            ConfigOutput(
                name=OUTPUT_NAME,
                data_type="TYPE_FP32",
                dims=[manifest.classes],
                label_filename=f"{model.version}/{LABELS_FILE}",
            )
        ],
    )
