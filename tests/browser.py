"""A real browser on a page of ours: Debian's chromium, driven by playwright, with the network watched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
DRAWN_MS = 90_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless chromium; the test is skipped without one, except in CI, where that is a failure."""
    binary = shutil.which("chromium")
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs Debian's chromium: apt-get install chromium")
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One reader: a window of a width and a scheme on the page, with everything it complained about or asked for."""

    def __init__(
        self, browser: Browser, page: Path, *, width: int = 1200, scheme: str = "light", query: str = ""
    ) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page: Page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(page.resolve().as_uri() + query)

    def wait_until_drawn(self, language: str) -> None:
        """Every chart of the page stands in this language, or a timeout."""
        # A selector and not a function: the page's policy lets nobody evaluate text.
        self.page.wait_for_selector(f"html[data-drawn='{language}']", state="attached", timeout=DRAWN_MS)

    def marks(self) -> dict[str, int]:
        """Lines, bars, points and rules that each chart holds."""
        return self.page.eval_on_selector_all(
            "[data-chart]",
            "places => Object.fromEntries(places.map(place => [place.dataset.chart, place.querySelectorAll("
            "'svg .role-mark path, svg .role-mark line').length]))",
        )

    def width(self) -> int:
        """How wide the document is, pixels."""
        return self.page.evaluate("document.documentElement.scrollWidth")


def assert_reads_well(page: Path, charts: set[str]) -> None:
    """The page draws these charts in both languages and themes, fits a phone, says nothing to the console or a network."""
    with chromium() as browser:
        wide = Visit(browser, page)
        wide.wait_until_drawn("en")
        assert wide.width() <= 1200
        marks = wide.marks()
        assert set(marks) >= charts
        assert min(marks.values()) > 0, marks
        assert wide.page.title().startswith("Why")
        light = wide.page.eval_on_selector("html", "root => getComputedStyle(root).backgroundColor")
        wide.page.click("[data-set-theme=dark]")
        assert wide.page.eval_on_selector("html", "root => getComputedStyle(root).backgroundColor") != light
        wide.page.click("[data-set-lang=ja]")
        wide.wait_until_drawn("ja")
        assert wide.marks() == marks
        assert "なぜ" in wide.page.title()
        assert "なぜ" in wide.page.inner_text("h1")
        assert "5つの文" in wide.page.inner_text("#answer")
        assert "five sentences" not in wide.page.inner_text("#answer")
        with wide.page.expect_download() as started:
            wide.page.click("[data-download=p3]")
        table = Path(started.value.path()).read_text("utf-8-sig").splitlines()
        assert table[0] == '"day","series","value"'
        assert len(table) > 100

        narrow = Visit(browser, page, width=390, scheme="dark", query="?lang=ja")
        narrow.wait_until_drawn("ja")
        assert narrow.width() <= 390
        assert narrow.page.eval_on_selector("html", "root => getComputedStyle(root).backgroundColor") != light
        narrow.page.click("[data-set-lang=en]")
        narrow.wait_until_drawn("en")
        assert narrow.width() <= 390
        for visit in (wide, narrow):
            assert visit.complaints == []
            assert [url for url in visit.requests if not url.startswith(("file:", "blob:"))] == []
