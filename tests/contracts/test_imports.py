"""Who may import whom: by the text of the code, and by what a running server has loaded."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.process import ROOT, environment

HEAVY = {"torch", "onnx", "onnxscript", "models", "export_tools", "tests"}
ENGINE_NEVER = {"fastapi", "starlette", "uvicorn", "typer", "prometheus_client"}

SERVE_ONE = """
import json, sys
from pathlib import Path
from service import cli
from service.app import create_app
from service.engine.decode import DecodeLimits
from service.settings import Settings

folder, photo = Path(sys.argv[1]), Path(sys.argv[2])
settings = Settings(model_repository=folder, default_model="colours")
context = create_app(settings).state.context
context.repository.load_all()
model = context.repository.find("colours").require()
assert model.classify(photo.read_bytes(), 1, DecodeLimits()).predictions[0].label == "red"
context.pool.close()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

ENGINE_ONLY = """
import json, pkgutil, sys
import service.engine
for module in pkgutil.iter_modules(service.engine.__path__):
    __import__(f"service.engine.{module.name}")
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules that it loaded."""
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stdout.splitlines()[-1]))


def test_the_import_contracts_hold() -> None:
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    assert ", 0 broken" in ended.stdout


def test_a_server_that_answers_has_loaded_neither_torch_nor_onnx(tmp_path: Path) -> None:
    write_artifact(tmp_path / "models")
    picture = tmp_path / "red.png"
    picture.write_bytes(photo("red"))
    loaded = loaded_by(SERVE_ONE, str(tmp_path / "models"), str(picture))
    assert {"service", "onnxruntime", "fastapi", "uvicorn"} <= loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_engine_loads_no_http() -> None:
    loaded = loaded_by(ENGINE_ONLY)
    assert {"service", "onnxruntime", "PIL"} <= loaded
    assert loaded.isdisjoint(HEAVY | ENGINE_NEVER)
