"""FastAPI as it should be written: the work in a `def` handler, two uvicorn workers.

Run with `python -m uvicorn --workers 2 benchmarks.rivals.apps.good_fastapi:app`.
"""

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from benchmarks.rivals.job import Prediction, job_from_environment

app = FastAPI()
job = job_from_environment()


async def raw_body(request: Request) -> bytes:
    """Read the body on the event loop."""
    return await request.body()


@app.post("/classify")
def classify(photo: Annotated[bytes, Depends(raw_body)]) -> dict[str, list[Prediction]]:
    """Decode and infer on a thread of the pool."""
    return {"predictions": job(photo)}
