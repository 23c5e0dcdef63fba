"""The example in JavaScript of docs/clients.md, in a browser that asks its own server."""

import re
from pathlib import Path

from tests.page.visit import RED, Visit

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"


def test_the_example_in_javascript_returns_the_labels(visit: Visit) -> None:
    visit.arrive()
    (example,) = re.findall(r"```js\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ask = f"bytes => {{ {example}; return classify(new Blob([new Uint8Array(bytes)]), origin); }}"
    predictions = visit.page.evaluate(ask, list(RED))
    assert predictions[0]["label"] == "red"
    assert len(predictions) == 3
