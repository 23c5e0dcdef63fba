"""granian with its own interface, RSGI: a Rust front, two worker processes, no framework.

Run with `granian --interface rsgi --workers 2 benchmarks.rivals.apps.granian_app:app`.
"""

import json
from typing import Any

from benchmarks.rivals.job import job_from_environment

job = job_from_environment()


async def app(scope: Any, protocol: Any) -> None:
    """Decode and infer on the worker's event loop."""
    if scope.path != "/classify":
        protocol.response_empty(404, [])
        return
    body = json.dumps({"predictions": job(await protocol())}).encode()
    protocol.response_bytes(200, [("content-type", "application/json")], body)
