"""What an int8 model must hold before it is published. All failures are told together."""

from dataclasses import dataclass

from export_tools.evaluate import Agreement
from service.errors import GateFailed


@dataclass(frozen=True, slots=True)
class Int8Gates:
    """Smallest shares and ratios that are allowed; `views` is the least number of images."""

    agreement: float = 0.90
    agreement_sure: float = 0.98
    size_ratio: float = 3.6
    views: int = 150


# Answers of weights that were never trained mean nothing, and their nets may be tiny.
UNTRAINED_GATES = Int8Gates(agreement=0.0, agreement_sure=0.0, size_ratio=0.0, views=0)


def check_int8(gates: Int8Gates, found: Agreement, parent_bytes: int, child_bytes: int) -> None:
    """Check an int8 model against its parent.

    Raises:
        GateFailed: names every gate that does not hold, with what was measured.
    """
    failures = []
    if found.images < gates.views:
        failures.append(f"only {found.images} views, at least {gates.views} are needed")
    if found.same < gates.agreement * found.images:
        failures.append(
            f"agreement {found.same}/{found.images} is below {gates.agreement:.0%} of all views"
        )
    if found.sure_same < gates.agreement_sure * found.sure_images:
        failures.append(
            f"agreement {found.sure_same}/{found.sure_images} is below "
            f"{gates.agreement_sure:.0%} where fp32 is sure"
        )
    if parent_bytes < gates.size_ratio * child_bytes:
        failures.append(
            f"size ratio {parent_bytes / child_bytes:.2f} is below {gates.size_ratio:g}"
        )
    if failures:
        raise GateFailed(f"The int8 gates do not hold: {'; '.join(failures)}.")
