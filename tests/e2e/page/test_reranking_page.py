"""The page with a reranker: events as they come, verdicts without colours, localization in the photo."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.page.conftest import wait_for
from tests.e2e.serving import serve, wait_until_tried
from tests.fakes import FakeEncoder
from tests.search.reranking.shops import ColourReranker, fill
from vitrina.search.reranking.base import Deadline, Reranker
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError

TILES = "[...document.querySelectorAll('.hit')]"
DONE = "!document.querySelector('#timing.busy') && document.querySelector('#timing').textContent.endsWith('ms')"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("shop") / "store")
    fill(store, FakeEncoder())
    store.close()
    return store.folder


@pytest.fixture(scope="module")
def reranker() -> ColourReranker:
    return ColourReranker(fusion_weights=FusionWeights(whole=1.0, parts=1.0))


@pytest.fixture(scope="module")
def address(shop: Path, reranker: ColourReranker) -> Iterator[str]:
    with serve(shop, lambda _: reranker) as address:
        wait_until_tried(address)
        yield address


def test_the_retrievals_order_is_shown_first_and_then_the_reranked_one(
    address: str, page: Page, reranker: ColourReranker
) -> None:
    release = threading.Event()

    def wait(deadline: Deadline) -> None:
        release.wait(30)

    reranker.before = wait
    page.goto(f"{address}/?q=white+boots")
    wait_for(page, "document.querySelectorAll('.title').length === 24")
    assert wait_for(page, "document.querySelector('#timing.busy')?.textContent") == "Checking the best matches"
    assert page.evaluate("document.querySelectorAll('.verdict').length") == 0
    release.set()
    wait_for(page, DONE)
    reranker.before = lambda deadline: None
    first = page.evaluate(f"{TILES}[0].querySelector('.verdict').textContent")
    assert first == "✓white: met, by listing and photo"
    assert page.evaluate(f"{TILES}[0].querySelectorAll('.verdict.met').length") == 2
    wait_for(page, f"{TILES}.filter((tile) => tile.querySelector('.explanation').textContent).length === 3")
    assert page.evaluate(f"new Set({TILES}.map((tile) => tile.querySelector('img').src)).size") > 20


def test_each_status_has_a_sign_and_words_of_its_own(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=boots&without=red")
    wait_for(page, f"{DONE} && !!document.querySelector('.verdict')")
    shown = page.evaluate(
        "[...new Set([...document.querySelectorAll('.verdict')].map((each) => "
        "each.className.split(' ')[1] + each.querySelector('.sign').textContent"
        " + each.querySelector('.spoken').textContent.split(',')[0]))]"
    )
    assert set(shown) == {"met✓: met", "contradicted✗: not met", "unknown?: cannot be told"}


def test_a_disagreement_is_shown_and_a_visual_verdict_shows_its_place(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=white")
    wait_for(page, f"{DONE} && !!document.querySelector('.disagreements li')")
    shown = page.evaluate("[...document.querySelectorAll('.disagreements li')].map((each) => each.textContent)")
    assert "≠Listing says White, photo looks red" in shown
    page.evaluate("document.querySelector('button.chip').click()")
    assert page.evaluate("document.getElementById('localization').open")
    assert page.evaluate("document.getElementById('localization-image').src").endswith("explain=white")
    assert page.evaluate("document.getElementById('localization-verdict').textContent").startswith("white: met, by")
    page.evaluate("document.querySelector('#localization button').click()")
    assert not page.evaluate("document.getElementById('localization').open")


def test_switched_off_it_is_the_page_as_ever_and_stays_so(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=blue+mug")
    wait_for(page, f"{DONE} && !!document.querySelector('.verdict')")
    page.evaluate("document.getElementById('rerank').click()")
    wait_for(page, f"{DONE} && !!document.querySelector('.title') && !document.querySelector('.verdict')")
    page.goto(f"{address}/?q=green+mug")
    wait_for(page, f"{DONE} && !!document.querySelector('.title')")
    assert not page.evaluate("document.getElementById('rerank').checked")
    assert page.evaluate("document.querySelectorAll('.verdict').length") == 0
    page.evaluate("document.getElementById('rerank').click()")
    wait_for(page, "!!document.querySelector('.verdict')")


def test_more_goes_on_and_repeats_nothing(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=white+boots")
    wait_for(page, f"{DONE} && !!document.querySelector('.verdict') && !document.getElementById('more').disabled")
    page.evaluate("document.getElementById('more').click()")
    wait_for(page, f"{DONE} && document.querySelectorAll('.title').length === 36")
    assert page.evaluate("document.getElementById('more').hidden")


def test_a_reranker_that_fails_leaves_the_page_whole_and_says_so(
    address: str, page: Page, reranker: ColourReranker
) -> None:
    def broken(deadline: Deadline) -> None:
        raise RerankerError("It broke.", remedy="Mend it.")

    reranker.before = broken
    page.goto(f"{address}/?q=yellow+dress")
    wait_for(page, f"{DONE} && document.getElementById('rerank-note').textContent")
    reranker.before = lambda deadline: None
    assert page.evaluate("document.getElementById('rerank-note').textContent") == "The reranker failed."
    assert page.evaluate("document.querySelectorAll('.title').length") == 24
    assert page.evaluate("document.getElementById('notice').hidden")


def test_without_an_open_reranker_there_is_no_switch(shop: Path, page: Page) -> None:
    def broken(_: ExitStack) -> Reranker:
        raise RerankerError("It cannot be opened.", remedy="Mend it.")

    with serve(shop, broken) as address:
        wait_until_tried(address)
        page.goto(f"{address}/?q=white+boots")
        wait_for(page, f"{DONE} && document.querySelectorAll('.title').length === 24")
        assert page.evaluate("document.getElementById('rerank-option').hidden")
        assert page.evaluate("document.querySelectorAll('.verdict').length") == 0
