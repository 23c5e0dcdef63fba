"""How a graph is packed; a recipe's `[pack]` holds these settings."""

from dataclasses import asdict, dataclass
from typing import Literal

Levels = Literal["kmeans", "uniform", "trellis"]
Steps = Literal["rms", "fisher", "harm"]


@dataclass(frozen=True, slots=True)
class PackPlan:
    """What weights are rounded to, and how.

    Attributes:
        bits: of a weight. Of k-means: what a centroid's number takes before it is coded, whole.
            Otherwise: the entropy that plain rounding to the steps would have, on average.
        levels: centroids by k-means, multiples of a step, or the trellis's choice among them.
        steps: as large as a layer's weights allow (`rms`), or as the net's answers do: by the
            Fisher information (`fisher`), or by what rounding the layer alone did (`harm`).
        compensate: whether weights make up for what rounding the ones before them cost.
        prune: share of each layer's weights, the smallest, that become zero.
        damping: what is added to the inputs' moments, as a share of their mean.
        row_damping: the same for the outputs'; None lets no row make up for another.
        bit_price: what the trellis pays for a bit, in squared steps.
    """

    bits: float
    levels: Levels = "trellis"
    steps: Steps = "harm"
    compensate: bool = True
    prune: float = 0.0
    damping: float = 0.01
    row_damping: float | None = 1.0
    bit_price: float = 0.15

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """Return the settings for a manifest."""
        return asdict(self)
