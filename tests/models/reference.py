"""The counts that every net must have, typed from the papers' layer tables.

MACs are those of `forward` for one image of `input_size` pixels; 1000 classes, 3 channels.
"""

from dataclasses import dataclass, field
from typing import Any

from models import OptionValue


@dataclass(frozen=True)
class Row:
    name: str
    input_size: int
    parameters: int
    macs: int
    variant: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = "-".join(f"{key}={value}" for key, value in self.variant.items())
        return f"{self.name}-{options}" if options else self.name


def shufflenet(
    scale: float, groups: int, parameters: int, macs: int, **variant: OptionValue
) -> Row:
    options = {"groups": groups, "scale": scale, **variant}
    return Row("shufflenet_v1", 224, parameters, macs, options)


def googlenet(form: str, aux: bool, parameters: int, macs: int) -> Row:
    return Row("googlenet", 224, parameters, macs, {"form": form, "aux": aux})


def lite_inception(width: float, depth: float, parameters: int, macs: int) -> Row:
    return Row("lite_inception", 224, parameters, macs, {"width": width, "depth": depth})


TABLE = (
    Row("squeezenet1_0", 224, 1_248_424, 818_924_576),
    Row("squeezenet1_1", 224, 1_235_496, 349_151_936),
    Row("mobilenet_v1", 224, 4_231_976, 568_740_352, {"width": 1.0}),
    Row("mobilenet_v1", 224, 2_585_560, 325_400_448, {"width": 0.75}),
    Row("mobilenet_v1", 224, 1_331_592, 149_497_088, {"width": 0.5}),
    Row("mobilenet_v1", 224, 470_072, 41_030_272, {"width": 0.25}),
    shufflenet(1.0, 1, 1_531_936, 143_078_976),
    shufflenet(1.0, 2, 1_733_848, 140_836_512),
    shufflenet(1.0, 3, 1_865_728, 137_460_672),
    shufflenet(1.0, 3, 1_865_728, 137_460_672, shuffle=False),
    shufflenet(1.0, 3, 1_865_728, 137_460_672, shuffle_order="megvii"),
    shufflenet(1.0, 4, 1_968_344, 134_339_776),
    shufflenet(1.0, 8, 2_434_768, 138_365_952),
    shufflenet(0.5, 1, 534_484, 38_517_408),
    shufflenet(0.5, 2, 643_932, 38_570_608),
    shufflenet(0.5, 3, 718_324, 37_589_856),
    shufflenet(0.5, 4, 778_040, 37_468_832),
    shufflenet(0.5, 8, 1_011_448, 40_469_760),
    shufflenet(0.25, 1, 209_908, 13_162_320),
    shufflenet(0.25, 1, 209_746, 11_003_184, stem=6),
    shufflenet(0.25, 2, 267_224, 13_386_292),
    shufflenet(0.25, 3, 306_124, 13_300_656),
    shufflenet(0.25, 3, 305_902, 11_009_808, stem=6),
    shufflenet(0.25, 4, 339_420, 13_984_552),
    shufflenet(0.25, 8, 454_888, 15_719_040),
    shufflenet(0.25, 8, 454_504, 12_426_240, stem=8),
    shufflenet(1.5, 3, 3_442_168, 292_443_552),
    shufflenet(1.5, 8, 4_269_952, 290_188_800),
    shufflenet(2.0, 3, 5_450_776, 524_045_184),
    shufflenet(2.0, 8, 6_522_232, 521_942_016),
    Row("xception", 299, 22_855_952, 8_357_403_496),
    googlenet("paper", False, 6_998_552, 1_582_671_872),
    googlenet("paper", True, 13_378_280, 1_582_671_872),
    googlenet("bn", False, 7_005_832, 1_582_671_872),
    googlenet("bn", True, 13_385_816, 1_582_671_872),
    googlenet("torchvision", False, 6_624_904, 1_498_376_192),
    googlenet("torchvision", True, 13_004_888, 1_498_376_192),
    lite_inception(1.0, 1.0, 3_452_656, 408_283_776),
    lite_inception(0.75, 1.0, 2_171_432, 239_614_384),
    lite_inception(0.5, 1.0, 1_134_384, 108_478_992),
    lite_inception(0.25, 1.0, 423_200, 31_096_992),
    lite_inception(1.0, 0.5, 2_100_288, 230_401_232),
    Row("lightweight_cnn", 224, 33_158, 6_203_648),
    Row("efficientnet_lite0", 224, 4_652_008, 385_187_552),
    Row("efficientnet_lite1", 240, 5_416_680, 600_185_232),
    Row("efficientnet_lite2", 260, 6_092_072, 859_736_272),
    Row("efficientnet_lite3", 280, 8_197_096, 1_383_321_872),
    Row("efficientnet_lite4", 300, 13_006_568, 2_553_034_336),
)

# One small variant of each architecture (and of each form), for tests that run the net.
SMALL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("squeezenet1_0", {}),
    ("squeezenet1_1", {}),
    ("mobilenet_v1", {"width": 0.25}),
    ("mobilenet_v1", {"width": 0.25, "padding": "same"}),
    ("shufflenet_v1", {"scale": 0.25}),
    ("shufflenet_v1", {"scale": 0.25, "shuffle_order": "megvii"}),
    ("xception", {}),
    ("googlenet", {"form": "paper"}),
    ("googlenet", {"form": "torchvision"}),
    ("lite_inception", {"width": 0.25}),
    ("lightweight_cnn", {}),
    ("efficientnet_lite0", {}),
    ("efficientnet_lite0", {"padding": "same"}),
)
