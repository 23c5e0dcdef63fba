"""Every way to give the page a picture, and what it shows of the answer."""

from playwright.sync_api import expect

from tests.page.conftest import OpenPage
from tests.page.visit import GREEN, RED, Visit


def test_a_picture_is_chosen(visit: Visit) -> None:
    visit.arrive().pick(RED, "my photo.png")
    visit.sees("red")
    expect(visit.find("#preview")).to_be_visible()
    assert "my photo.png" in (visit.find("#preview").get_attribute("alt") or "")
    expect(visit.find("#drop-again")).to_have_text("Choose another")


def test_the_same_file_may_be_chosen_again(visit: Visit) -> None:
    visit.arrive().pick(RED)
    visit.sees("red")
    before = visit.find(".trip code").inner_text()
    visit.pick(RED)
    expect(visit.find(".trip code")).not_to_have_text(before)


def test_a_click_on_the_drop_zone_opens_the_file_dialogue(visit: Visit) -> None:
    visit.arrive()
    with visit.page.expect_file_chooser() as opened:
        visit.find("#drop").click()
    opened.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": GREEN})
    visit.sees("green")


def test_a_picture_is_dropped_anywhere(visit: Visit) -> None:
    visit.arrive().drop(GREEN)
    visit.sees("green")
    expect(visit.find("body.dragging")).to_have_count(0)


def test_a_picture_is_pasted(visit: Visit) -> None:
    visit.arrive().paste(RED)
    visit.sees("red")


def test_a_sample_is_one_click(visit: Visit) -> None:
    visit.arrive()
    visit.page.get_by_role("button", name="A coffee").click()
    expect(visit.find(".answer")).to_have_count(1)


def test_a_phone_offers_its_camera(open_page: OpenPage) -> None:
    phone = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone.arrive()
    expect(phone.find("#photograph")).to_be_visible()
    assert phone.find("#camera").get_attribute("capture") == "environment"
    phone.pick(RED, field="#camera")
    phone.sees("red")


def test_a_desk_does_not(visit: Visit) -> None:
    visit.arrive()
    expect(visit.find("#photograph")).to_be_hidden()


def test_the_bytes_go_to_the_chosen_model_whatever_the_file_is_called(visit: Visit) -> None:
    visit.arrive().find("#model").select_option("colours-int8")
    visit.pick(GREEN, "notes.txt")
    visit.sees("green")
    (request,) = visit.asked("/classify")
    assert request.headers["content-type"] == "application/octet-stream"
    assert request.url.endswith("?model=colours-int8&top_k=3")  # it has no five labels
    expect(visit.find(".answer h2")).to_have_text("colours-int8")


def test_labels_have_bars_of_their_probability(visit: Visit) -> None:
    visit.arrive().pick(RED)
    visit.sees("red")
    expect(visit.find(".bars .label")).to_have_text(["red", "green", "blue"])
    widths = visit.page.eval_on_selector_all(
        ".bars .bar", "bars => bars.map(b => b.firstChild.offsetWidth / b.offsetWidth)"
    )
    shown = [float(text.rstrip("% ")) / 100 for text in visit.find(".share").all_inner_texts()]
    assert abs(shown[0] - 0.98) < 0.02
    assert abs(widths[0] - shown[0]) < 0.01
    assert max(widths[1:]) < 0.03


def test_the_stages_are_stacked_and_written_out(visit: Visit) -> None:
    visit.arrive().pick(RED)
    visit.sees("red")
    card = visit.find(".answer")
    stages = ["queue", "decode", "preprocess", "inference", "postprocess"]
    expect(card.locator(".legend dt")).to_have_text(stages)
    for text in card.locator(".legend dd").all_inner_texts():
        assert text.endswith("\u00a0ms")
    filled, whole = visit.page.eval_on_selector(
        ".answer .stack",
        "s => [[...s.children].reduce((sum, i) => sum + i.getBoundingClientRect().width, 0),"
        " s.getBoundingClientRect().width]",
    )
    assert 0 < filled <= whole + 5  # gaps of a pixel between them


def test_a_new_number_of_labels_asks_again(visit: Visit) -> None:
    visit.arrive().pick(RED)
    visit.sees("red")
    expect(visit.find(".bars li")).to_have_count(3)
    visit.find("#top-k").select_option("1")
    expect(visit.find(".bars li")).to_have_count(1)
    assert visit.asked("/classify")[-1].url.endswith("top_k=1")


def test_the_answer_is_said_aloud(visit: Visit) -> None:
    visit.arrive().pick(RED)
    visit.sees("red")
    expect(visit.find("#announce")).to_contain_text("red, 98")
    assert visit.find("#announce").get_attribute("aria-live") == "polite"


def test_two_models_are_compared_on_one_picture(visit: Visit) -> None:
    visit.arrive().pick(RED)
    visit.sees("red")
    visit.find("#other").select_option("colours-int8")
    visit.sees("red", "red")
    expect(visit.find(".answer h2")).to_have_text(["colours", "colours-int8"])
    expect(visit.find(".answer .version")).to_have_text(["fp32, version 1", "int8, version 1"])
    expect(visit.find("#verdict")).to_contain_text("Both say red: inference in")
    visit.find("#other").select_option("")
    visit.sees("red")
    expect(visit.find("#verdict")).to_be_hidden()


def test_the_two_are_asked_one_after_the_other(visit: Visit) -> None:
    visit.arrive().find("#other").select_option("colours-int8")
    visit.pick(RED)
    visit.sees("red", "red")
    first, second = (request.timing for request in visit.asked("/classify"))
    assert second["startTime"] >= first["startTime"] + first["responseEnd"] - 1


def test_a_model_is_not_compared_with_itself(visit: Visit) -> None:
    visit.arrive().find("#other").select_option("colours-int8")
    visit.find("#model").select_option("colours-int8")
    expect(visit.find("#other")).to_have_value("")
    expect(visit.find("#other option:disabled")).to_have_text(["colours-int8"])
