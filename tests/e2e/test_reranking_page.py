"""The page where the service has a reranker: steps as they come, verdicts that need no colours, a look at the photo."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.chromium import Browser, find_chromium
from tests.e2e.serving import serve, wait_until_tried
from tests.fakes import FakeEncoder
from tests.search.reranking.shops import SimpleEyes, fill
from vitrina.search.reranking.base import Deadline, Reranker
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

TILES = "[...document.querySelectorAll('.hit')]"
DONE = "!document.querySelector('#timing.busy') && document.querySelector('#timing').textContent.endsWith('ms')"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("shop") / "home")
    fill(store, FakeEncoder())
    store.close()
    return store.folder


@pytest.fixture(scope="module")
def eyes() -> SimpleEyes:
    return SimpleEyes(fusion_weights=FusionWeights(whole=1.0, parts=1.0))


@pytest.fixture(scope="module")
def address(shop: Path, eyes: SimpleEyes) -> Iterator[str]:
    with serve(shop, lambda _: eyes) as address:
        wait_until_tried(address)
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def test_the_retrievals_order_is_shown_first_and_then_the_reranked_one(
    address: str, browser: Browser, eyes: SimpleEyes
) -> None:
    release = threading.Event()

    def wait(deadline: Deadline) -> None:
        release.wait(30)

    eyes.before = wait
    browser.open(f"{address}/?q=white+boots")
    browser.wait_for("document.querySelectorAll('.title').length === 24")
    assert browser.wait_for("document.querySelector('#timing.busy')?.textContent") == "Checking the best matches"
    assert browser.run("document.querySelectorAll('.verdict').length") == 0
    release.set()
    browser.wait_for(DONE)
    eyes.before = lambda deadline: None
    first = browser.run(f"{TILES}[0].querySelector('.verdict').textContent")
    assert first == "✓white: met, by listing and photo"
    assert browser.run(f"{TILES}[0].querySelectorAll('.verdict.met').length") == 2
    browser.wait_for(f"{TILES}.filter((tile) => tile.querySelector('.explanation').textContent).length === 3")
    assert browser.run(f"new Set({TILES}.map((tile) => tile.querySelector('img').src)).size") > 20


def test_each_status_has_a_sign_and_words_of_its_own(address: str, browser: Browser) -> None:
    browser.open(f"{address}/?q=boots&without=red")
    browser.wait_for(f"{DONE} && !!document.querySelector('.verdict')")
    seen = browser.run(
        "[...new Set([...document.querySelectorAll('.verdict')].map((each) => "
        "each.className.split(' ')[1] + each.querySelector('.sign').textContent"
        " + each.querySelector('.spoken').textContent.split(',')[0]))]"
    )
    assert set(seen) == {"met✓: met", "contradicted✗: not met", "unknown?: cannot be told"}


def test_a_disagreement_is_told_and_a_visual_verdict_shows_its_place(address: str, browser: Browser) -> None:
    browser.open(f"{address}/?q=white")
    browser.wait_for(f"{DONE} && !!document.querySelector('.disagreements li')")
    told = browser.run("[...document.querySelectorAll('.disagreements li')].map((each) => each.textContent)")
    assert "≠Listing says White, photo looks red" in told
    browser.run("document.querySelector('button.chip').click()")
    assert browser.run("document.getElementById('look').open")
    assert browser.run("document.getElementById('look-image').src").endswith("explain=white")
    assert browser.run("document.getElementById('look-what').textContent").startswith("white: met, by")
    browser.run("document.querySelector('#look button').click()")
    assert not browser.run("document.getElementById('look').open")


def test_switched_off_it_is_the_page_as_ever_and_stays_so(address: str, browser: Browser) -> None:
    browser.open(f"{address}/?q=blue+mug")
    browser.wait_for(f"{DONE} && !!document.querySelector('.verdict')")
    browser.run("document.getElementById('rerank').click()")
    browser.wait_for(f"{DONE} && !!document.querySelector('.title') && !document.querySelector('.verdict')")
    browser.open(f"{address}/?q=green+mug")
    browser.wait_for(f"{DONE} && !!document.querySelector('.title')")
    assert not browser.run("document.getElementById('rerank').checked")
    assert browser.run("document.querySelectorAll('.verdict').length") == 0
    browser.run("document.getElementById('rerank').click()")
    browser.wait_for("!!document.querySelector('.verdict')")


def test_more_goes_on_and_repeats_nothing(address: str, browser: Browser) -> None:
    browser.open(f"{address}/?q=white+boots")
    browser.wait_for(f"{DONE} && !!document.querySelector('.verdict') && !document.getElementById('more').disabled")
    browser.run("document.getElementById('more').click()")
    browser.wait_for(f"{DONE} && document.querySelectorAll('.title').length === 36")
    assert browser.run("document.getElementById('more').hidden")


def test_a_reranker_that_fails_leaves_the_page_whole_and_says_so(
    address: str, browser: Browser, eyes: SimpleEyes
) -> None:
    def broken(deadline: Deadline) -> None:
        raise RerankerError("It broke.", remedy="Mend it.")

    eyes.before = broken
    browser.open(f"{address}/?q=yellow+dress")
    browser.wait_for(f"{DONE} && document.getElementById('rerank-note').textContent")
    eyes.before = lambda deadline: None
    assert browser.run("document.getElementById('rerank-note').textContent") == "The reranker failed."
    assert browser.run("document.querySelectorAll('.title').length") == 24
    assert browser.run("document.getElementById('notice').hidden")


def test_without_an_open_reranker_there_is_no_switch(shop: Path, browser: Browser) -> None:
    def broken(_: ExitStack) -> Reranker:
        raise RerankerError("It cannot be opened.", remedy="Mend it.")

    with serve(shop, broken) as address:
        wait_until_tried(address)
        browser.open(f"{address}/?q=white+boots")
        browser.wait_for(f"{DONE} && document.querySelectorAll('.title').length === 24")
        assert browser.run("document.getElementById('closer').hidden")
        assert browser.run("document.querySelectorAll('.verdict').length") == 0
