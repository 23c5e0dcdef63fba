"""Ray Serve: one proxy and two replicas on two CPUs, no batching."""

import os
import signal

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.rivals.job import Prediction, job_from_environment, port_from_environment

_OBJECT_STORE_BYTES = 100_000_000


class Classify:
    """One replica."""

    def __init__(self) -> None:
        self.job = job_from_environment()

    async def __call__(self, request: Request) -> dict[str, list[Prediction]]:
        """Decode and infer; each replica is a process of its own."""
        return {"predictions": self.job(await request.body())}


def main() -> None:
    """Serve until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level="error",
        _temp_dir=os.environ["JOB_FOLDER"],
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port_from_environment()})
    deploy = serve.deployment(
        num_replicas=2, max_ongoing_requests=8, ray_actor_options={"num_cpus": 0.5}
    )
    serve.run(deploy(Classify).bind(), route_prefix="/classify")
    signal.sigwait({signal.SIGTERM})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
