"""LitServe: two workers, no batching."""

from typing import Annotated

import litserve
from fastapi import Depends, Request

from benchmarks.rivals.job import Job, Prediction, job_from_environment, port_from_environment


async def raw_body(request: Request) -> bytes:
    """Read the body; LitServe itself knows only JSON and forms."""
    return await request.body()


class Classify(litserve.LitAPI):
    """The three steps that LitServe asks for."""

    def setup(self, device: str) -> None:
        """Load the model, once a worker."""
        del device
        self.job: Job = job_from_environment()

    def decode_request(self, request: Annotated[bytes, Depends(raw_body)]) -> bytes:
        """Hand the bytes to the worker as they are."""
        return request

    def predict(self, photo: bytes) -> list[Prediction]:
        """Decode and infer in a worker."""
        return self.job(photo)

    def encode_response(self, output: list[Prediction]) -> dict[str, list[Prediction]]:
        """Name the labels' list."""
        return {"predictions": output}


if __name__ == "__main__":
    api = Classify(max_batch_size=1, api_path="/classify")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2, timeout=60)
    server.run(
        host="127.0.0.1",
        port=port_from_environment(),
        num_api_servers=1,
        generate_client_file=False,
        log_level="error",
    )
