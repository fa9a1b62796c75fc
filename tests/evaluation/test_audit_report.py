"""The report of an audit as a browser would get it."""

from __future__ import annotations

from pathlib import Path

from tests.evaluation.test_report import NASTY, Page
from tests.fakes import make_image, png
from vitrina.evaluation.report import MAX_SHOWN, write_audit
from vitrina.search.audit.audit import AuditSummary, ItemAudit, ItemStatus, LabelError
from vitrina.search.store.store import Store


def label_error(sku: str, *, image_id: str = "gone", field: str = "colour", shown: float = 0.95) -> LabelError:
    return LabelError(sku, f"{NASTY} {sku}", image_id, field, NASTY, "Black", 0.05, shown)


def render(store: Store, folder: Path, summary: AuditSummary, notes: tuple[str, ...] = ()) -> Page:
    path = folder / "audit.html"
    write_audit(path, store.images, summary, reranker=NASTY, notes=notes)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    assert "script" not in page.elements
    assert all(source.startswith("data:image/") for source in page.sources)
    return page


def test_every_listing_is_shown_with_its_image_by_field_the_surest_first(store: Store, tmp_path: Path) -> None:
    image_id = store.images.put(png(make_image("red")))
    summary = AuditSummary(("colour", "article"))
    mug = label_error("mug", image_id=image_id, field="article", shown=0.99)
    for each in (label_error("doubtful", shown=0.9), mug, label_error("sure")):
        summary.add(ItemAudit(each.sku, ItemStatus.AUDITED, ("colour", "article"), (each,)))
    summary.add(ItemAudit("bare", ItemStatus.NO_IMAGE))
    summary.add(ItemAudit("broken", ItemStatus.FAILED))
    page = render(store, tmp_path, summary, ("It ended early.",))
    assert len(page.sources) == 1
    assert page.text.count("no image") == 2
    assert f"listing says {NASTY} 5% image shows Black 95% {NASTY} sure sure" in page.text
    where = [page.text.index(f"{NASTY} {sku} {sku}") for sku in ("sure", "doubtful", "mug")]
    assert where == sorted(where)
    for said in (
        "3 label errors",
        "colour 2 of 3 checked",
        "article 1 of 3 checked",
        "3 of 5 items were audited.",
        "1 item without an image.",
        "gave no answer: broken.",
        "It ended early.",
    ):
        assert said in page.text


def test_of_very_many_the_surest_are_shown(store: Store, tmp_path: Path) -> None:
    summary = AuditSummary(("colour",))
    for n in range(MAX_SHOWN + 2):
        summary.add(ItemAudit(str(n), ItemStatus.AUDITED, ("colour",), (label_error(f"sku-{n}", shown=0.9 + n / 1e5),)))
    page = render(store, tmp_path, summary)
    assert f"the {MAX_SHOWN} most certain of {MAX_SHOWN + 2}" in page.text
    assert f"sku-{MAX_SHOWN + 1} " in page.text
    assert "sku-1 " not in page.text


def test_nothing_found(store: Store, tmp_path: Path) -> None:
    assert "No listing is contradicted by its image." in render(store, tmp_path, AuditSummary(("colour",))).text
