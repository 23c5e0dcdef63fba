"""Which integers an int8 model is made of, and which host wants which.

    x86-vnni   uint8 activations, int8 weights: the dot-product instructions take them as they are
    x86-avx2   the same, with weights that cannot saturate the 16-bit sums of a host without VNNI
               (`pair_safe`); a file for x86-vnni answers otherwise there, see `saturation`
    arm64      int8 for both

The other choices are there to be compared: see docs/compression.md for what each costs.
"""

from dataclasses import dataclass
from typing import Any, Literal

from onnxruntime.quantization import CalibrationMethod, QuantType

from export_tools.errors import ExportError

Whole = Literal["uint8", "int8"]
Ranges = Literal["minmax", "entropy", "percentile"]
_TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
_WRITTEN = {"minmax": "min and max"}


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a graph is quantised.

    `reduce_range` gives weights 7 bits; `pair_safe` all 8, scaled by channel so that two
    neighbouring products fit into 16 bits. `percentile` is a share of values in percent.
    """

    activations: Whole = "uint8"
    weights: Whole = "int8"
    ranges: Ranges = "minmax"
    percentile: float = 99.99
    reduce_range: bool = False
    pair_safe: bool = False

    def __post_init__(self) -> None:
        if (self.activations, self.weights) == ("int8", "uint8"):
            raise ExportError(
                "The runtime cannot multiply int8 activations by uint8 weights: take another pair."
            )
        if self.pair_safe and (self.activations, self.weights) != ("uint8", "int8"):
            raise ExportError("Only uint8 activations with int8 weights can saturate in pairs.")

    @property
    def saturates(self) -> bool:
        """Whether a host without VNNI may answer differently."""
        unsafe = not (self.reduce_range or self.pair_safe)
        return unsafe and (self.activations, self.weights) == ("uint8", "int8")

    @property
    def types(self) -> dict[str, Any]:
        """The arguments that ONNX Runtime's quantiser wants for this scheme."""
        return {
            "activation_type": _TYPES[self.activations],
            "weight_type": _TYPES[self.weights],
            "calibrate_method": _METHODS[self.ranges],
            "reduce_range": self.reduce_range,
            "per_channel": True,
        }

    @property
    def extra_options(self) -> dict[str, Any]:
        """The quantiser's further options; uint8 weights must share one zero point to run."""
        options: dict[str, Any] = {"WeightSymmetric": True} if self.weights == "uint8" else {}
        if self.ranges == "percentile":
            options["CalibPercentile"] = self.percentile
        return options

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """Return what a manifest says of the scheme; a default that is off is left out."""
        facts: dict[str, str | int | float | bool | None] = {
            "format": "QDQ",
            "activations": self.activations,
            "weights": f"{self.weights} per channel",
            "ranges": _WRITTEN.get(self.ranges, self.ranges),
        }
        if self.ranges == "percentile":
            facts["percentile"] = self.percentile
        if self.reduce_range:
            facts["weight_bits"] = 7
        if self.pair_safe:
            facts["pairs_of_weights"] = "within 16 bits"
        return facts


TARGETS: dict[str, Scheme] = {
    "x86-vnni": Scheme(),
    "x86-avx2": Scheme(pair_safe=True),
    "arm64": Scheme(activations="int8", weights="int8"),
}
DEFAULT_TARGET = "x86-vnni"

# What `featherbox-export schemes` compares.
COMPARED: dict[str, Scheme] = {
    "u8s8 minmax (x86-vnni)": TARGETS["x86-vnni"],
    "u8s8 pair-safe (x86-avx2)": TARGETS["x86-avx2"],
    "u8s8 7-bit weights": Scheme(reduce_range=True),
    "s8s8 (arm64)": TARGETS["arm64"],
    "u8u8": Scheme(weights="uint8"),
    "u8s8 entropy": Scheme(ranges="entropy"),
    "u8s8 percentile 99.99": Scheme(ranges="percentile"),
}


def scheme_of(target: str) -> Scheme:
    """Return the scheme of a target.

    Raises:
        ExportError: there is no such target.
    """
    if target not in TARGETS:
        raise ExportError(f"There is no target {target!r}: take one of {', '.join(TARGETS)}.")
    return TARGETS[target]
