"""A line on the terminal that says what a long command does."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from export_tools.training.loop import Progress, Tell


class Say:
    """Shows which model is at which step."""

    def __init__(self, progress: Bars) -> None:
        self._progress = progress
        self._task = progress.add_task("")

    def __call__(self, model: str, step: str) -> None:
        text = f"{model}: {step}"
        if self._progress.console.is_terminal:
            self._progress.update(self._task, description=text)
        else:
            self._progress.console.print(text, markup=False)


@contextmanager
def progress_on(console: Console) -> Iterator[Say]:
    """Show a line that says what is done, gone at the end."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as progress:
        yield Say(progress)


class Epochs:
    """A bar for each phase of a training, with loss, accuracy and the time that is left.

    Where nobody looks on, ten lines a phase are printed instead.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> "Epochs":
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def phase(self, name: str) -> Tell:
        """Return what is told each step of a phase."""
        task = self._bars.add_task(name, total=None, facts="")
        last = 0

        def tell(progress: Progress) -> None:
            nonlocal last
            facts = f"epoch {progress.epoch}"
            if progress.loss == progress.loss:  # not where features are collected
                facts += f", loss {progress.loss:.3f}"
            if progress.accuracy is not None:
                facts += f", accuracy {progress.accuracy:.1%}"
            self._bars.update(task, completed=progress.step, total=progress.steps, facts=facts)
            share = progress.step * 10 // progress.steps
            if not self._console.is_terminal and share > last:
                last = share
                left = self._bars.tasks[task].time_remaining
                rest = "" if left is None else f", {left:.0f} s left"
                text = f"{name}: {progress.step}/{progress.steps}, {facts}{rest}"
                self._console.print(text, markup=False, soft_wrap=True)

        return tell
