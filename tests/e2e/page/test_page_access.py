"""The page for everybody: by keyboard, for screen readers (axe), on a phone, with a slow, broken or absent service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route

from tests.e2e.page.conftest import wait_for
from tests.e2e.serving import serve, wait_until_tried
from tests.fakes import FakeEncoder
from tests.search.reranking.shops import ColourReranker, fill
from vitrina.api.keys import KeyFile, KeyScope
from vitrina.search.store.store import Store

N_ITEMS = 36
SETTLED = "!!document.querySelector('.hit .title a') && document.getElementById('results').ariaBusy !== 'true'"
PAGES = {
    "/": ["Or browse"],
    "/?q=white+boots": ["White boots, as asked.", "but the photo looks red."],
    "/?q=boots&is.colour=nosuch": ["Drop “Colour: nosuch”"],
    "/items/item-3?q=white+boots": ["it is a shirt, not boots.", "A fine mug"],
    "/items/nosuch": ["Check the sku's spelling"],
    "/catalog": ["36 products, encoder fake", "Nothing was imported"],
    "/catalog/duplicates": ["36 products, encoder fake", "No two products share a photo."],
    "/catalog/audit": ["36 products, encoder fake", "The catalog has not been audited yet."],
    "/catalog/report": ["36 products, encoder fake", "Nothing has been measured yet"],
}
"""Every page by its address, with what it says once it is complete."""
SCHEMES: Mapping[Literal["light", "dark"], tuple[str, ...]] = {
    "light": (),
    "dark": ("color-contrast", "link-in-text-block"),
}
"""The rules of axe that each is checked by: all, or those that look at colours, which are all that dark changes."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("shop") / "store")
    fill(store, FakeEncoder(), N_ITEMS)
    store.close()
    return store.folder


@pytest.fixture(scope="module")
def address(shop: Path) -> Iterator[str]:
    with serve(shop, lambda _: ColourReranker()) as address:
        wait_until_tried(address)
        yield address


def serious(page: Page, *rules: str) -> list[str]:
    """What axe finds that keeps people out, with the elements; by these rules, or else by all."""
    found = Axe().run(page, options={"runOnly": [*rules]} if rules else None).response["violations"]
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def show(page: Page, address: str, path: str) -> None:
    """Open one of them, and wait until it is complete."""
    page.goto(address + path)
    for text in PAGES[path]:
        page.get_by_text(text).first.wait_for()


@pytest.mark.slow
def test_axe_finds_nothing_serious_anywhere(address: str, page: Page) -> None:
    faults: list[str] = []
    for path in PAGES:
        show(page, address, path)
        for scheme, rules in SCHEMES.items():
            page.emulate_media(color_scheme=scheme)
            wait_for(page, "!document.getAnimations().length")
            faults += [f"{path}, {scheme}: {each}" for each in serious(page, *rules)]
    assert not faults


def test_axe_finds_nothing_serious_in_what_opens(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=white")
    wait_for(page, "!!document.querySelector('button.chip')")
    page.locator(".facet").first.click()
    assert not serious(page)
    page.locator("button.chip").first.click()
    wait_for(page, "document.getElementById('localization').open")
    assert not serious(page)
    page.keyboard.press("Escape")
    page.locator(".exclude").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#exclusion .choice")
    assert not serious(page)


def test_nothing_is_wider_than_the_screen(address: str, browser: Browser) -> None:
    with browser.new_context(has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        for path in PAGES:
            page.set_viewport_size({"width": 768, "height": 800})
            show(page, address, path)
            for width in (768, 390, 320):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") == width, path


def test_a_phone_can_take_a_photo_and_needs_no_pointer(address: str, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        page.goto(address)
        assert page.locator("label.camera").is_visible()
        assert page.get_attribute("#camera", "capture") == "environment"
        page.goto(f"{address}/?q=white+boots")
        wait_for(page, SETTLED)
        page.locator(".similar").first.tap()
        wait_for(page, "document.getElementById('summary').textContent.includes('this image')")


def test_the_keyboard_alone_searches_walks_through_the_hits_and_comes_back(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=white+boots")
    wait_for(page, SETTLED)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("red mug")
    assert page.input_value("#text") == "red mug"  # what was there is replaced
    page.keyboard.press("Enter")
    wait_for(page, f"document.getElementById('summary').textContent.includes('red mug') && {SETTLED}")
    wait_for(page, "!document.querySelector('#timing.busy')")  # reranking may still change the order
    page.keyboard.press("ArrowDown")
    titles = page.evaluate("[...document.querySelectorAll('.hit .title a')].map((each) => each.pathname)")
    focused = "document.activeElement.pathname"
    assert page.evaluate(focused) == titles[0]
    for key, place in [("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", -1), ("Home", 0)]:
        page.keyboard.press(key)
        assert page.evaluate(focused) == titles[place]
    page.keyboard.press("ArrowDown")
    left = "document.activeElement.closest('.hit').offsetLeft"
    assert page.evaluate(f"{left} === document.querySelector('.hit').offsetLeft")
    below = page.evaluate(focused)
    assert below not in titles[:2]
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelector('#item .name')?.checkVisibility()")
    assert page.evaluate("document.activeElement.className") == "name"
    page.keyboard.press("Escape")
    wait_for(page, SETTLED)
    assert page.evaluate(focused) == below
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_suggestions_are_a_listbox_that_the_keyboard_goes_through(address: str, page: Page) -> None:
    page.goto(address)
    box, options = page.locator("#text"), page.locator("#suggestions [role=option]")
    box.press_sequentially("red m")
    options.first.wait_for()
    assert (box.get_attribute("aria-expanded"), options.first.inner_text().split("\n")[0]) == ("true", "red mug")
    assert not serious(page)
    box.press("ArrowDown")
    assert page.locator("[aria-selected=true]").get_attribute("id") == box.get_attribute("aria-activedescendant")
    box.press("ArrowUp")
    assert box.get_attribute("aria-activedescendant") is None
    box.press("Escape")
    assert (box.get_attribute("aria-expanded"), options.count(), box.input_value()) == ("false", 0, "red m")
    assert page.evaluate("document.activeElement.id") == "text"
    box.press_sequentially("u")
    options.first.wait_for()
    box.press("ArrowDown")
    box.press("Enter")
    wait_for(page, f"document.title.startsWith('red mug') && {SETTLED}")
    assert options.count() == 0
    box.fill("white b")
    options.first.click()
    wait_for(page, f"document.title.startsWith('white boots') && {SETTLED}")


def test_suggestions_are_asked_for_after_a_pause_and_nothing_is_said_of_their_errors(address: str, page: Page) -> None:
    asked: list[str] = []

    def refused(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=500, body="{}")

    page.route("**/v1/suggest*", refused)
    page.goto(address)
    page.get_by_role("combobox", name="Looking for").press_sequentially("red mu")
    page.wait_for_timeout(400)
    assert [url.partition("?")[2] for url in asked] == ["text=red+mu&limit=8"]
    assert page.locator("#suggestions [role=option]").count() == 0
    assert not page.locator("#notice").is_visible()


def test_the_content_can_be_skipped_to_and_the_same_search_asked_again(address: str, page: Page) -> None:
    page.goto(f"{address}/items/item-3")
    wait_for(page, "!!document.querySelector('#item .name')")
    page.evaluate("document.querySelector('.skip').focus()")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.url.endswith("/items/item-3")
    page.goto(f"{address}/?q=white+boots")
    wait_for(page, SETTLED)
    with page.expect_request("**/v1/search"):
        page.press("#text", "Enter")


def test_a_slow_service_shows_that_it_is_asked_and_the_latest_search_wins(address: str, page: Page) -> None:
    waiting: list[Route] = []
    page.route("**/v1/search", lambda route: waiting.append(route))
    page.goto(f"{address}/?q=white+boots")
    wait_for(page, "document.querySelectorAll('.skeleton').length === 8")
    assert page.get_attribute("#results", "aria-busy") == "true"
    page.fill("#text", "red mug")
    page.press("#text", "Enter")
    wait_for(page, "document.title.startsWith('red mug')")
    page.wait_for_timeout(100)
    waiting[1].continue_()
    wait_for(page, f"{SETTLED} && document.getElementById('summary').textContent.includes('red mug')")
    assert page.get_attribute("#results", "aria-busy") == "false"


def test_what_is_typed_while_the_page_starts_stays(address: str, page: Page) -> None:
    waiting: list[Route] = []
    page.route("**/readyz", lambda route: waiting.append(route), times=1)
    page.goto(address)
    page.fill("#text", "white boots")
    waiting[0].continue_()
    wait_for(page, "document.body.dataset.view === 'search'")
    assert page.input_value("#text") == "white boots"


def aborted(route: Route) -> None:
    route.abort("internetdisconnected")


def broken(route: Route) -> None:
    route.fulfill(status=503, json={"error": {"code": "busy", "message": "It is busy.", "remedy": "Wait a little."}})


def no_json(route: Route) -> None:
    route.fulfill(status=502, body="<h1>Bad gateway</h1>", content_type="text/html")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (aborted, "The service does not answer."),
        (broken, "It is busy."),
        (no_json, "The service answered with status 502."),
    ],
)
def test_a_service_that_fails_is_reported_and_asked_again(
    address: str, page: Page, answer: Callable[[Route], None], message: str
) -> None:
    page.goto(address)
    page.route("**/v1/search", answer)
    page.fill("#text", "white boots")
    page.press("#text", "Enter")
    page.wait_for_selector("#notice-actions button")
    assert page.inner_text("#notice-message") == message
    assert not page.locator(".hit").count()
    page.unroute("**/v1/search")
    page.click("#notice-actions button")
    wait_for(page, SETTLED)
    assert not page.is_visible("#notice")


def test_a_service_that_wants_a_key_gets_one(shop: Path, page: Page) -> None:
    _, secret = KeyFile(shop).add("window", [KeyScope.SEARCH])
    with serve(shop, api_keys="required") as address:
        page.goto(f"{address}/?q=white+boots")
        page.wait_for_selector("#api-key[open]")
        assert not serious(page)
        page.fill("#api-key-value", "wrong")
        page.keyboard.press("Enter")
        wait_for(page, "document.getElementById('api-key-problem').textContent.startsWith('This API key is not known')")
        page.fill("#api-key-value", secret)
        page.keyboard.press("Enter")
        wait_for(page, f"{SETTLED} && document.querySelector('.hit img').src.startsWith('blob:')")
        assert not page.is_visible("#api-key")
        page.locator(".hit .title a").first.click()
        wait_for(page, "document.querySelector('#item img')?.naturalWidth")
        page.goto(f"{address}/items/item-3")  # the key is kept
        wait_for(page, "document.querySelector('#item .name')?.textContent")
        assert page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})").count(secret) == 1
        page.goto(f"{address}/catalog")
        wait_for(page, "document.getElementById('catalog-problem').textContent.includes('needs write')")


def test_without_a_key_the_page_says_so(address: str, page: Page) -> None:
    page.route(
        "**/v1/**", lambda route: route.fulfill(status=401, json={"error": {"message": "No.", "remedy": "Ask."}})
    )
    page.goto(f"{address}/?q=white+boots")
    page.wait_for_selector("#api-key[open]")
    page.keyboard.press("Escape")
    wait_for(page, "document.getElementById('notice-message').textContent === 'No.'")
    assert Path(page.url).name == "?q=white+boots"
