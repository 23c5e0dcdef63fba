"""A line on the terminal that says what a long command does."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Say:
    """Shows which model is at which step."""

    def __init__(self, progress: Progress) -> None:
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
    with Progress(*columns, console=console, transient=True) as progress:
        yield Say(progress)
