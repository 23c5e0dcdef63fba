"""The rivals: how each is started and where it answers.

Tuned alike: two processes that work, one ONNX Runtime thread in each, no batching, no access log,
and no reports to their makers. The naive FastAPI is the exception by intention.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

_APPS = "benchmarks.rivals.apps"
_UVICORN = (
    "{python}", "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}",
    "--log-level", "error", "--no-access-log",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rival:
    """One server; {python}, {bin}, {port} and {work} are filled in."""

    name: str
    environment: str  # a file of requirements/
    command: tuple[str, ...]
    path: str = "/classify"
    variables: Mapping[str, str] = field(default_factory=dict)

    def command_for(self, values: Mapping[str, str]) -> list[str]:
        """Return the command with everything filled in."""
        return [part.format(**values) for part in self.command]


RIVALS = (
    Rival("naive FastAPI", "fastapi", (*_UVICORN, f"{_APPS}.naive_fastapi:app")),
    Rival("good FastAPI", "fastapi", (*_UVICORN, "--workers", "2", f"{_APPS}.good_fastapi:app")),
    Rival("LitServe", "litserve", ("{python}", "-m", f"{_APPS}.litserve_app")),
    Rival(
        "BentoML",
        "bentoml",
        (
            "{bin}/bentoml", "serve", f"{_APPS}.bentoml_app:Classify", "--host", "127.0.0.1",
            "--port", "{port}", "--do-not-track", "--quiet",
        ),
        variables={"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{work}"},
    ),
    Rival(
        "mosec",
        "mosec",
        (
            "{python}", "-m", f"{_APPS}.mosec_app", "--address", "127.0.0.1", "--port", "{port}",
            "--path", "{work}", "--timeout", "60000", "--log-level", "error",
        ),
        path="/inference",
    ),
    Rival(
        "Ray Serve",
        "ray",
        ("{python}", "-m", f"{_APPS}.ray_app"),
        variables={"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
    ),
    Rival(
        "granian RSGI",
        "granian",
        (
            "{bin}/granian", "--interface", "rsgi", "--workers", "2", "--host", "127.0.0.1",
            "--port", "{port}", "--no-ws", "--log-level", "error", f"{_APPS}.granian_app:app",
        ),
    ),
    Rival(
        "robyn",
        "robyn",
        (
            "{python}", "-m", f"{_APPS}.robyn_app", "--processes", "2", "--workers", "1",
            "--log-level", "ERROR", "--disable-openapi",
        ),
    ),
)  # fmt: skip
