"""One visit of the page, by the hands of a user."""

import base64
from typing import Any

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Request, TimeoutError, expect

from tests.support.images import photo
from tests.support.server import LiveServer

expect.set_options(timeout=10_000)

_MAKE_TRANSFER = """({data, type}) => {
    const transfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], "given.png", {type}));
    return transfer;
}"""
_FORGET = """() => {
    try { localStorage.clear(); sessionStorage.clear(); } catch { /* switched off by a test */ }
}"""
_PASTE = """(transfer) => document.body.dispatchEvent(
    new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}))"""


class Visit:
    """What a tab does from here on: all its requests and messages are kept."""

    def __init__(self, page: Page, server: LiveServer) -> None:
        self.server = server
        self.requests: list[Request] = []
        self.messages: list[str] = []
        self.page = page
        page.on("request", self._asked)
        page.on("console", self._heard)
        page.on("pageerror", self._failed)

    def arrive(self) -> "Visit":
        """Open the page and wait until it knows the models."""
        self.page.goto(self.server.url)
        expect(self.page.locator("#model")).to_be_enabled()
        return self

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def pick(self, data: bytes, name: str = "a.png", field: str = "#file") -> None:
        """Choose a file as the dialogue of the browser would."""
        self.page.set_input_files(field, {"name": name, "mimeType": "image/png", "buffer": data})

    def drop(self, data: bytes) -> None:
        """Drag a file over the page and let it fall on the heading."""
        transfer = self._transfer(data)
        for event in ("dragover", "drop"):
            self.page.dispatch_event("h1", event, {"dataTransfer": transfer})

    def paste(self, data: bytes) -> None:
        """Paste a file from the clipboard."""
        self.page.evaluate(_PASTE, self._transfer(data))

    def sees(self, *labels: str) -> None:
        """Wait until the best labels of the answers shown are these."""
        expect(self.find(".answer .bars li:first-child .label")).to_have_text(list(labels))
        expect(self.find("#answers")).to_have_attribute("aria-busy", "false")

    def asked(self, path: str) -> list[Request]:
        """Return the requests to a path so far."""
        return [r for r in self.requests if r.url.partition("?")[0] == f"{self.server.url}{path}"]

    def chart(self, canvas: str, expression: str) -> Any:
        """Evaluate an expression of `chart`, the plot on a canvas."""
        script = f"(id) => ((chart) => {expression})(Chart.getChart(document.getElementById(id)))"
        return self.page.evaluate(script, canvas)

    def fits(self) -> bool:
        """Tell whether the page is as narrow as its window, once its plots have followed."""
        try:
            self.page.wait_for_function(
                "document.documentElement.scrollWidth <= innerWidth", timeout=10_000
            )
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Check that all went to the page's own server and that nothing was complained of."""
        self.page.evaluate(_FORGET)
        self.page.goto("about:blank")
        self.page.remove_listener("request", self._asked)
        self.page.remove_listener("console", self._heard)
        self.page.remove_listener("pageerror", self._failed)
        local = (f"{self.server.url}/", "blob:", "data:", "about:blank")
        assert [r.url for r in self.requests if not r.url.startswith(local)] == []
        assert self.messages == []

    def _asked(self, request: Request) -> None:  # Playwright takes no method of a list
        self.requests.append(request)

    def _failed(self, error: Error) -> None:
        self.messages.append(str(error))

    def _heard(self, message: ConsoleMessage) -> None:
        refused_by_server = message.text.startswith("Failed to load resource")
        if message.type in {"error", "warning"} and not refused_by_server:
            self.messages.append(message.text)

    def _transfer(self, data: bytes) -> Any:
        given = {"data": base64.b64encode(data).decode(), "type": "image/png"}
        return self.page.evaluate_handle(_MAKE_TRANSFER, given)


RED, GREEN = photo("red"), photo("green")
