"""Recipes are read, or refused with the place that is wrong."""

from pathlib import Path

import pytest

from export_tools.errors import DataError
from export_tools.recipe import parse_recipe, read_recipe, shipped_recipes

BASE = 'name = "a"\nprecision = "int8"\n[model]\narchitecture = "squeezenet1_1"\n'


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ('[quantize]\ntarget = "vax"', "quantize: .*x86-vnni, x86-avx2, arm64"),
        ("[gates]\nsmallest_agreement = 1.2", r"gates.smallest_agreement: .*less than or equal"),
        ("[gates]\nspeed = 2", "gates.speed: Extra inputs"),
        ("[distil]\nsteps = 0", "distil.steps: "),
        ("[distil]", "distil.steps: Field required"),
        ("[model", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(added: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parse_recipe(BASE + added, "mine.toml")


def test_packing_is_for_fp32_alone() -> None:
    with pytest.raises(DataError, match="pack is only for the precision fp32"):
        parse_recipe(BASE + "[pack]\nbits = 3", "mine.toml")
    parsed = parse_recipe(BASE.replace("int8", "fp32") + "[pack]\nbits = 3", "mine.toml")
    assert parsed.has_parent


def test_steps_of_int8_are_refused_elsewhere() -> None:
    with pytest.raises(DataError, match="quantize is only for the precision int8"):
        parse_recipe(BASE.replace("int8", "fp16") + "[quantize]\n", "mine.toml")


def test_a_target_gives_its_scheme_and_single_choices_change_it() -> None:
    recipe = parse_recipe(BASE + '[quantize]\ntarget = "x86-avx2"\nranges = "entropy"', "mine")
    scheme = recipe.plan().scheme
    assert (scheme.pair_safe, scheme.ranges, scheme.weights) == (True, "entropy", "int8")


def test_every_artifact_that_ships_has_its_recipe(model_repository: Path) -> None:
    recipes = shipped_recipes()
    folders = {path.name for path in model_repository.iterdir() if path.is_dir()}
    assert folders <= set(recipes)
    for name, recipe in recipes.items():
        assert recipe.gates.largest_bytes is not None
        assert read_recipe(Path(name)) == recipe


def test_an_unknown_recipe_is_told_those_that_ship() -> None:
    with pytest.raises(DataError, match="squeezenet1_1-int8"):
        read_recipe(Path("nowhere.toml"))
