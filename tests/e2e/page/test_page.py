"""The page at ``/``: served whole, free of foreign addresses and of markup from the catalog, and alive in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from tests.e2e.page.conftest import wait_for
from tests.e2e.serving import serve
from tests.fakes import COLOURS, FakeEncoder, MemorySource, make_image, make_record
from vitrina.api.routes.page import PAGE
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.search.store.store import Store

EVIL = "<img src=x onerror=document.title='stolen'>"
N_ITEMS = 30
"""More than the page shows at once."""


class Tags(HTMLParser):
    """Every tag of a document with its attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one mug of each colour after another, and one item whose words are markup."""
    colours = [list(COLOURS)[n % len(COLOURS)] for n in range(N_ITEMS)]
    mugs = [
        make_record(
            f"mug/{n}", f"Mug {n} in {colour}", images=[make_image(colour, noise=n)], attributes={"colour": colour}
        )
        for n, colour in enumerate(colours)
    ]
    evil = make_record("evil", EVIL, images=[make_image("red", noise=99)], attributes={"note": EVIL})
    store = Store(tmp_path_factory.mktemp("shop") / "store")
    Indexer(store, FakeEncoder(), Fetcher()).run(MemorySource([*mugs, evil]))
    store.close()
    return store.folder


@pytest.fixture(scope="module")
def address(shop: Path) -> Iterator[str]:
    with serve(shop) as address:
        yield address


@pytest.fixture(scope="module")
def empty_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("empty") / "store") as address:
        yield address


def test_page_and_everything_it_names_is_served(address: str) -> None:
    served = httpx.get(address).raise_for_status()
    assert served.headers["content-type"].startswith("text/html")
    named = [attrs.get("src") or attrs["href"] for tag, attrs in Tags(served.text).found if tag in ("link", "script")]
    types = [httpx.get(address + str(path)).raise_for_status().headers["content-type"] for path in named]
    assert sorted(kind.partition(";")[0].rpartition("/")[2] for kind in types) == ["css"] * 4 + [
        "javascript",
        "svg+xml",
    ]


def test_no_foreign_address_is_named() -> None:
    for path in PAGE.iterdir():
        addresses = set(re.findall(r"https?://[\w.-]+|(?<=[\"'(=])//\w[\w.-]+", path.read_text(encoding="utf-8")))
        assert addresses <= {"http://www.w3.org"}, path.name  # the SVG namespace, which nothing fetches


def test_code_and_style_are_in_files_so_that_a_strict_policy_holds() -> None:
    tags = Tags((PAGE / "index.html").read_text(encoding="utf-8")).found
    assert all(attrs.get("src") for tag, attrs in tags if tag == "script")
    assert not [tag for tag, attrs in tags if tag == "style" or any(n == "style" or n.startswith("on") for n in attrs)]
    policy = next(a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_catalog_text_never_becomes_markup() -> None:
    script = "".join(path.read_text(encoding="utf-8") for path in PAGE.glob("*.js"))
    assert "textContent" in script
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "setHTML"):
        assert way not in script


def test_modules_import_what_there_is_and_use_it() -> None:
    """No bundler checks them."""
    scripts = {path.name: path.read_text(encoding="utf-8") for path in PAGE.glob("*.js")}
    imported = {
        (source, name.strip())
        for script in scripts.values()
        for names, source in re.findall(r'^import \{([^}]*)\} from "\./(\w+\.js)";$', script, re.MULTILINE)
        for name in names.split(",")
        if len(re.findall(rf"\b{name.strip()}\b", script)) > 1
    }
    exported = {
        (file, name)
        for file, script in scripts.items()
        for name in re.findall(r"^export (?:async )?(?:function\*?|const|class) (\w+)", script, re.MULTILINE)
    }
    assert imported == exported


def test_every_control_has_a_name() -> None:
    document = (PAGE / "index.html").read_text(encoding="utf-8")
    for tag, attrs in Tags(document).found:
        if tag == "input":
            label = rf"<label[^>]*>\s*(<span>[^<]+</span>\s*)?<input[^>]*id=\"{attrs['id']}\""
            assert attrs.get("aria-label") or re.search(label, document), attrs


def test_shared_address_shows_hits(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=yellow+mug")
    wait_for(page, "document.querySelector('.title')")
    document = page.content()
    assert re.search(
        r'<h2 class="title"><a href="/items/mug%2F\d+\?q=yellow\+mug">Mug \d+ in yellow</a></h2>', document
    )
    assert "Best 24 of 31 for" in document
    assert '<input name="q"' in document


def test_markup_in_the_catalog_stays_text(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=evil")
    assert wait_for(page, "document.querySelector('.title')?.textContent") == EVIL
    assert page.evaluate("document.title") == "evil · Vitrina"


def test_photo_finds_its_own_item_and_words_join_it(address: str, page: Page, tmp_path: Path) -> None:
    make_image("green", noise=7).save(tmp_path / "photo.png")
    page.goto(address)
    wait_for(page, "document.body?.classList.contains('start') && !document.querySelector('.title')")
    page.set_input_files("#photo", tmp_path / "photo.png")
    assert wait_for(page, "document.querySelector('.title')?.textContent") == "Mug 7 in green"
    assert page.evaluate("document.getElementById('query-image-preview').src").startswith("blob:")
    page.evaluate("document.getElementById('text').value = 'mug'; document.getElementById('search').requestSubmit()")
    wait_for(page, "document.getElementById('summary').textContent.includes('“mug” and your photo')")
    page.evaluate("document.getElementById('query-image-remove').click()")
    wait_for(page, "document.getElementById('summary').textContent.endsWith('for “mug”')")
    assert page.evaluate("document.getElementById('query-image').hidden")


@pytest.mark.parametrize(
    "event", ["DragEvent('drop', {dataTransfer: given", "ClipboardEvent('paste', {clipboardData: given"]
)
def test_photo_can_be_dropped_and_pasted(address: str, page: Page, event: str) -> None:
    page.goto(f"{address}/?q=mug%2F9")
    wait_for(page, "document.querySelector('.title')?.textContent.startsWith('Mug 9')")
    page.evaluate(
        "fetch(document.querySelector('.tile img').src).then((answer) => answer.blob()).then((photo) => {"
        "  const given = new DataTransfer();"
        "  given.items.add(new File([photo], 'photo', {type: photo.type}));"
        "  document.getElementById('text').value = '';"
        f"  dispatchEvent(new {event}, cancelable: true}}));"
        "})"
    )
    wait_for(page, "document.getElementById('summary').textContent.endsWith('for your photo')")
    assert page.evaluate("document.querySelector('.title').textContent").startswith("Mug 9 ")


def test_similar_is_in_the_address_and_leaves_the_item_out(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=mug%2F3")
    assert wait_for(page, "document.querySelector('.title')?.textContent") == "Mug 3 in yellow"
    page.evaluate("document.querySelector('.similar').click()")
    wait_for(page, "document.getElementById('summary').textContent.includes('this image')")
    assert page.evaluate("location.search") == "?like=mug%2F3"
    titles = page.evaluate("[...document.querySelectorAll('.title')].map((title) => title.textContent)")
    assert titles[0].endswith("in yellow")
    assert "Mug 3 in yellow" not in titles
    page.evaluate("history.back()")
    wait_for(page, "document.getElementById('text').value === 'mug/3'")


def test_more_goes_on_to_the_end_and_repeats_nothing(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=mug&without=red")
    wait_for(page, "document.querySelectorAll('.title').length === 24")
    page.evaluate("document.getElementById('more').click()")
    wait_for(page, f"document.querySelectorAll('.title').length === {N_ITEMS + 1}")
    assert (
        page.evaluate("new Set([...document.querySelectorAll('.title')].map((t) => t.textContent)).size") == N_ITEMS + 1
    )
    assert page.evaluate("document.getElementById('more').hidden")
    assert page.evaluate("document.activeElement.matches('.hit:nth-child(25) .title a')")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?like=nosuch", "There is no item with the sku 'nosuch'."),
        ("?without=red", "The query only says what to avoid."),
    ],
)
def test_errors_come_with_their_remedy(address: str, page: Page, query: str, message: str) -> None:
    page.goto(f"{address}/{query}")
    assert wait_for(page, "document.getElementById('notice-message')?.textContent") == message
    assert page.evaluate("document.getElementById('notice-remedy').textContent")


@pytest.mark.parametrize("query", ["", "?q=mug"])
def test_empty_catalog_says_so(empty_address: str, page: Page, query: str) -> None:
    page.goto(f"{empty_address}/{query}")
    assert wait_for(page, "document.getElementById('notice-message')?.textContent") == "The catalog is empty."
    assert "vitrina index" in page.evaluate("document.getElementById('notice-remedy').textContent")
    page.get_by_role("link", name="Import a catalog").click()
    page.wait_for_selector("#import-form")


def test_a_shop_without_images_is_searched_by_words(tmp_path: Path, page: Page) -> None:
    tail = "with integrated float switch and thermal overload protection, replacement for the models of 2019, no. "
    pumps = [make_record(f"P{n}", f"Pump {tail}{n}", attributes={"size": n}) for n in range(3)]
    store = Store(tmp_path / "store")
    Indexer(store, FakeEncoder(), Fetcher()).run(MemorySource(pumps))
    store.close()
    with serve(store.folder) as address:
        page.goto(address)
        wait_for(page, "document.getElementById('catalog-size')?.textContent === '3 products. Describe one.'")
        assert page.inner_text("h1:visible") == "Find it by words."
        assert not page.is_visible(".photo")
        assert not page.is_visible(".search .dropzone")
        page.fill("#text", "replacemnt")
        page.press("#text", "Enter")
        page.wait_for_selector(".hit .title")
        assert (
            page.inner_text("#summary")
            == "Best 3 of 3 for “replacemnt”; read “replacemnt” as “replacement”. Search as typed"
        )
        is_cut = (
            "[...document.querySelectorAll('.hit .title')].some((each) => each.scrollHeight > each.clientHeight + 1)"
        )
        assert not page.evaluate(is_cut), "where titles begin alike, their ends tell them apart"
        page.click("#summary >> text=Search as typed")
        wait_for(page, "document.getElementById('summary').innerText === 'Best 3 of 3 for “replacemnt”'")
        assert page.url.endswith("?q=replacemnt&as=typed")


def test_any_item_is_explained_under_the_hits(address: str, page: Page) -> None:
    page.goto(address)
    wait_for(page, "document.body?.classList.contains('start')")
    assert not page.is_visible("#why-not-sku")
    page.goto(f"{address}/?q=yellow+mug")
    page.wait_for_selector("#why-not-sku")
    page.focus("#why-not-sku")
    page.keyboard.type("mug/0")
    page.keyboard.press("Enter")
    sentence = wait_for(
        page,
        "!!document.querySelector('#why-not-answer').checkVisibility() && "
        "document.getElementById('why-not-sentence').textContent",
    )
    assert re.fullmatch(
        r"It is \d+th of 31, although its words hold only “mug” of “yellow mug”; it is red, not yellow\.", str(sentence)
    )
    assert page.inner_text("#why-not-item") == "Mug 0 in red"
    assert page.evaluate("[...document.querySelectorAll('#why-not .verdict')].map((each) => each.className)") == [
        "verdict contradicted",
        "verdict met",
    ]
    rows = page.evaluate(
        "[...document.querySelectorAll('#why-not-parts tr')].map((each) => each.innerText.split('\\t'))"
    )
    assert {row[0] for row in rows} >= {"Image vectors", "Text vectors", "Words"}
    assert all(re.fullmatch(r"\d+|–", row[1]) and re.fullmatch(r"[+−]\d+\.\d\d", row[2]) for row in rows)


def test_an_unknown_sku_and_markup_in_an_explanation(address: str, page: Page) -> None:
    page.goto(f"{address}/?q=yellow+mug")
    page.fill("#why-not-sku", "nosuch")
    page.press("#why-not-sku", "Enter")
    problem = wait_for(page, "document.getElementById('why-not-problem').textContent")
    assert str(problem).startswith("There is no item with the sku 'nosuch'. Check the sku's spelling")
    page.fill("#why-not-sku", "evil")
    page.press("#why-not-sku", "Enter")
    assert wait_for(page, "document.getElementById('why-not-item').textContent") == EVIL
    assert page.evaluate("document.getElementById('why-not-problem').textContent") == ""
    assert page.evaluate("document.title") == "yellow mug · Vitrina"
    page.fill("#text", "red mug")
    page.press("#text", "Enter")
    wait_for(page, "document.getElementById('summary').textContent.includes('red mug')")
    assert not page.is_visible("#why-not-answer")


def test_a_search_by_photo_is_explained(address: str, page: Page, tmp_path: Path) -> None:
    make_image("green", noise=7).save(tmp_path / "photo.png")
    page.goto(address)
    wait_for(page, "document.body?.classList.contains('start') && !document.querySelector('.title')")
    page.set_input_files("#photo", tmp_path / "photo.png")
    wait_for(page, "document.querySelector('.hit .title')?.textContent")
    page.fill("#why-not-sku", "mug/7")
    page.press("#why-not-sku", "Enter")
    sentence = wait_for(page, "document.getElementById('why-not-sentence').textContent")
    assert sentence == "It is 1st of 31: it is the photo that was given."
