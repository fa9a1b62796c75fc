"""Judged queries searched once, measured before and after reranking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.runs import a_run
from tests.fakes import COLOURS, FakeEncoder, make_entry, make_image
from tests.search.reranking.shops import ColourReranker, fill
from vitrina.evaluation.comparison import RETRIEVAL, compare_runs
from vitrina.evaluation.judged_search import (
    MEASURING_DEADLINE_S,
    NO_IMAGE,
    UNREADABLE,
    QueryResult,
    RerankedQuery,
    rerank_all,
    search_all,
    summarize_reranking,
)
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.run import RunInfo, make_run, read_run, write_run
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.base import Deadline
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.query import RerankOptions

RERANK = RerankOptions(top=36, explain=0)


@pytest.fixture
def model() -> ColourReranker:
    return ColourReranker(fusion_weights=FusionWeights(whole=1.0, parts=1.0))


@pytest.fixture
def engine(store: Store, encoder: FakeEncoder, model: ColourReranker) -> Iterator[SearchEngine]:
    """A shop of 36 items, two of which are listed in another colour than they have, and four without an image."""
    fill(store, encoder)
    with RerankPipeline.open(store, model, deadline_s=MEASURING_DEADLINE_S) as stage:
        yield SearchEngine.open(store, encoder).with_reranker(stage)


def of_colour(colour: str) -> JudgedQuery:
    """All that is of a colour, whatever its listing says."""
    place = list(COLOURS).index(colour)
    return JudgedQuery(colour, "k", {f"item-{number}": 1 for number in range(place, 36, 6)}, text=colour)


QUERIES = [of_colour(colour) for colour in COLOURS]


def test_both_orders_come_from_one_answer_to_each_query(engine: SearchEngine, encoder: FakeEncoder) -> None:
    done: list[int] = []
    n_texts = encoder.n_texts
    reranked = rerank_all(engine, QUERIES, RERANK, done.append)
    assert done == [1, 2, 3, 4, 5, 6]
    assert encoder.n_texts == n_texts + 6, "each query is asked once"
    assert [each.before for each in reranked] == search_all(engine, QUERIES, lambda _: None)
    for each in reranked:
        assert sorted(each.before.skus) == sorted(each.after.skus)
        assert dict(zip(each.before.skus, each.before.confidences, strict=True)) == dict(
            zip(each.after.skus, each.after.confidences, strict=True)
        )
    setting = RunInfo("fake", 36)
    before = make_run(setting, QUERIES, [each.before for each in reranked])
    after = make_run(setting, QUERIES, [each.after for each in reranked])
    change = compare_runs(after, before, RETRIEVAL).changes["k"]["ndcg@10"]
    assert change.before < change.after
    assert (change.n_wins, change.n_losses) == (2, 0), "red and white have an item that is listed as another colour"


def test_items_ask_by_their_photo_and_are_left_out(engine: SearchEngine) -> None:
    query = JudgedQuery("item", "k", of_colour("green").judged, sku="item-1")
    (reranked,) = rerank_all(engine, [query], RERANK, lambda _: None)
    assert len(reranked.after.skus) == 35
    assert "item-1" not in reranked.after.skus


def test_hidden_listings_are_no_evidence(store: Store, engine: SearchEngine) -> None:
    model = ColourReranker(fusion_weights=FusionWeights(whole=0.0, parts=1.0, known=0.0))
    queries = [replace(of_colour("white"), text="white boots")]

    def reranked(uses_catalog: bool) -> RerankedQuery:
        opened = RerankPipeline.open(store, model, deadline_s=MEASURING_DEADLINE_S, uses_catalog=uses_catalog)
        with opened as stage:
            return rerank_all(engine.with_reranker(stage), queries, RERANK, lambda _: None)[0]

    shown, hidden = reranked(uses_catalog=True), reranked(uses_catalog=False)
    assert shown.before == hidden.before
    black_by_its_listing, white_by_its_listing = "item-5", "item-6"
    assert shown.after.skus.index(white_by_its_listing) < shown.after.skus.index(black_by_its_listing)
    assert hidden.after.skus.index(black_by_its_listing) < hidden.after.skus.index(white_by_its_listing)


def test_hits_that_were_not_judged_are_counted_by_the_reason(
    store: Store, encoder: FakeEncoder, model: ColourReranker
) -> None:
    fill(store, encoder)
    lost = make_entry(encoder, "lost", "A mug", images=[make_image("red", noise=99)], attributes={"colour": "Red"})
    store.catalog.commit(open_index_version(store, encoder), [lost])
    model.after = lambda answers, deadline: np.where(answers == 0.5, np.nan, answers)  # nothing to see
    queries = [of_colour("red"), JudgedQuery("q", "k", {"item-1": 1}, text="nice")]
    with RerankPipeline.open(store, model, deadline_s=MEASURING_DEADLINE_S) as stage:
        engine = SearchEngine.open(store, encoder).with_reranker(stage)
        reranked = rerank_all(engine, queries, replace(RERANK, top=37), lambda _: None)
    assert [each.n_hits for each in reranked] == [37, 37]
    assert reranked[0].missed == {NO_IMAGE: 4, UNREADABLE: 1}
    assert reranked[1].missed == {NO_IMAGE: 4, "The query asks for nothing that shows.": 33}


def test_a_failing_reranker_is_reported_and_leaves_the_order(engine: SearchEngine, model: ColourReranker) -> None:
    def broken(deadline: Deadline) -> None:
        raise RerankerError("It broke.", remedy="Mend it.")

    model.before = broken
    reranked = rerank_all(engine, QUERIES, replace(RERANK, top=5), lambda _: None)
    assert [each.before for each in reranked] == [each.after for each in reranked]
    reranking = summarize_reranking("model", RERANK, reranked)
    assert reranking.n_reranked == 0
    assert sum(reranking.missed.values()) == reranking.n_hits == 30
    assert any("failed" in reason for reason in reranking.missed)


def test_an_unhurried_query_has_no_deadline(engine: SearchEngine, model: ColourReranker) -> None:
    left: list[float] = []

    def slow(deadline: Deadline) -> None:
        left.append(deadline.seconds_left)
        time.sleep(0.05)

    model.before = slow
    (reranked,) = rerank_all(engine, QUERIES[:1], replace(RERANK, deadline_ms=1), lambda _: None)
    assert reranked.missed == {NO_IMAGE: 4}
    assert reranked.judge_ms >= 50
    assert MEASURING_DEADLINE_S / 2 < left[0] < MEASURING_DEADLINE_S


def test_queries_are_summed_up() -> None:
    found = QueryResult((), ())
    missed = ({UNREADABLE: 1}, {NO_IMAGE: 2})
    reranked = [RerankedQuery(found, found, 20, missed[at % 2], judge_ms=float(at)) for at in range(101)]
    reranking = summarize_reranking("model", RerankOptions(top=20), reranked, listings=False)
    assert (reranking.n_hits, reranking.n_reranked) == (2020, 2020 - 100 - 51)
    assert list(reranking.missed.items()) == [(NO_IMAGE, 100), (UNREADABLE, 51)]
    assert (reranking.median_ms, reranking.p95_ms) == (50, 95)
    summary = " ".join(reranking.sentences)
    assert "model: up to 20 hits per query, images alone" in summary
    assert "100 were not judged: It has no image." in summary
    assert "50 ms per query at the median, 95 at the 95th percentile" in summary


def test_a_reranked_run_survives_its_file_and_old_files_have_none(tmp_path: Path) -> None:
    plain, path = a_run({"q": ["a"]}, {"q": {"a": 1}}), tmp_path / "run.json"
    found = QueryResult((), ())
    reranked = replace(
        plain, reranking=summarize_reranking("model", RERANK, [RerankedQuery(found, found, 1, {NO_IMAGE: 1}, 3.0)])
    )
    write_run(reranked, path)
    assert read_run(path) == reranked
    write_run(plain, path)
    without = path.read_text(encoding="utf-8").replace(',"reranking":null', "")
    assert "reranking" not in without
    path.write_text(without, encoding="utf-8")
    assert read_run(path) == plain
