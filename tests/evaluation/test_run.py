"""Runs: from queries over a catalog to values that survive a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation.runs import a_run
from tests.fakes import FakeEncoder, make_entry, make_image, png
from vitrina.evaluation.judged_search import QueryResult, search_all
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.run import ALL, RunInfo, make_run, read_run, write_run
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.errors import ImageError, SourceError


@pytest.fixture
def engine(store: Store, encoder: FakeEncoder) -> SearchEngine:
    """Six items per colour, each with an image of it, and no words to match."""
    entries = [
        make_entry(encoder, f"{colour}-{at}", text="", images=[make_image(colour, noise=at)])
        for colour in ("red", "blue", "green")
        for at in range(6)
    ]
    store.catalog.commit(open_index_version(store, encoder), entries)
    return SearchEngine.open(store, encoder)


def of_colour(colour: str) -> dict[str, int]:
    return {f"{colour}-{at}": 1 for at in range(6)}


def test_words_images_and_items_ask_the_engine(engine: SearchEngine, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png(make_image("blue", noise=99)))
    queries = [
        JudgedQuery("words", "k", of_colour("red"), text="red"),
        JudgedQuery("photo", "k", of_colour("blue"), image=photo),
        JudgedQuery("item", "k", of_colour("green"), sku="green-3"),
    ]
    done: list[int] = []
    found = search_all(engine, queries, done.append)
    assert done == [1, 2, 3]
    assert [len(each.skus) for each in found] == [18, 18, 17]
    assert "green-3" not in found[2].skus
    run = make_run(RunInfo("fake", 18), queries, found)
    assert [result.metrics["ndcg@10"] for result in run.results] == pytest.approx([1, 1, 1])
    assert [result.n_relevant for result in run.results] == [6, 6, 5]


def test_an_image_that_cannot_be_used_is_named(engine: SearchEngine, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no picture")
    query = JudgedQuery("photo", "k", of_colour("red"), image=broken)
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        search_all(engine, [query], lambda _: None)
    with pytest.raises(ImageError, match="cannot be read"):
        search_all(engine, [replace(query, image=tmp_path / "gone.jpg")], lambda _: None)


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    run = a_run({"q": ["a", "b"], "r": []}, {"q": {"b": 2, "c": 3}, "r": {"ü": 1}}, confidences=[0.5, 0.25])
    write_run(run, tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == run
    first, second = run.results
    assert (first.relevance, first.missed, first.confidences) == ((0, 2), ("c",), (0.5, 0.25))
    assert (second.ranking, second.missed, second.metrics["mrr"]) == ((), ("ü",), 0)


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2}', "[1, 2]"])
def test_files_that_hold_no_run_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match="is not a run"):
        read_run(tmp_path / "run.json")
    with pytest.raises(SourceError, match="cannot be read"):
        read_run(tmp_path / "missing.json")


def test_several_kinds_are_summed_up_together_and_apart() -> None:
    judged = {"q": {"a": 1}, "r": {"a": 1}, "s": {"a": 1}}
    run = a_run({"q": ["a"], "r": ["b", "a"], "s": ["b"]}, judged, kinds={"q": "first"})
    assert [(each.kind, each.n_queries) for each in run.summaries] == [(ALL, 3), ("first", 1), ("k", 2)]
    assert run.summary(ALL).metrics["mrr"].mean == pytest.approx(0.5)
    assert run.summary("k").metrics["mrr"].mean == pytest.approx(0.25)
    assert run.summary("k").metrics["mrr"].low == 0
    assert [each.kind for each in a_run({"q": ["a"]}, judged).summaries] == ["k"]


def test_confidence_is_judged_over_the_first_ten_hits() -> None:
    skus = [f"s{at}" for at in range(15)]
    run = a_run({"q": skus}, {"q": dict.fromkeys(skus[:10], 1)}, confidences=[0.8] * 15)
    assert run.reliability is not None
    assert run.reliability.n_hits == 10
    assert run.reliability.calibration_error == pytest.approx(0.2)
    assert a_run({"q": skus}, {"q": {"s0": 1}}).reliability is None


def test_the_best_that_the_first_page_lacks_are_kept() -> None:
    run = make_run(
        RunInfo("fake", 3),
        [JudgedQuery("q", "k", {"shown": 3, "fair": 1, "best": 2, "bad": 0})],
        [QueryResult(("shown",), (None,))],
    )
    assert run.results[0].missed == ("best", "fair")
