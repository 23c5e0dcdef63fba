"""A layer's weights to symbols, as a plan says, and its bias to finer ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export_tools.compensate import Floats, Nearest, compensated, factor, make_up
from export_tools.pack.allocate import exponent, rms
from export_tools.pack.archive import Coded
from export_tools.pack.contexts import find_contexts, price_table
from export_tools.pack.kmeans import centroids
from export_tools.pack.plan import PackPlan
from export_tools.pack.prune import prune_smallest
from export_tools.pack.statistics import Statistics
from export_tools.pack.trellis import LARGEST, BitPrice, on_trellis
from service.engine.coded import STEPS_PER_OCTAVE, CodedTensor, multiples, step_size

_ROWS = 16  # rounded at once: more is quicker, less lets more rows make up for others
_BIAS_STEP = 2.0**-6  # of a bias's root mean square
_REACH = 64


def round_weight(
    weight: NDArray[np.float32], statistics: Statistics, step: int, plan: PackPlan
) -> Coded:
    """Round a layer's weights.

    Args:
        weight: [outputs, inputs of a group, ...].
        statistics: of the layer's inputs.
        step: in eighths of an octave, for levels that have one.
        plan: how.
    """
    pruned = prune_smallest(weight, plan.prune)
    book = centroids(pruned, 2 ** round(plan.bits)) if plan.levels == "kmeans" else None
    rounder = _Rounder(plan, step, book, pruned == 0 if plan.prune else None)
    return Coded(
        shape=weight.shape,
        symbols=rounder.round(pruned, statistics).ravel(),
        step=None if book is not None else step - rounder.finer,
        trellis=plan.levels == "trellis",
        codebook=book,
        lowest=-int(np.abs(book).argmin()) if book is not None else 0,
    )


def round_bias(bias: NDArray[np.float32]) -> Coded:
    """Round a bias to steps that are small beside it."""
    step = exponent(float(np.log2(rms(bias) * _BIAS_STEP)))
    symbols = np.clip(np.round(bias / step_size(step)), -LARGEST, LARGEST).astype(np.int16)
    return Coded(bias.shape, symbols, step=step)


@dataclass(frozen=True, slots=True)
class _Rounder:
    plan: PackPlan
    step: int
    book: NDArray[np.float32] | None
    zeros: NDArray[np.bool_] | None

    @property
    def finer(self) -> int:
        """How much finer the step is written: the trellis counts in halves of it."""
        return STEPS_PER_OCTAVE if self.plan.levels == "trellis" else 0

    def round(self, weight: NDArray[np.float32], statistics: Statistics) -> NDArray[np.int16]:
        """Round all rows, a group's with the group's inputs."""
        rows = weight.astype(np.float64).reshape(len(weight), -1)
        if not self.plan.compensate and self.plan.levels != "trellis":
            return self._nearest(self._dead(slice(None)))(rows, -1)[0]
        price = None
        for _ in range(2 if self.plan.levels == "trellis" and self.plan.bit_price else 1):
            found = self._all_rows(rows, statistics, price)
            price = self._price(found, weight.shape)
        return found

    def _all_rows(
        self, rows: Floats, statistics: Statistics, price: BitPrice | None
    ) -> NDArray[np.int16]:
        """Round some rows at a time; the rows behind them make up for what these cost."""
        uppers = [factor(moments, self.plan.damping) for moments in statistics.inputs]
        of_group = len(rows) // len(uppers)
        damping = self.plan.row_damping if len(uppers) == 1 else None
        across = None if damping is None else factor(statistics.outputs, damping)
        left, found = rows.copy(), np.empty(rows.shape, np.int16)
        for start in range(0, len(rows), min(_ROWS, of_group)):
            group = start // of_group
            part = slice(start, min(start + _ROWS, (group + 1) * of_group))
            found[part], values = self._some_rows(left[part], part, uppers[group], price)
            if across is not None:
                make_up(left, values, part, across)
        return found

    def _some_rows(
        self, wanted: Floats, part: slice, upper: Floats, price: BitPrice | None
    ) -> tuple[NDArray[np.int16], Floats]:
        if self.plan.levels != "trellis":
            nearest = self._nearest(self._dead(part))
            return compensated(wanted, upper, nearest)
        mine = price and BitPrice(price.table, price.contexts[part], price.price)
        step = float(step_size(self.step - self.finer))
        symbols = on_trellis(wanted, upper, step, mine)
        whole = multiples(symbols.ravel(), symbols.shape).astype(np.float64)
        return symbols, whole.reshape(symbols.shape) * step

    def _price(self, symbols: NDArray[np.int16], shape: tuple[int, ...]) -> BitPrice:
        tensor = CodedTensor(shape, find_contexts(symbols.ravel(), shape), step=0)
        contexts = tensor.context_of_each().reshape(symbols.shape)
        table = price_table(contexts, symbols, _REACH)
        return BitPrice(table, contexts, 4 * self.plan.bit_price)  # of the trellis's half steps

    def _dead(self, part: slice) -> NDArray[np.bool_] | None:
        if self.zeros is None:
            return None
        return self.zeros.reshape(len(self.zeros), -1)[part]

    def _nearest(self, dead: NDArray[np.bool_] | None) -> Nearest:
        """Return what rounds a column, or all of them for the column -1; `dead` stay zero."""
        step, book = float(step_size(self.step)), self.book
        edges = None if book is None else (book[1:].astype(np.float64) + book[:-1]) / 2
        middle = 0 if book is None else int(np.abs(book).argmin())

        def nearest(wanted: Floats, column: int) -> tuple[NDArray[np.int16], Floats]:
            if dead is not None:
                wanted = np.where(dead if column < 0 else dead[:, column], 0.0, wanted)
            if book is None or edges is None:
                symbols = np.clip(np.round(wanted / step), -LARGEST, LARGEST)
                return symbols.astype(np.int16), symbols * step
            index = np.searchsorted(edges, wanted)
            return (index - middle).astype(np.int16), book[index].astype(np.float64)

        return nearest
