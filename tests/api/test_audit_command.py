"""``vitrina audit``, from its arguments to what it prints and writes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.conftest import run_vitrina
from tests.fakes import FakeEncoder, make_entry, make_image, png
from tests.search.reranking.shops import ColourReranker, fill
from vitrina.api.cli.audit import COLUMNS, N_SHOWN, show_label_errors
from vitrina.api.settings import Settings
from vitrina.search.audit.audit import MAX_NAMED, AuditSummary, ItemAudit, ItemStatus, LabelError
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.reranking.base import Deadline, Probabilities, RerankCandidate, Reranker
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError

Run = Callable[..., tuple[int, str, str]]

NASTY = '[red]<script>alert("x")</script>'


class Interrupted(ColourReranker):
    """Raises KeyboardInterrupt when asked which items are white."""

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        if list(statements) == ["white"]:
            raise KeyboardInterrupt
        return super().judge(candidates, statements, deadline)


class Broken(ColourReranker):
    """Never answers."""

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        raise RerankerError("It broke.", remedy="Mend it.")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Items with two wrong colours in the catalog, and one whose sku and title are code."""
    store, encoder = Store(tmp_path / "home"), FakeEncoder()
    fill(store, encoder)
    green = make_image("green", noise=99)
    store.images.put(png(green))
    nasty = make_entry(encoder, "=1+1", NASTY, images=[green], attributes={"colour": "Red", "article": "mug"})
    store.catalog.commit(open_index_version(store, encoder), [nasty])
    yield store
    store.close()


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store) -> Run:
    """Runs ``vitrina audit`` with a simple reranker; returns its exit status, standard output and standard error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setenv("VITRINA_STORE", str(store.folder))
    monkeypatch.setenv("VITRINA_RERANKER", "https://vlm.example/v1")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, reranker: Reranker | None = None) -> tuple[int, str, str]:
        def opened(settings: Settings, closing: ExitStack) -> Reranker:
            return reranker or ColourReranker()

        monkeypatch.setattr("vitrina.api.rerankers.open_reranker", opened)
        return run_vitrina("audit", *arguments)

    return run


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_label_errors_are_printed_and_written(audit: Run, store: Store, tmp_path: Path) -> None:
    status, printed, complaint = audit("--csv", "found.csv", "--report", "found.html")
    assert status == 0
    line = next(line for line in printed.splitlines() if line.startswith("item-5"))
    assert line.split() == ["item-5", "A", "fine", "shirt", "colour", "Black", "2%", "White", "98%"]
    assert NASTY in printed
    assert "item-4" not in printed
    assert "3 contradictions between listing and photo" in printed
    assert "colour: 3 of 33 checked" in printed
    assert "article: 0 of 33 checked" in printed
    assert "33 of 37 items were audited." in complaint
    assert "4 items without an image." in complaint
    found = {row["sku"]: row for row in rows(tmp_path / "found.csv")}
    assert set(found) == {"item-5", "item-6", "'=1+1"}
    assert tuple(found["item-6"]) == COLUMNS
    assert list(found["item-6"].values()) == [
        *("item-6", "A fine boots", "colour", "White", "Red", "0.020", "0.980"),
        store.catalog.item("item-6").image_ids[0],
    ]
    assert found["'=1+1"]["title"] == NASTY
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("data:image/") == 3
    assert "&lt;script&gt;" in page


def test_limit_and_chosen_fields(audit: Run) -> None:
    status, printed, complaint = audit("--field", "article", "--limit", "6")
    assert status == 0
    assert "0 contradictions" in printed
    assert "article: 0 of 6 checked" in printed
    assert "colour" not in printed
    assert "6 of 6 items were audited." in complaint


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--field", "color"), "Audit one of: article, colour"),
        (("--csv", "nowhere/found.csv"), "There is no folder nowhere"),
        (("--report", "nowhere/found.html"), "There is no folder nowhere"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_errors_are_reported_before_a_model_is_opened(
    audit: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: pytest.fail("loaded"))
    status, printed, complaint = audit(*arguments)
    assert (status, printed) == (2, "")
    assert says in complaint


def test_without_a_reranker_the_error_says_how_to_set_one(audit: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_RERANKER", "off")
    status, _, complaint = audit()
    assert status == 1
    assert "no reranker on this installation" in complaint
    assert "VITRINA_RERANKER takes" in complaint


def test_results_before_an_interruption_are_written(
    audit: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vitrina.search.audit.audit.N_BATCH", 8)
    status, printed, complaint = audit("--csv", "found.csv", "--report", "found.html", reranker=Interrupted())
    assert status == 130
    assert "item-5" in printed
    assert "Interrupted. These are the results so far." in complaint
    assert "item-6" not in {row["sku"] for row in rows(tmp_path / "found.csv")}
    assert "item-5" in {row["sku"] for row in rows(tmp_path / "found.csv")}
    assert "It ended early." in (tmp_path / "found.html").read_text(encoding="utf-8")


def test_a_reranker_that_fails_for_good_is_an_error_after_the_files_are_written(audit: Run, tmp_path: Path) -> None:
    status, _, complaint = audit("--csv", "found.csv", reranker=Broken())
    assert status == 1
    assert "failed several times in a row" in complaint
    assert rows(tmp_path / "found.csv") == []


def test_of_many_the_most_confident_are_printed_and_the_first_that_failed_named(
    capfd: pytest.CaptureFixture[str],
) -> None:
    summary = AuditSummary(("colour",))
    for n in range(N_SHOWN + 1):
        found = LabelError(f"sku-{n}", "", "id", "colour", "Red", "Blue", 0.1, 0.9 + n / 1000)
        summary.add(ItemAudit(found.sku, ItemStatus.AUDITED, ("colour",), (found,)))
    for n in range(MAX_NAMED + 3):
        summary.add(ItemAudit(f"lost-{n}", ItemStatus.FAILED))
    show_label_errors(summary)
    printed = capfd.readouterr()
    assert f"the most confident {N_SHOWN} of them above" in printed.out
    assert printed.out.splitlines()[1].startswith(f"sku-{N_SHOWN}")
    assert "sku-0 " not in printed.out
    assert f"lost-{MAX_NAMED - 1} and 3 more." in printed.err
