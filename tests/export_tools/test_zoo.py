"""The table of nets, row by row as in the papers and in exact arithmetic on their layer tables."""

from pathlib import Path

import pytest

from export_tools.errors import DataError
from export_tools.zoo import ZooRow, exported_rows, zoo_rows
from export_tools.zoo_table import Costs, counts_table, write_costs
from models import OptionValue

Options = dict[str, OptionValue]
WIDTHS = {1.0: 4_231_976, 0.75: 2_585_560, 0.5: 1_331_592, 0.25: 470_072}
RESOLUTIONS = {
    1.0: {224: 568_740_352, 192: 418_121_728, 160: 290_675_200, 128: 186_400_768},
    0.75: {224: 325_400_448, 192: 239_273_472, 160: 166_396_800, 128: 106_770_432},
    0.5: {224: 149_497_088, 192: 109_970_432, 160: 76_524_800, 128: 49_160_192},
    0.25: {224: 41_030_272, 192: 30_212_608, 160: 21_059_200, 128: 13_570_048},
}
# groups, scale, stem where it is not the rule's -> parameters, MACs
SHUFFLENETS = {
    (1, 1.0, None): (1_531_936, 143_078_976),
    (2, 1.0, None): (1_733_848, 140_836_512),
    (3, 1.0, None): (1_865_728, 137_460_672),
    (4, 1.0, None): (1_968_344, 134_339_776),
    (8, 1.0, None): (2_434_768, 138_365_952),
    (1, 0.5, None): (534_484, 38_517_408),
    (2, 0.5, None): (643_932, 38_570_608),
    (3, 0.5, None): (718_324, 37_589_856),
    (4, 0.5, None): (778_040, 37_468_832),
    (8, 0.5, None): (1_011_448, 40_469_760),
    (1, 0.25, 6): (209_746, 11_003_184),
    (1, 0.25, None): (209_908, 13_162_320),
    (2, 0.25, None): (267_224, 13_386_292),
    (3, 0.25, 6): (305_902, 11_009_808),
    (3, 0.25, None): (306_124, 13_300_656),
    (4, 0.25, None): (339_420, 13_984_552),
    (8, 0.25, 8): (454_504, 12_426_240),
    (8, 0.25, None): (454_888, 15_719_040),
    (3, 1.5, None): (3_442_168, 292_443_552),
    (8, 1.5, None): (4_269_952, 290_188_800),
    (3, 2.0, None): (5_450_776, 524_045_184),
    (8, 2.0, None): (6_522_232, 521_942_016),
}
# With auxiliary classifiers: what training runs.
OTHERS: tuple[tuple[str, int, Options, int, int], ...] = (
    ("squeezenet1_0", 224, {}, 1_248_424, 818_924_576),
    ("squeezenet1_0", 227, {}, 1_248_424, 832_667_936),
    ("squeezenet1_1", 224, {}, 1_235_496, 349_151_936),
    ("squeezenet1_1", 227, {}, 1_235_496, 387_747_520),
    ("xception", 299, {}, 22_855_952, 8_357_403_496),
    ("googlenet", 224, {"form": "torchvision"}, 6_624_904, 1_498_376_192),
    ("googlenet", 224, {"form": "torchvision", "aux": True}, 13_004_888, 1_506_748_416),
    ("googlenet", 224, {}, 6_998_552, 1_582_671_872),
    ("googlenet", 224, {"aux": True}, 13_378_280, 1_591_044_096),
    ("googlenet", 224, {"form": "bn"}, 7_005_832, 1_582_671_872),
    ("googlenet", 224, {"form": "bn", "aux": True}, 13_385_816, 1_591_044_096),
    ("efficientnet_lite0", 224, {}, 4_652_008, 385_187_552),
    ("efficientnet_lite1", 240, {}, 5_416_680, 600_185_232),
    ("efficientnet_lite2", 260, {}, 6_092_072, 859_736_272),
    ("efficientnet_lite3", 280, {}, 8_197_096, 1_383_321_872),
    ("efficientnet_lite3", 300, {}, 8_197_096, 1_607_554_544),
    ("efficientnet_lite4", 224, {}, 13_006_568, 1_347_665_152),
    ("efficientnet_lite4", 300, {}, 13_006_568, 2_553_034_336),
    ("efficientnet_lite4", 380, {}, 13_006_568, 3_943_564_112),
)


def shufflenet_options(groups: int, scale: float, stem: int | None) -> Options:
    """Return the options that differ from the default."""
    wanted: Options = {"groups": groups, "scale": scale, "stem": stem}
    default: Options = {"groups": 3, "scale": 1.0, "stem": None}
    return {name: value for name, value in wanted.items() if value != default[name]}


def reference() -> dict[tuple[str, int], tuple[str, str]]:
    """Return the expected cells, parameters and MACs, by name and size as they are printed."""
    rows: list[tuple[str, int, Options, int, int]] = [*OTHERS]
    for width, cells in RESOLUTIONS.items():
        options: Options = {} if width == 1.0 else {"width": width}
        for size, macs in cells.items():
            rows.append(("mobilenet_v1", size, options, WIDTHS[width], macs))
    for (groups, scale, stem), counts in SHUFFLENETS.items():
        rows.append(("shufflenet_v1", 224, shufflenet_options(groups, scale, stem), *counts))
    return {
        (str(ZooRow(name, size, options)), size): (f"{parameters:,}", f"{macs:,}")
        for name, size, options, parameters, macs in rows
    }


def test_the_printed_table_is_the_references_row_by_row() -> None:
    table = counts_table()
    columns = [list(column.cells) for column in table.columns]
    printed = {
        (name, int(size)): (parameters, macs)
        for name, size, parameters, macs in zip(*columns, strict=True)
    }
    expected = reference()
    assert len(expected) == 57
    assert {key: printed.get(key) for key in expected} == expected


def test_every_row_has_its_own_name() -> None:
    rows = list(zoo_rows())
    assert len({row.model_name for row in rows}) == len(rows)
    assert all(len(f"{row.model_name}-int8") <= 64 for row in rows)


def test_what_is_exported_has_no_auxiliary_heads_and_the_papers_ablations() -> None:
    rows = list(exported_rows())
    assert not any(row.options.get("aux") for row in rows)
    assert sum(row.options.get("shuffle") is False for row in rows) == 6


COSTS = (Costs(ZooRow("squeezenet1_1", 224), 1_235_496, 349_151_936, 4000, 1000, 2.0, 1.0),)


def test_the_table_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text("before\n<!-- costs -->\nold\n<!-- /costs -->\nafter\n")
    write_costs(page, COSTS)
    lines = page.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "after"
    row = "| squeezenet1_1 | 224 | 1,235,496 | 349,151,936 | 4,000 | 1,000 | 4.00x | 2.00x |"
    assert row in lines
    assert "old" not in lines


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text("nothing\n")
    with pytest.raises(DataError, match="has no lines"):
        write_costs(page, COSTS)
    with pytest.raises(DataError, match="cannot be read"):
        write_costs(tmp_path / "none.md", COSTS)
