"""Takes the pictures of the page in docs/images: `python -m tests.page.screenshots [FOLDER]`.

They show the models that ship and a real classification, the quickest of some rounds, so that
what else the box does is not in the picture. Their timings are an example and no measurement.
"""

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from service.settings import Settings
from tests.page.chromium import require_chromium
from tests.page.visit import Visit
from tests.support.process import ROOT
from tests.support.server import LiveServer, serving

_IMAGES = ROOT / "docs" / "images"
_CAT = (ROOT / "tests" / "data" / "cat.jpg").read_bytes()
_ROUNDS = 20
_PHONE = {"width": 390, "height": 844}
_DESK = {"width": 1280, "height": 900}
_VIEWS: dict[str, dict[str, Any]] = {
    "page.png": {"viewport": _DESK, "color_scheme": "light"},
    "page-dark.png": {"viewport": _DESK, "color_scheme": "dark"},
    "page-phone.png": {"viewport": _PHONE, "has_touch": True, "is_mobile": True},
}


def main(folder: Path) -> None:
    """Write every view, and each as a whole page under `whole-NAME`, if a folder was named."""
    settings = Settings(port=0, model_repository=ROOT / "model_repository")
    with serving(settings) as server, sync_playwright() as playwright:
        for name, options in _VIEWS.items():  # a browser each: emulation may leave traces
            browser = playwright.chromium.launch(executable_path=require_chromium())
            _take(browser, server, folder / name, options)
            browser.close()


def _take(browser: Browser, server: LiveServer, target: Path, options: dict[str, Any]) -> None:
    visit = Visit(browser.new_page(**options), server).arrive()
    visit.find("#other").select_option("squeezenet1_1")
    shots: dict[float, bytes] = {}
    for _ in range(_ROUNDS):
        visit.pick(_CAT, "cat.jpg")
        visit.sees("Egyptian cat", "Egyptian cat")
        visit.page.mouse.move(0, 0)
        shots[_milliseconds(visit)] = visit.page.screenshot(animations="disabled")
    _save(shots[min(shots)], target)
    expect(visit.find("#stages-now .head")).to_be_visible()
    whole = visit.page.screenshot(animations="disabled", full_page=True)
    if target.parent != _IMAGES:
        _save(whole, target.with_name(f"whole-{target.name}"))
    visit.close()


def _milliseconds(visit: Visit) -> float:
    """Return what both answers took together, ms."""
    totals = visit.find(".answer .stages b").all_inner_texts()
    return sum(float(text.split()[0]) for text in totals)


def _save(shot: bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(BytesIO(shot)).convert("RGB")
    small = image.quantize(256, kmeans=2, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(target, optimize=True)
    print(f"{target} {target.stat().st_size} bytes")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _IMAGES)
