"""The catalog's part of the page: imports with their progress and dead letters, duplicates, the audit, the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from tests.e2e.page.conftest import wait_for
from tests.e2e.serving import serve, wait_until_tried
from tests.fakes import COLOURS, FakeEncoder, MemorySource, make_image, make_record
from tests.search.reranking.shops import ColourReranker
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.search.store.store import Store

EVIL = "<img src=x onerror=document.title='stolen'>"
CSV = f"sku,title,price,colour\nA-1,Blue kettle,4.50,blue\nA-2,{EVIL},5.00,red\n,No sku,1,red\n"
METRICS = {"ndcg@10": {"mean": 0.71, "low": 0.66, "high": 0.75}, "r@10": {"mean": 0.6, "low": 0.5, "high": 0.7}}
SCORED = {"kind": "text", "text": "blue mug", "sku": "", "metrics": {"ndcg@10": 0.2}, "missed": ["mug-2"]}
RUN = {
    "measured_at": "2026-11-29T03:00:00Z",
    "encoder": "fake",
    "n_items": 7,
    "notes": ["Three queries name items that are gone."],
    "summaries": [{"kind": "all", "n_queries": 80, "metrics": METRICS}],
    "results": [SCORED],
}
FIRST = "document.querySelector('#imports .job')"
DONE = f"{FIRST}?.dataset.status === 'done'"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Eight mugs: two share an image, and a white one is listed as black."""
    store = Store(tmp_path_factory.mktemp("shop") / "store")
    shown = [*COLOURS, "red", "white"]
    catalog_values = ["black" if n == shown.index("white") else colour for n, colour in enumerate(shown)]
    records = [
        make_record(
            f"mug-{n}",
            f"Mug {n}",
            images=[make_image(colour, noise=10 + n % 6)],
            attributes={"colour": catalog_values[n]},
        )
        for n, colour in enumerate(shown)
    ]
    Indexer(store, FakeEncoder(), Fetcher()).run(MemorySource(records))
    store.last_run.write_text(json.dumps(RUN))
    store.close()
    with serve(store.folder, lambda _: ColourReranker()) as address:
        wait_until_tried(address)
        yield address


def test_a_file_is_imported_with_its_dead_letters(address: str, page: Page, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(CSV)
    page.goto(f"{address}/catalog")
    wait_for(page, "document.getElementById('catalog-contents').textContent")
    page.set_input_files("#import-file", tmp_path / "shop.csv")
    wait_for(page, DONE)
    assert page.inner_text(".job-name") == "shop.csv"
    assert page.inner_text(".job .changes") == "2 added, 1 rejected"
    wait_for(page, "document.getElementById('catalog-contents').textContent.startsWith('10 products')")
    assert page.inner_text(".job .dead-letters summary") == "Rows and images left out: 1"
    assert page.is_hidden(".job .cancel")
    page.click(".job .report summary")
    assert "The row has no sku" in page.inner_text(".job .report")
    page.click(".job .dead-letters summary")
    wait_for(page, f"{FIRST}.querySelectorAll('.dead-letters tbody tr').length === 1")
    assert page.inner_text(".job .dead-letters tbody th") == "shop.csv:4"
    with page.expect_download() as download:
        page.click(".job .dead-letters .actions button")
    assert "The row has no sku" in download.value.path().read_text()
    page.goto(f"{address}/items/A-2")
    assert wait_for(page, "document.querySelector('#item .name')?.textContent") == "A-2"  # markup is no title
    assert page.evaluate("document.title") == "A-2 · Vitrina"
    page.goto(f"{address}/catalog")  # the history
    wait_for(page, DONE)
    assert page.evaluate("document.title") == "Catalog · Vitrina"


def test_a_file_can_be_dropped_and_only_tried(address: str, page: Page) -> None:
    page.goto(f"{address}/catalog")
    wait_for(page, "document.getElementById('catalog-contents').textContent")
    page.check("#import-dry-run")
    page.evaluate(
        "const given = new DataTransfer();"
        "given.items.add(new File(['sku,title\\nB-1,A pot\\n'], 'pots.csv', {type: 'text/csv'}));"
        "dispatchEvent(new DragEvent('drop', {dataTransfer: given, cancelable: true}));"
    )
    wait_for(page, f"{FIRST}?.querySelector('.job-name').textContent === 'pots.csv' && {DONE}")
    assert page.inner_text(".job .status >> nth=0") == "Done, a trial"
    assert page.inner_text(".job .changes >> nth=0") == "1 would be added"


def test_what_is_wrong_with_an_import_is_said(address: str, page: Page) -> None:
    page.goto(f"{address}/catalog")
    page.click("#import-form button")
    assert page.inner_text("#import-problem").startswith("There is no address.")
    page.fill("#import-url", "http://127.0.0.1:9/feed.xml")
    page.press("#import-url", "Enter")
    wait_for(page, f"{FIRST}?.dataset.status === 'failed' || document.getElementById('import-problem').textContent")


def test_progress_is_shown_and_an_import_can_be_cancelled(address: str, page: Page) -> None:
    progress = {"n_total": 1200, "n_done": 300, "n_rejected": 2, "per_second": 81.2, "seconds_left": 11.0}
    job: dict[str, object] = {
        "id": 17,
        "status": "running",
        "stage": "indexing",
        "source": "products.csv",
        "dry_run": False,
        "created_at": "2026-11-29T03:00:00Z",
        "note": "",
        "progress": progress,
        "left_out": [],
        "n_dead_letters": 2,
        "report": None,
        "error": None,
    }
    asked: list[str] = []

    def cancel(route: Route) -> None:
        asked.append(route.request.method)
        route.fulfill(json={**job, "status": "cancelled"})

    page.route(
        "**/v1/imports?**", lambda route: route.fulfill(json={"imports": [job], "total": 1, "next_cursor": None})
    )
    page.route("**/v1/imports/17/events", lambda route: route.fulfill(body=": nothing yet\n\n"))
    page.route("**/v1/imports/17/cancel", cancel)
    page.goto(f"{address}/catalog")
    wait_for(page, FIRST)
    words = "300 of about 1,200 rows · 2 rejected · 81 a second · 11 seconds left"
    assert page.inner_text(".job .changes") == words
    assert page.evaluate(f"{FIRST}.querySelector('progress').value") == 300
    page.click(".job .cancel")
    wait_for(page, f"{FIRST}.dataset.status === 'cancelled'")
    assert asked == ["POST"]
    assert page.is_hidden(".job progress")


def test_items_with_one_photo_are_shown_together(address: str, page: Page) -> None:
    page.goto(f"{address}/catalog/duplicates")
    wait_for(page, "!!document.querySelector('.group .title a')")
    assert page.inner_text("[data-section=duplicates] .sum") == "2 products in 1 group share a photo."
    skus = page.evaluate("[...document.querySelectorAll('.group .quiet')].map((each) => each.textContent)")
    assert sorted(skus) == ["mug-0", "mug-6"]
    page.locator(".group .title a").first.click()
    wait_for(page, "document.querySelector('#item .name')?.textContent.startsWith('Mug')")
    page.go_back()
    wait_for(page, "!!document.querySelector('.group .title a')?.checkVisibility()")


def test_an_audit_is_started_and_what_it_finds_is_shown(
    address: str, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.api.rerankers.needed_reranker", lambda settings: "eyes")
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda settings, stack: ColourReranker())
    page.goto(f"{address}/catalog/audit")
    page.click("#audit-start")
    wait_for(page, "!!document.querySelector('.contradiction')")
    assert "Colour: listed as black, looks white" in page.inner_text(".label-errors")
    wait_for(page, "document.getElementById('audit-start').checkVisibility()")
    assert "checked by simple eyes" in page.inner_text("[data-section=audit] .sum")


def test_the_last_evaluation_is_reported(address: str, page: Page) -> None:
    page.goto(f"{address}/catalog")
    page.click("text=Search quality")
    wait_for(page, "!!document.querySelector('.worst li')")
    assert page.evaluate("location.pathname") == "/catalog/report"
    row = page.inner_text("[data-section=report] tbody tr")
    assert row.split() == ["All", "80", "0.710", "0.600"]
    assert page.inner_text(".worst li") == "“blue mug” nDCG@10 0.20. Missed: mug-2"
    page.click(".worst a >> nth=0")
    wait_for(page, "location.search === '?q=blue+mug' && !!document.querySelector('.hit')")
