"""What a long command does is shown: on a terminal as one line, elsewhere as lines that stay."""

import io

import pytest
from rich.console import Console

from export_tools.cli_progress import progress_on


@pytest.mark.parametrize("terminal", [False, True])
def test_each_step_is_told(terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=60)
    with progress_on(console) as say:
        say("mine", "calibrating")
        say("mine", "[bold]timing")  # no markup: names come from the user
    shown = file.getvalue()
    assert "mine: calibrating" in shown or terminal
    assert terminal or shown.splitlines()[:2] == ["mine: calibrating", "mine: [bold]timing"]
    assert ("\x1b[" in shown) is terminal
