"""FastAPI as it is often written: everything inside `async def`, one process.

Run with `python -m uvicorn benchmarks.rivals.apps.naive_fastapi:app`.
"""

from fastapi import FastAPI, Request

from benchmarks.rivals.job import Prediction, job_from_environment

app = FastAPI()
job = job_from_environment()


@app.post("/classify")
async def classify(request: Request) -> dict[str, list[Prediction]]:
    """Decode and infer on the event loop."""
    return {"predictions": job(await request.body())}
