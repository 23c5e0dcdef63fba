"""BentoML: two workers, no batching; the whole request body is the image.

Run with `bentoml serve benchmarks.rivals.apps.bentoml_app:Classify`.
"""

from typing import Annotated

import bentoml
from bentoml.validators import ContentType

from benchmarks.rivals.job import Prediction, job_from_environment


@bentoml.service(
    workers=2, threads=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}}
)
class Classify:
    """One endpoint."""

    def __init__(self) -> None:
        self.job = job_from_environment()

    @bentoml.api(route="/classify")
    def classify(
        self, photo: Annotated[bytes, ContentType("image/jpeg")], /
    ) -> dict[str, list[Prediction]]:
        """Decode and infer in a worker."""
        return {"predictions": self.job(photo)}
