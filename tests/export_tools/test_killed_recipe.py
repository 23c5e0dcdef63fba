"""A recipe whose process is killed while it writes a step goes on behind the step before."""

import subprocess
import sys
from pathlib import Path

from export_tools.int8 import QUICK
from export_tools.recipe import parse_recipe
from export_tools.run_recipe import run_recipe

RECIPE = """
name = "killed-int8"
precision = "int8"
[model]
architecture = "lightweight_cnn"
random_weights = true
input_size = 32
[calibration]
per_photo = 1
[quantize]
equalise = 0.5
"""

# Stops for good where the step "quantize" is complete but not yet in its place.
CHILD = """
import signal, sys
from pathlib import Path
from export_tools import step_cache
from export_tools.int8 import QUICK
from export_tools.recipe import parse_recipe
from export_tools.run_recipe import run_recipe

put = step_cache.os.replace

def stop(source, target):
    if "quantize" in Path(target).name:
        print("stopped", flush=True)
        signal.pause()
    put(source, target)

step_cache.os.replace = stop
say = lambda step: print(step, flush=True)
recipe = parse_recipe(sys.argv[1], "killed.toml")
run_recipe(recipe, say, cache=Path(sys.argv[2]), effort=QUICK)
"""


def test_a_run_that_was_killed_is_resumed(tmp_path: Path) -> None:
    said: list[str] = []
    command = [sys.executable, "-c", CHILD, RECIPE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            said.append(line.strip())
            if said[-1] == "stopped":
                child.kill()
    assert said[-1] == "stopped"
    assert "equalise: done" in said
    (left,) = (path for path in tmp_path.iterdir() if path.name.startswith(".quantize-"))
    assert list(left.iterdir())

    again: list[str] = []
    recipe = parse_recipe(RECIPE, "killed.toml")
    made = run_recipe(recipe, again.append, cache=tmp_path, effort=QUICK)
    assert "export: found finished" in again
    assert "equalise: found finished" in again
    assert "quantize: done" in again
    assert [s.step for s in made.draft.manifest.compression][-1] == "static int8"
