"""A browser for the page's tests: Debian's Chromium, driven by Playwright; nothing is downloaded."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first, which has no window to show, takes two thirds of the processor's time of the others."""
CHROMIUM = next(filter(None, map(shutil.which, CHROMIUMS)), None)
TIMEOUT_MS = 20_000
OWN = re.compile(r"http://127\.0\.0\.1:\d+/|blob:http://127\.0\.0\.1:|data:")
"""The addresses that a page may ask: the service's, and what it holds itself."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Closed after this folder: while it is open, Playwright's event loop runs in the tests' own thread."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without a past: each test has its own storage. None may ask another site, break its policy, or throw."""
    with browser.new_context(reduced_motion="reduce") as context:
        context.set_default_timeout(TIMEOUT_MS)
        page, faults = context.new_page(), list[str]()
        watch(page, faults)
        yield page
    assert not faults


def watch(page: Page, faults: list[str]) -> None:
    """Note requests to other sites, what the content security policy blocked, and what a script did not catch."""

    def on_request(request: Request) -> None:
        if not OWN.match(request.url):
            faults.append(f"asked {request.url[:200]}")

    def on_console(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            faults.append(message.text)

    page.on("request", on_request)
    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(str(error)))


def wait_for(page: Page, expression: str) -> object:
    """The value of a JavaScript expression once it is true-like; a function, since the page's policy forbids `eval`."""
    return page.wait_for_function(f"() => {expression}").json_value()
