"""What the page shows when something goes wrong, and how it gets on from there."""

import threading
from pathlib import Path

from playwright.sync_api import expect

from service.engine.manifest import MODEL_FILE
from tests.page.conftest import OpenPage
from tests.page.visit import GREEN, RED, Visit
from tests.support.artifacts import write_artifact
from tests.support.images import photo
from tests.support.server import serving, settings_for
from tests.support.sessions import gated

TOKEN = "client-token-0123456789"


def test_what_is_no_picture_is_refused_in_the_servers_words(visit: Visit) -> None:
    visit.arrive().pick(b"some text")
    problem = visit.find("#problem [role=alert]")
    expect(problem).to_contain_text("Unsupported Media Type (415)")
    said = visit.server.classify(b"some text").json()
    expect(problem).to_contain_text(said["detail"])
    answer = visit.asked("/classify")[0].response()
    assert answer
    expect(problem.locator("code")).to_have_text(answer.headers["x-request-id"])
    expect(visit.find(".answer")).to_have_count(0)


def test_a_damaged_picture_is_followed_by_a_good_one(visit: Visit) -> None:
    visit.arrive().pick(photo("red")[:80])
    expect(visit.find("#problem [data-code=damaged_image]")).to_contain_text("original file")
    visit.pick(GREEN)
    visit.sees("green")
    expect(visit.find("#problem .problem")).to_have_count(0)


def test_a_file_without_a_byte_is_refused(visit: Visit) -> None:
    visit.arrive().pick(b"")
    expect(visit.find("#problem [data-code=empty_body]")).to_be_visible()


def test_a_full_server_is_asked_again_when_it_says(open_page: OpenPage, repository: Path) -> None:
    settings = settings_for(repository, worker_threads=1, queue_per_thread=0)
    with serving(settings) as live:
        visit = open_page(live, locale="en-NZ").arrive()
        visit.page.clock.install()
        with gated(live.model()) as gate:
            busy = threading.Thread(target=live.classify, args=[RED])
            busy.start()
            gate.wait_for_runs(1)  # its only thread, and nobody may wait
            visit.pick(RED)
            again = visit.find("#problem button")
            expect(again).to_be_disabled()
            expect(again).to_contain_text("Try again in")
            gate.gate.set()
            busy.join()
        visit.page.clock.fast_forward(5_000)
        expect(again).to_be_enabled()
        again.click()
        visit.sees("red")


def test_a_server_that_is_gone_is_told_from_a_refusal(
    open_page: OpenPage, repository: Path
) -> None:
    with serving(settings_for(repository)) as live:
        visit = open_page(live).arrive()
    visit.pick(RED)
    expect(visit.find("#problem [data-code=unreachable]")).to_contain_text("server is running")
    expect(visit.find("#problem button")).to_have_text("Try again")


def test_models_that_failed_say_why_and_are_not_offered(
    open_page: OpenPage, tmp_path: Path
) -> None:
    write_artifact(tmp_path)
    (write_artifact(tmp_path, "broken") / MODEL_FILE).write_bytes(b"damaged")
    with serving(settings_for(tmp_path)) as live:
        visit = open_page(live).arrive()
        expect(visit.find("#status-text")).to_have_text("1 of 2 models ready")
        expect(visit.find("#model option")).to_have_text(["colours"])
        reason = live.client.get("/models/broken").json()["reason"]
        expect(visit.find(".remark .failed")).to_have_text(reason)
        expect(visit.find("tr[data-model=broken] .chip")).to_have_text("failed")


def test_a_server_with_tokens_is_asked_with_one(
    open_page: OpenPage, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokens").write_text(TOKEN, encoding="utf-8")
    with serving(settings_for(repository, tokens_file=tmp_path / "tokens")) as live:
        visit = open_page(live)
        visit.page.goto(live.url)
        dialog = visit.find("#token")
        expect(dialog).to_be_visible()
        expect(visit.find("#token-field")).to_be_focused()
        visit.find("#token-field").fill("not-the-right-one")
        visit.page.keyboard.press("Enter")
        expect(visit.find("#token-why")).to_contain_text("did not accept")
        visit.find("#token-field").fill(TOKEN)
        visit.page.keyboard.press("Enter")
        expect(visit.find("#model")).to_be_enabled()
        visit.pick(RED)
        visit.sees("red")
        assert visit.page.evaluate("Object.values(localStorage)") == []
        assert visit.page.evaluate("Object.values(sessionStorage)") == [TOKEN]
        visit.arrive()  # the same tab need not be told again
        expect(dialog).to_be_hidden()
        visit.page.get_by_role("button", name="Forget the token").click()
        assert visit.page.evaluate("sessionStorage.length") == 0
        assert TOKEN not in "".join(request.url for request in visit.requests)


def test_whoever_has_no_token_may_say_so(
    open_page: OpenPage, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokens").write_text(TOKEN, encoding="utf-8")
    with serving(settings_for(repository, tokens_file=tmp_path / "tokens")) as live:
        visit = open_page(live)
        visit.page.goto(live.url)
        visit.find("#token").wait_for()
        visit.page.keyboard.press("Escape")
        expect(visit.find("#models-problem [data-code=unauthorized]")).to_be_visible()
        visit.find("#models-problem button").click()
        expect(visit.find("#token")).to_be_visible()
