"""A recipe's way from fp32 to int8: each step is kept by `step_cache` under all that led to it."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export_tools.compress import Settings, compress_graph, equalise_graph
from export_tools.distil_int8 import teach
from export_tools.draft import Draft
from export_tools.fp32 import Say
from export_tools.photos import CALIBRATION_PHOTOS, calibration_photos
from export_tools.recipe import DistilPart, Recipe, ViewsPart
from export_tools.step_cache import Files, StepCache
from export_tools.views import draw_views, views_to_planes
from service.engine.manifest import MODEL_FILE, CompressionStep

_STEPS = "steps.json"


class Int8Steps:
    """Makes or finds the steps of one recipe; `stages` has the graph after each, by its name."""

    def __init__(self, recipe: Recipe, parent: Draft, cache: StepCache, say: Say) -> None:
        """Take what to make, its fp32 parent, where finished steps are kept, and whom to tell."""
        self._recipe, self._parent, self._cache, self._say = recipe, parent, cache, say
        self._depends: list[Any] = [parent.manifest.files[MODEL_FILE].sha256]
        self._float = parent.graph
        self.stages: dict[str, bytes] = {}
        self.taken: list[CompressionStep] = []

    def run(self) -> bytes:
        """Return the int8 graph.

        Raises:
            ArtifactError: a step failed.
        """
        recipe = self._recipe
        self._depends.append(recipe.calibration.model_dump())
        strength = recipe.quantize.equalise
        if strength:
            self._float = self._take("equalise", strength, partial(self._equalise, strength))
        graph = self._take("quantize", recipe.quantize.model_dump(mode="json"), self._quantise)
        if recipe.distil is not None:
            learn = partial(self._learn, graph, recipe.distil)
            graph = self._take("distil", recipe.distil.model_dump(), learn)
        return graph

    def _take(self, step: str, depends: Any, make: Callable[[], Files]) -> bytes:
        self._say(step)
        self._depends.append(depends)
        files, found = self._cache.files(step, self._depends, make)
        self._say(f"{step}: {'found finished' if found else 'done'}")
        self.stages[step] = files[MODEL_FILE]
        self.taken = [CompressionStep.model_validate(item) for item in json.loads(files[_STEPS])]
        return files[MODEL_FILE]

    def _equalise(self, strength: float) -> Files:
        planes = self._planes(self._recipe.calibration)
        return self._files(*equalise_graph(self._float, planes, strength))

    def _quantise(self) -> Files:
        part = self._recipe.calibration
        planes = self._planes(part)
        facts: Settings = {
            "calibration_views": len(planes),
            "calibration_photos": ", ".join(photo.file for photo in CALIBRATION_PHOTOS),
            "calibration_seed": part.seed,
        }
        plan = replace(self._recipe.plan(), equalise=0.0)  # that is a step of its own here
        graph, steps = compress_graph(self._float, planes, plan, facts)
        return self._files(graph, *steps)

    def _learn(self, graph: bytes, distil: DistilPart) -> Files:
        planes = self._planes(distil.views)
        return self._files(*teach(graph, self._float, planes, distil.lesson()))

    def _planes(self, part: ViewsPart) -> list[NDArray[np.uint8]]:
        views = draw_views(calibration_photos(), part.policy())
        return list(views_to_planes(views, self._parent.manifest.input))

    def _files(self, graph: bytes, *further: CompressionStep) -> Files:
        steps = [step.model_dump(mode="json") for step in (*self.taken, *further)]
        return {MODEL_FILE: graph, _STEPS: json.dumps(steps).encode()}
