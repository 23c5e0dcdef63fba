"""A recipe: one TOML file that names net, weights, images, steps, target and gates.

    name = "squeezenet1_1-int8"     of the artifact
    precision = "int8"              fp32 (no steps), int8, fp16, fp16-weights

    [model]                         what `featherbox-export export` takes
    [calibration]                   views of the free photos that ranges are taken from
    [quantize]                      target, or a scheme of one's own; equalisation, float layers
    [distil]                        a fine-tune against the fp32 parent; left out for none
    [pack]                          how weights are packed into model.fbz; fp32 only
    [gates]                         what must hold before anything is published

Unknown keys and values out of range are refused with the place where they stand.
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from export_tools.compress import Plan
from export_tools.distil_int8 import Lesson
from export_tools.errors import DataError
from export_tools.int8 import CALIBRATION_VIEWS
from export_tools.pack.mixtures import MIXTURE_SEED, MIXTURES
from export_tools.pack.plan import Levels, PackPlan, Steps
from export_tools.request import Typed
from export_tools.schemes import DEFAULT_TARGET, TARGETS, Ranges, Scheme, Whole, scheme_of
from export_tools.views import ViewPolicy
from service.engine.manifest import ModelName

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModelPart(_Part):
    """The net and its weights."""

    architecture: str
    source: str | None = None
    weights: str | None = None
    random_weights: bool = False
    seed: int = 0
    variant: dict[str, str | int | float | bool] = {}
    input_size: int | None = Field(default=None, ge=1)
    classes: int | None = Field(default=None, ge=1)
    labels: str | None = None
    selftest: str | None = None

    def typed(self, folder: Path) -> Typed:
        """Return it as `export` takes it; files are relative to the recipe's folder."""
        known = self.weights is None or ":" in self.weights
        return Typed(
            net=self.architecture,
            source=self.source,
            weights=self.weights if known else str(folder / str(self.weights)),
            random_weights=self.random_weights,
            seed=self.seed,
            variant=tuple(f"{name}={value}" for name, value in self.variant.items()),
            input_size=self.input_size,
            classes=self.classes,
            labels=folder / self.labels if self.labels else None,
            selftest=folder / self.selftest if self.selftest else None,
        )


class ViewsPart(_Part):
    """Seeded crops of the free photos."""

    per_photo: int = Field(default=CALIBRATION_VIEWS.per_photo, ge=1, le=1000)
    seed: int = Field(default=CALIBRATION_VIEWS.seed, ge=0)
    least_area: float = Field(default=CALIBRATION_VIEWS.least_area, gt=0, le=1)
    jitter: float = Field(default=CALIBRATION_VIEWS.jitter, ge=0, lt=1)

    def policy(self) -> ViewPolicy:
        """Return how the views are drawn."""
        return ViewPolicy(self.per_photo, self.seed, self.least_area, jitter=self.jitter)


class QuantizePart(_Part):
    """A target's scheme, with what is to differ from it."""

    target: str = DEFAULT_TARGET
    activations: Whole | None = None
    weights: Whole | None = None
    ranges: Ranges | None = None
    percentile: float | None = Field(default=None, gt=50, le=100)
    reduce_range: bool | None = None
    pair_safe: bool | None = None
    equalise: Share = 0.0
    compensate: bool = True
    float_first: int = Field(default=0, ge=0)
    keep_float: tuple[str, ...] = Field(default=(), strict=False)
    float_budget: Share = 0.0

    @model_validator(mode="after")
    def _known_target(self) -> "QuantizePart":
        if self.target not in TARGETS:
            raise ValueError(f"target must be one of {', '.join(TARGETS)}")
        return self

    def scheme(self) -> Scheme:
        """Return the scheme."""
        base = scheme_of(self.target)
        chosen = self.model_dump(include=set(Scheme.__dataclass_fields__), exclude_none=True)
        facts = {name: getattr(base, name) for name in Scheme.__dataclass_fields__}
        return Scheme(**{**facts, **chosen})


class DistilPart(_Part):
    """How long and how fast the int8 model learns from its parent; see `distil_int8`."""

    steps: int = Field(ge=1, le=10_000)
    batch: int = Field(default=8, ge=1, le=256)
    weight_rate: float = Field(default=0.002, gt=0)
    scale_rate: float = Field(default=0.0003, gt=0)
    reach: float = Field(default=1.0, gt=0)
    mixed: Share = 0.5
    temperature: float = Field(default=1.0, gt=0)
    seed: int = Field(default=17, ge=0)
    views: ViewsPart = ViewsPart()

    def lesson(self) -> Lesson:
        """Return the lesson."""
        return Lesson(**self.model_dump(exclude={"views"}))


class PackPart(_Part):
    """What weights are rounded to; see `pack.plan`. The images: mixtures of views, and dreams."""

    bits: float = Field(gt=0, le=16)
    levels: Levels = "trellis"
    steps: Steps = "harm"
    compensate: bool = True
    prune: Share = 0.0
    damping: float = Field(default=0.01, gt=0, le=1)
    row_damping: float | None = Field(default=1.0, gt=0)
    bit_price: float = Field(default=0.15, ge=0)
    images: int = Field(default=MIXTURES, ge=1, le=10_000)
    dreams: int = Field(default=0, ge=0, le=10_000)
    seed: int = Field(default=MIXTURE_SEED, ge=0)

    def plan(self) -> PackPlan:
        """Return the plan."""
        return PackPlan(**self.model_dump(exclude={"images", "dreams", "seed"}))


class GatesPart(_Part):
    """What must hold; a gate that is left out is not asked for.

    Shares are of the gate's views, the drop of its labelled photos; bytes are of the graph.
    """

    largest_accuracy_drop: Share | None = None
    smallest_agreement: Share | None = None
    smallest_agreement_sure: Share | None = None
    smallest_agreement_without_vnni: Share | None = None
    largest_bytes: int | None = Field(default=None, ge=1)
    smallest_speedup: float | None = Field(default=None, gt=0)


class Recipe(_Part):
    """The whole file."""

    name: ModelName
    precision: Literal["fp32", "int8", "fp16", "fp16-weights"]
    model: ModelPart
    calibration: ViewsPart = ViewsPart()
    quantize: QuantizePart = QuantizePart()
    distil: DistilPart | None = None
    pack: PackPart | None = None
    gates: GatesPart = GatesPart()

    @model_validator(mode="after")
    def _steps_fit(self) -> "Recipe":
        given = self.model_fields_set & {"calibration", "quantize", "distil"}
        if self.precision != "int8" and given:
            raise ValueError(f"{', '.join(sorted(given))} is only for the precision int8")
        if self.precision != "fp32" and self.pack is not None:
            raise ValueError("pack is only for the precision fp32")
        return self

    @property
    def has_parent(self) -> bool:
        """Whether it is made from an fp32 model, not the fp32 model itself."""
        return self.precision != "fp32" or self.pack is not None

    def plan(self) -> Plan:
        """Return how the graph is made int8, the fine-tune left out: it is a step of its own."""
        part = self.quantize
        return Plan(
            part.scheme(),
            part.keep_float,
            equalise=part.equalise,
            compensate=part.compensate,
            float_first=part.float_first,
            float_budget=part.float_budget,
        )


def parse_recipe(text: str, called: str) -> Recipe:
    """Read a recipe's text.

    Raises:
        DataError: no TOML, or not what a recipe may say; every place is named.
    """
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{called} is not TOML: {error}.") from error
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()
        )
        raise DataError(f"{called} is no recipe: {faults}.") from error


def read_recipe(path: Path) -> Recipe:
    """Read a recipe's file, or one that comes with the exporter by its name.

    Raises:
        DataError: there is no such file, or `parse_recipe` refuses it.
    """
    if path.is_file():
        return parse_recipe(path.read_text("utf-8"), path.name)
    packaged = shipped_recipes()
    if str(path) in packaged:
        return packaged[str(path)]
    raise DataError(f"There is no recipe {path}: give a file, or one of {', '.join(packaged)}.")


def shipped_recipes() -> dict[str, Recipe]:
    """Return the recipes of what ships by name, parents before their children."""
    folder = resources.files("export_tools").joinpath("recipes")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    found = [parse_recipe(f.read_text("utf-8"), f.name) for f in files]
    found.sort(key=lambda recipe: (recipe.model.architecture, recipe.has_parent))
    return {recipe.name: recipe for recipe in found}
