"""How the page looks and is moved about in: colours, widths, keyboard, accessibility."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.page.conftest import OpenPage
from tests.page.visit import RED, Visit

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def ground(visit: Visit) -> int:
    """Return how bright the page is, 0 to 255."""
    colour: str = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(colour.removeprefix("rgb(").split(",")[0])


def with_answers(visit: Visit) -> Visit:
    visit.arrive().find("#other").select_option("colours-int8")
    visit.pick(RED)
    visit.sees("red", "red")
    expect(visit.find("#stages-now .head")).to_be_visible()
    return visit


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_colours_follow_the_system(open_page: OpenPage, scheme: str, dark: bool) -> None:
    visit = open_page(color_scheme=scheme).arrive()
    assert (ground(visit) < 60) == dark
    expect(visit.find("#theme")).to_have_attribute("aria-pressed", str(dark).lower())


def test_a_switch_turns_the_colours_and_is_remembered(open_page: OpenPage) -> None:
    visit = open_page(color_scheme="light").arrive()
    light = visit.chart("tradeoff-chart", "chart.data.datasets[1].borderColor[0]")
    visit.page.get_by_role("button", name="Dark colours").click()
    assert ground(visit) < 60
    dark = visit.chart("tradeoff-chart", "chart.data.datasets[1].borderColor[0]")
    assert dark != light
    visit.arrive()
    assert ground(visit) < 60
    expect(visit.find("#theme")).to_have_attribute("aria-pressed", "true")
    visit.find("#theme").click()
    assert ground(visit) > 200
    assert visit.page.evaluate("localStorage.length") == 0  # as the system has it: nothing kept


def test_no_width_scrolls_sideways(open_page: OpenPage) -> None:
    visit = with_answers(open_page(locale="en-IE"))
    found = {}
    for width in (320, 390, 600, 768, 960, 1024, 1100, 1600):
        visit.page.set_viewport_size({"width": width, "height": 800})
        found[width] = visit.fits()
    assert all(found.values()), found


def test_on_a_phone_what_is_touched_is_large_enough(open_page: OpenPage) -> None:
    visit = with_answers(open_page(**PHONE))
    heights = visit.page.eval_on_selector_all(
        "select, button, label.button", "all => all.filter(e => e.offsetParent)"
        ".map(e => [e.id || e.textContent, e.getBoundingClientRect().height])",
    )  # fmt: skip
    assert [named for named in heights if named[1] < 36] == []


def test_everything_is_reached_by_the_keyboard_in_order(visit: Visit) -> None:
    visit.arrive()
    seen: list[str] = []
    for _ in range(24):
        visit.page.keyboard.press("Tab")
        seen.append(
            visit.page.evaluate(
                "document.activeElement.id || document.activeElement.getAttribute('href')"
                " || document.activeElement.dataset.sample"
            )
        )
    wanted = [
        "#classify", "./", "#models", "#tradeoff", "#latency", "docs", "theme", "model", "other",
        "top-k", "file", "cat.jpg", "coffee.jpg", "measure", "watched", "pause", "docs", "metrics",
    ]  # fmt: skip
    assert [name for name in seen if name in wanted][: len(wanted)] == wanted


def test_what_has_the_focus_is_seen(visit: Visit) -> None:
    visit.arrive()
    for _ in range(11):
        visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.id") == "file"
    outline = "getComputedStyle(document.getElementById('drop')).outlineStyle"
    assert visit.page.evaluate(outline) == "solid"


def test_a_picture_is_classified_by_the_keyboard_alone(visit: Visit) -> None:
    visit.arrive().page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")  # skip to the content
    while visit.page.evaluate("document.activeElement.dataset.sample") != "cat.jpg":
        visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")
    expect(visit.find(".answer")).to_have_count(1)
    visit.find("#other").focus()
    visit.page.keyboard.press("End")
    expect(visit.find(".answer")).to_have_count(2)


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE],
    ids=["light", "dark", "phone"],
)
def test_axe_finds_nothing(open_page: OpenPage, options: dict[str, object]) -> None:
    visit = with_answers(open_page(reduced_motion="reduce", **options))
    found = Axe().run(visit.page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_an_error(open_page: OpenPage, scheme: str) -> None:
    visit = open_page(color_scheme=scheme).arrive()
    visit.drop(b"text")
    visit.find("#problem [role=alert]").wait_for()
    found = Axe().run(visit.page, context="#classify")
    assert found.violations_count == 0, found.generate_report()


def test_axe_finds_nothing_in_the_dialogue(visit: Visit) -> None:
    visit.arrive().page.evaluate("document.getElementById('token').showModal()")
    found = Axe().run(visit.page, context="#token")
    assert found.violations_count == 0, found.generate_report()


def test_the_page_works_without_motion_and_storage(open_page: OpenPage) -> None:
    visit = open_page(reduced_motion="reduce", locale="en-CA")
    visit.page.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, {get() { throw new DOMException('no'); }});"
    )
    visit.arrive().find("#theme").click()
    visit.pick(RED)
    visit.sees("red")
