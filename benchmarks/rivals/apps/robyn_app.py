"""robyn: a Rust HTTP server, two processes with one worker thread each."""

import json

from robyn import Request, Robyn

from benchmarks.rivals.job import job_from_environment, port_from_environment

app = Robyn(__file__)
job = job_from_environment()


@app.post("/classify")
def classify(request: Request) -> str:
    """Decode and infer on robyn's thread."""
    body = request.body
    return json.dumps(
        {"predictions": job(body.encode("latin-1") if isinstance(body, str) else body)}
    )


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=port_from_environment())
