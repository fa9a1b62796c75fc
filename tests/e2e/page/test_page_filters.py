"""The page's filters: chips with counts, prices, the order, what is left out, and what is offered when nothing fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page

from tests.e2e.page.conftest import wait_for
from tests.e2e.serving import serve
from tests.fakes import COLOURS, FakeEncoder, MemorySource, make_image, make_record
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.search.store.store import Store

N_ITEMS = 36
TITLES = "[...document.querySelectorAll('.hit .title')].map((each) => each.textContent)"
VALUES = "[...document.querySelectorAll('#facet-panel .value')].map((each) => each.textContent)"
CONDITIONS = "[...document.querySelectorAll('.condition')].map((each) => each.ariaLabel)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Mugs and cups in six colours, at 1 to 36 EUR; no cup is red."""
    store = Store(tmp_path_factory.mktemp("shop") / "store")
    records = []
    for n in range(N_ITEMS):
        colour = list(COLOURS)[n % 6]
        article = "Cup" if n % 2 and colour != "red" else "Mug"
        record = make_record(
            f"item-{n}",
            f"{article} {n} in {colour}",
            images=[make_image(colour, noise=n)],
            attributes={"colour": colour.title(), "article": article},
        )
        records.append(replace(record, item=replace(record.item, price_cents=100 * (n + 1), currency="EUR")))
    Indexer(store, FakeEncoder(), Fetcher()).run(MemorySource(records))
    store.close()
    with serve(store.folder) as address:
        yield address


def settled(page: Page, search: str) -> None:
    """Wait for the hits of an address, and for its counts."""
    is_settled = "['results', 'filters'].every((id) => document.getElementById(id).ariaBusy === 'false')"
    wait_for(page, f"location.search === '{search}' && {is_settled}")


def choose(page: Page, *names: str) -> None:
    """Click buttons among the filters by their first words."""
    for name in names:
        page.locator("#filters button").filter(has_text=name).first.click()


def test_the_catalog_can_be_browsed_without_words(address: str, page: Page) -> None:
    page.goto(address)
    page.wait_for_selector(".facet")
    assert page.is_visible("text=Or browse")
    choose(page, "Colour", "Yellow")
    settled(page, "?is.colour=Yellow")
    assert page.inner_text("#summary") == "6 products"
    titles = page.evaluate(TITLES)
    assert len(titles) == 6
    assert all(title.endswith("in yellow") for title in titles)
    assert not page.locator(".score").first.is_visible()


def test_several_values_count_and_each_can_be_removed(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=mug")
    page.wait_for_selector(".facet")
    choose(page, "Colour")
    assert "Red6" in page.evaluate(VALUES)
    choose(page, "Red")
    settled(page, "?q=mug&is.colour=Red")
    assert page.evaluate("document.activeElement.dataset.key") == "value Red"  # the focus stays
    choose(page, "Blue")
    settled(page, "?q=mug&is.colour=Red&is.colour=Blue")
    assert page.locator("#facet-panel [aria-pressed=true]").count() == 2
    assert page.evaluate(CONDITIONS) == ["Remove Colour: Red", "Remove Colour: Blue"]
    assert {title.rpartition(" ")[2] for title in page.evaluate(TITLES)} == {"red", "blue"}
    page.click(".condition >> nth=0")
    settled(page, "?q=mug&is.colour=Blue")
    assert {title.rpartition(" ")[2] for title in page.evaluate(TITLES)} == {"blue"}
    page.go_back()
    settled(page, "?q=mug&is.colour=Red&is.colour=Blue")
    assert {title.rpartition(" ")[2] for title in page.evaluate(TITLES)} == {"red", "blue"}
    page.click("text=Clear all")
    settled(page, "?q=mug")
    assert not page.evaluate(CONDITIONS)


def test_prices_are_asked_for_in_the_catalogs_currency(address: str, page: Page) -> None:
    page.goto(f"{address}/?sort=price_asc")
    page.wait_for_selector(".facet")
    choose(page, "Price")
    page.fill("#facet-panel [name=min]", "10")
    page.fill("#facet-panel [name=max]", "12.5")
    page.keyboard.press("Enter")
    settled(page, "?min=1000&max=1250&sort=price_asc")
    shown = page.evaluate("[...document.querySelectorAll('.hit .price')].map((each) => each.textContent)")
    assert shown == ["€10.00", "€11.00", "€12.00"]
    assert page.evaluate(CONDITIONS) == ["Remove From €10.00 up to €12.50"]
    page.select_option("#sort", "price_desc")
    settled(page, "?min=1000&max=1250&sort=price_desc")
    shown = page.evaluate("[...document.querySelectorAll('.hit .price')].map((each) => each.textContent)")
    assert shown == ["€12.00", "€11.00", "€10.00"]


def test_a_hit_says_what_is_not_wanted(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=red+mug")
    wait_for(page, "document.querySelector('.hit .title')?.textContent.endsWith('red')")
    page.locator(".exclude").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#exclusion .choice")
    page.keyboard.press("Escape")
    assert page.is_hidden("#exclusion")
    assert page.evaluate("document.activeElement.className") == "exclude"
    page.keyboard.press("Enter")
    page.locator("#exclusion .choice").filter(has_text="Red").click()
    settled(page, "?q=red+mug&not.colour=Red")
    assert page.evaluate(CONDITIONS) == ["Remove Not colour: Red"]
    assert not [title for title in page.evaluate(TITLES) if title.endswith("red")]
    sku = page.evaluate("decodeURIComponent(document.querySelector('.hit .title a').pathname).split('/').pop()")
    page.locator(".exclude").first.focus()
    page.keyboard.press("Enter")
    page.locator("#exclusion .choice").first.click()
    settled(page, f"?q=red+mug&not.colour=Red&not.sku={sku}")
    links = page.evaluate("[...document.querySelectorAll('.hit .title a')].map((each) => each.pathname)")
    assert f"/items/{sku}" not in links


def test_where_nothing_fits_the_nearest_is_offered(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=cup&is.colour=red&is.article=cup")
    wait_for(
        page, "document.getElementById('notice-message').textContent === 'No product passes all of these filters.'"
    )
    page.wait_for_selector(".hit .title")
    assert page.inner_text("#notice-remedy") == "Below is what comes nearest without them."
    page.get_by_role("button", name="Drop “Article: cup”: 6 products").click()
    settled(page, "?q=cup&is.colour=red")
    assert len(page.evaluate(TITLES)) == 6
    assert page.is_hidden("#notice") or page.inner_text("#notice-message") == "No good match."


def test_one_filter_that_nothing_passes_is_named_with_its_currency(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=cup&max=1")
    wait_for(page, "document.getElementById('notice-remedy').textContent === 'Below is what comes nearest without it.'")
    assert page.inner_text("#notice-message") == "No product passes this filter."
    chip = page.inner_text("#conditions .condition").rstrip("× ").strip()
    assert page.inner_text("#notice-actions button").startswith(f"Drop “{chip}”: ")


def test_a_filter_that_cannot_be_is_said_to_be_and_dropped(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=cup&is.colour=nosuch")
    wait_for(page, "document.getElementById('notice-message').textContent === \"No item has the colour 'nosuch'.\"")
    page.get_by_role("button", name="Drop “Colour: nosuch”").click()
    settled(page, "?q=cup")
    assert page.evaluate(TITLES)
