"""The page of one item: its own address, pictures, variants, attributes, verdicts, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.page.conftest import wait_for
from tests.e2e.serving import serve, wait_until_tried
from tests.fakes import COLOURS, FakeEncoder, MemorySource, make_image, make_record
from tests.search.reranking.shops import ColourReranker
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.search.store.store import Store
from vitrina.search.types.item import Variant

EVIL = "<img src=x onerror=document.title='stolen'>"
SETTLED = "!!document.querySelector('.hit .title a') && document.getElementById('results').ariaBusy !== 'true'"
NAME = "document.querySelector('#item .name')?.textContent"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Thirty mugs; the first comes in two sizes and has two pictures, and its description is markup."""
    store = Store(tmp_path_factory.mktemp("shop") / "store")
    colours = list(COLOURS)
    records = [
        make_record(
            f"mug/{n}",
            f"Mug {n} in {colours[n % len(colours)]}",
            images=[make_image(colours[n % len(colours)], noise=n)],
            attributes={"colour": colours[n % len(colours)], "made of": "clay"},
        )
        for n in range(1, 30)
    ]
    sizes = (
        Variant("mug/0-S", {"size": "S"}, 1050, "EUR", images=(0,)),
        Variant("mug/0-L", {"size": "L"}, 1290, "EUR", images=(1,), url="https://shop.example/mug"),
    )
    first = make_record(
        "mug/0",
        "Mug 0 in red",
        images=[make_image("red"), make_image("red", noise=44)],
        attributes={"colour": "red", "note": ("a", "b")},
        variants=sizes,
    )
    told = replace(first.item, description=EVIL, price_cents=1050, currency="EUR", url="javascript:alert(1)")
    first = replace(first, item=told)
    mice = (
        Variant("mouse-1", {"colour": "black"}, 900, "EUR", images=(0,), title="M20 Mouse - Black"),
        Variant("mouse-2", {"colour": "pink"}, 900, "EUR", images=(1,), title="M20 Mouse - Pink"),
    )
    pair = [make_image("black"), make_image("red", noise=77)]
    mouse = make_record("mouse", "M20 Mouse - Black", images=pair, variants=mice)
    Indexer(store, FakeEncoder(), Fetcher()).run(MemorySource([first, *records, mouse]))
    store.close()
    with serve(store.folder, lambda _: ColourReranker()) as address:
        wait_until_tried(address)
        yield address


def test_an_item_has_an_address_of_its_own_with_all_that_is_known(address: str, page: Page) -> None:
    page.goto(f"{address}/items/mug%2F0")
    assert wait_for(page, NAME) == "Mug 0 in red"
    assert page.evaluate("document.title") == "Mug 0 in red · Vitrina"
    assert page.inner_text("#item .description") == EVIL
    assert page.inner_text("#item .item-words > .price") == "€10.50 – €12.90"
    rows = page.evaluate("[...document.querySelectorAll('.attributes div')].map((each) => each.innerText)")
    assert [row.split() for row in rows] == [
        ["Sku", "mug/0"],
        ["Colour", "red"],
        ["Note", "a,", "b"],
        ["Size", "S,", "L"],
    ]
    variants = page.evaluate("[...document.querySelectorAll('.item-variants tbody tr')].map((each) => each.innerText)")
    assert [row.split() for row in variants] == [["S", "Show", "mug/0-S", "€10.50"], ["L", "Show", "mug/0-L", "€12.90"]]
    assert page.get_attribute(".item-variants a", "href") == "https://shop.example/mug"
    assert not page.locator("#item a.go").count()  # the item's own address is none of the web
    assert page.is_hidden("#item .fit")  # nothing was searched for


def test_a_hit_has_its_variants_title_and_the_items_page_all_of_them(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=pink+mouse")
    wait_for(page, SETTLED)
    assert page.inner_text(".hit .title a >> nth=0") == "M20 Mouse - Pink"
    page.goto(f"{address}/items/mouse")
    assert wait_for(page, NAME) == "M20 Mouse - Black"
    names = page.evaluate("[...document.querySelectorAll('.item-variants tbody th')].map((each) => each.innerText)")
    assert [" ".join(name.split()) for name in names] == [
        "black M20 Mouse - Black Show",
        "pink M20 Mouse - Pink Show",
    ]


def test_all_its_images_are_shown(address: str, page: Page) -> None:
    page.goto(f"{address}/items/mug%2F0")
    main = "document.querySelector('.gallery .tile img')"
    first = wait_for(page, f"{main}?.naturalWidth && {main}.src")
    page.locator(".thumb").nth(1).click()
    second = wait_for(page, f"{main}.src !== '{first}' && {main}.naturalWidth && {main}.src")
    assert page.evaluate("[...document.querySelectorAll('.thumb')].map((each) => each.ariaPressed)") == [
        "false",
        "true",
    ]
    page.locator(".item-variants .show").first.click()
    assert wait_for(page, f"{main}.src !== '{second}' && {main}.src") == first


def test_it_says_how_it_fits_the_search_and_where_in_the_photo(address: str, page: Page) -> None:
    page.goto(f"{address}/items/mug%2F3?q=red+mug")
    wait_for(page, "!!document.querySelector('.fit .verdict')")
    assert "yellow" in page.inner_text(".fit .sentence")
    verdicts = page.evaluate("[...document.querySelectorAll('.fit .verdict')].map((each) => each.className)")
    assert verdicts[0] == "verdict contradicted"
    page.locator(".fit button.chip").first.hover()
    wait_for(page, "!!document.querySelector('.gallery .region.shown')")
    page.mouse.move(0, 0)
    wait_for(page, "!document.querySelector('.gallery .region')")


def test_what_is_like_it_leads_on(address: str, page: Page) -> None:
    page.goto(f"{address}/items/mug%2F3")
    wait_for(page, "!!document.querySelector('.alike .title a')")
    name = page.inner_text(".alike .title a >> nth=0")
    page.locator(".alike .title a").first.click()
    wait_for(page, f"{NAME} === '{name}'")
    page.go_back()
    wait_for(page, f"{NAME} === 'Mug 3 in yellow'")
    page.click("#item .actions button")
    wait_for(page, f"location.search === '?like=mug%2F3' && {SETTLED}")


def test_the_way_back_leads_to_the_same_hits_without_a_new_search(address: str, page: Page, tmp_path: Path) -> None:
    make_image("green", noise=7).save(tmp_path / "photo.png")
    page.set_viewport_size({"width": 1000, "height": 500})
    page.goto(address)
    page.set_input_files("#photo", tmp_path / "photo.png")
    wait_for(page, f"{SETTLED} && document.getElementById('summary').textContent.includes('your photo')")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/search") else None)
    link = page.locator(".hit .title a").nth(9)
    link.scroll_into_view_if_needed()
    y, path = page.evaluate("scrollY"), page.evaluate("document.querySelectorAll('.hit .title a')[9].pathname")
    assert y > 100
    link.click()
    wait_for(page, f"{NAME} && scrollY === 0")
    wait_for(page, "document.querySelector('.fit .sentence').textContent.startsWith('It is')")  # by the photo
    page.go_back()
    wait_for(page, f"{SETTLED} && scrollY === {y} && document.activeElement.pathname === '{path}'")
    page.go_forward()
    wait_for(page, NAME)
    page.click("#item .back")
    wait_for(page, f"{SETTLED} && scrollY === {y} && location.pathname === '/'")
    assert not asked


def test_an_unknown_item_is_reported(address: str, page: Page) -> None:
    page.goto(f"{address}/items/{EVIL}")
    page.wait_for_selector("#item [role=alert]")
    assert page.inner_text("#item h1").startswith("There is no item with the sku")
    assert page.evaluate("document.title") != "stolen"
