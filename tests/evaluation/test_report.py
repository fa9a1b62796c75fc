"""The report as a browser would get it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.evaluation.runs import a_run
from tests.fakes import FakeEncoder, make_entry, make_image, png
from vitrina.evaluation.comparison import check_gates, compare_runs, parse_gate
from vitrina.evaluation.judged_search import QueryResult
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.report import worst, write_report
from vitrina.evaluation.run import Run, RunInfo, make_run
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.store.store import Store

NASTY = '<script>alert("x")</script>'
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Reads a page, and remembers what it loads and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.elements: set[str] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def shop(store: Store, encoder: FakeEncoder) -> Store:
    """Items ``red``, ``green``, ... with an image, ``bare`` without, ``nasty`` with a title that is code."""
    shots = {colour: png(make_image(colour)) for colour in ("red", "green", "blue")}
    store.images.put_all(list(shots.values()))
    entries = [make_entry(encoder, colour, f"The {colour} one", images=[make_image(colour)]) for colour in shots]
    entries += [make_entry(encoder, "bare", "No photo"), make_entry(encoder, "nasty", NASTY)]
    store.catalog.commit(open_index_version(store, encoder), entries)
    return store


def render(shop: Store, folder: Path, run: Run, earlier: Run | None = None, require: tuple[str, ...] = ()) -> Page:
    checks = check_gates(run, [parse_gate(text, ["k"]) for text in require])
    path = folder / "report.html"
    write_report(path, shop, run, comparisons=[compare_runs(run, earlier)] if earlier else [], checks=checks)
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    assert "script" not in page.elements
    assert all(source.startswith("data:image/") for source in page.sources)
    return page


def test_a_failure_shows_what_was_expected_and_what_came(shop: Store, tmp_path: Path) -> None:
    run = a_run({"q": ["bare", "green", "gone"]}, {"q": {"red": 1, "green": 1}}, confidences=[0.4, 0.9])
    page = render(shop, tmp_path, run, require=("ndcg@10=0.9",))
    for said in ("text of q", "The red one", "past rank 100", "The green one", "90% sure", "no longer in the catalog"):
        assert said in page.text
    assert "not met ndcg@10=0.9" in page.text
    assert "expected calibration error" in page.text
    assert len(page.sources) == 2


def test_wins_and_losses_show_both_rankings(shop: Store, tmp_path: Path) -> None:
    judged = {"won": {"red": 1}, "lost": {"blue": 1}}
    earlier = a_run({"won": ["green", "red"], "lost": ["blue"]}, judged)
    page = render(shop, tmp_path, a_run({"won": ["red"], "lost": ["green", "blue"]}, judged), earlier)
    assert "Lost most 1 of 1" in page.text
    assert "Won most 1 of 1" in page.text
    assert "-0.369" in page.text
    assert "+0.369" in page.text


def test_queries_and_titles_are_text_not_code(shop: Store, tmp_path: Path) -> None:
    query = JudgedQuery(NASTY, NASTY, {"red": 1}, text=NASTY)
    page = render(
        shop, tmp_path, make_run(RunInfo("fake", 5, notes=(NASTY,)), [query], [QueryResult(("nasty",), (None,))])
    )
    assert page.text.count(NASTY) >= 4


def test_photos_that_asked_are_shown(shop: Store, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(make_image("yellow", size=(600, 300))))
    queries = [
        JudgedQuery("by photo", "k", {"red": 1}, image=photo),
        JudgedQuery("by item", "like k", {"red": 1, "green": 1}, sku="green"),
        JudgedQuery("gone", "k", {"red": 1}, image=tmp_path / "gone.png"),
    ]
    page = render(shop, tmp_path, make_run(RunInfo("fake", 5), queries, [QueryResult((), ())] * 3))
    assert "The green one" in page.text
    assert sum(source.startswith("data:image/jpeg") for source in page.sources) == 1


def test_a_perfect_run_has_no_worst_queries(shop: Store, tmp_path: Path) -> None:
    run = a_run({"q": ["red"]}, {"q": {"red": 1}})
    assert "Every query is answered perfectly." in render(shop, tmp_path, run, earlier=run).text


def test_the_worst_come_first_and_of_each_kind() -> None:
    judged = {f"q{at}": dict.fromkeys([f"r{n}" for n in range(at + 1)], 1) for at in range(20)}
    run = a_run({query: [] for query in judged}, judged)
    assert [result.id for result in worst(run)] == [f"q{at}" for at in range(19, 7, -1)]
    several = a_run({query: [] for query in judged}, judged, kinds={"q0": "other"})
    assert [result.id for result in worst(several)] == ["q0", "q19", "q18", "q17", "q16"]
