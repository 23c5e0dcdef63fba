"""mosec: a Rust front and two worker processes, no batching."""

from mosec import Server, Worker

from benchmarks.rivals.job import Prediction, job_from_environment


class Classify(Worker):
    """One stage that does everything."""

    def __init__(self) -> None:
        super().__init__()
        self.job = job_from_environment()

    def deserialize(self, data: bytes) -> bytes:
        """Leave the body as it is: the photo."""
        return data

    def forward(self, data: bytes) -> dict[str, list[Prediction]]:
        """Decode and infer."""
        return {"predictions": self.job(data)}


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classify, num=2)
    server.run()
