"""The whole way: a query's answer, looked at again and explained."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeEncoder, blank_catalog, make_entry, make_image, png
from tests.search.reranking.shops import WRONG_COLOURS, ColourReranker, fill
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.base import Deadline, Probabilities
from vitrina.search.reranking.client import NOTES
from vitrina.search.reranking.fusion import FusionWeights, write_fusion_weights
from vitrina.search.reranking.pipeline import RerankPipeline, merged
from vitrina.search.reranking.verdicts import HitVerdicts
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Answer, Explained, Hit, Reranked, RerankStatus, Retrieved
from vitrina.search.types.errors import FilterError, NotFoundError, RerankerError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.query import Query, RerankOptions
from vitrina.search.types.requirement import Author, Evidence, Status

LATE_S = 2.0
"""Far more than an answer is late where the machine has nothing else to do."""

IN_TIME = RerankOptions(deadline_ms=20_000, explain_ms=20_000)
BOLD = FusionWeights(whole=1.0, parts=1.0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "catalog.db").write_bytes(blank_catalog())
    store = Store(folder)
    fill(store, encoder)
    yield store
    store.close()


@pytest.fixture(scope="module")
def engine(shop: Store, encoder: FakeEncoder) -> SearchEngine:
    return SearchEngine.open(shop, encoder)


@pytest.fixture
def model() -> ColourReranker:
    return ColourReranker(fusion_weights=BOLD)


@pytest.fixture
def reranking(shop: Store, engine: SearchEngine, model: ColourReranker) -> Iterator[SearchEngine]:
    with RerankPipeline.open(shop, model) as stage:
        yield engine.with_reranker(stage)


def skus(answer: Answer) -> list[str]:
    return [hit.stored.item.sku for hit in answer.hits]


def shown_colour(hit: Hit) -> str:
    return ("red", "green", "blue", "yellow", "black", "white")[int(hit.stored.item.sku.removeprefix("item-")) % 6]


def check(answer: Answer, retrieved: Answer, offset: int = 0) -> None:
    """An order that can be defended, and an answer that says what became of each hit."""
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    assert [hit.rank for hit in answer.hits] == list(range(offset + 1, offset + 1 + len(scores)))
    assert len(set(skus(answer))) == len(scores) == len(retrieved.hits)
    for hit in answer.hits:
        assert hit.rerank_status is RerankStatus.RERANKED or hit.rank == hit.retrieval_rank
        assert len(hit.verdicts) in (0, len(answer.requirements))
    if answer.rerank_status is not RerankStatus.RERANKED:
        assert skus(answer) == skus(retrieved)
        assert scores == [hit.score for hit in retrieved.hits]
    assert answer.n_candidates == retrieved.n_candidates
    assert answer.no_good_match == retrieved.no_good_match


def test_what_the_image_shows_comes_first(reranking: SearchEngine, engine: SearchEngine) -> None:
    query = Query("white boots", limit=20)
    answer = reranking.search(query, IN_TIME)
    check(answer, engine.search(query))
    assert answer.rerank_status is RerankStatus.RERANKED
    assert answer.reranker == "simple eyes"
    assert [r.name for r in answer.requirements] == ["colour: white", "article: boots"]
    reranked = [hit for hit in answer.hits if hit.rerank_status is RerankStatus.RERANKED]
    same_fields = [
        hit for hit in reranked if dict(hit.stored.item.attributes) == {"colour": "White", "article": "boots"}
    ]
    assert [shown_colour(hit) for hit in same_fields] == ["white", "red"]
    assert same_fields[0] is reranked[0]
    for name in ("requirements", "judge", "verdicts", "compare", "explain", "total"):
        assert answer.timings_ms[name] >= 0
    assert answer.timings_ms["total"] >= answer.timings_ms["judge"] + answer.timings_ms["vectors"]


def test_a_listing_that_its_image_contradicts(reranking: SearchEngine) -> None:
    answer = reranking.search(Query("white", limit=30), replace(IN_TIME, top=36))
    hits = {hit.stored.item.sku: hit for hit in answer.hits}
    wrong = hits["item-6"].verdicts[0]
    assert wrong.disagreement == "listing says White, photo looks red"
    assert (wrong.catalog_value, wrong.image_value, wrong.evidence) == ("White", "red", Evidence.BOTH)
    assert wrong.status is Status.UNKNOWN
    assert hits["item-5"].verdicts[0].disagreement == "listing says Black, photo looks white"
    told = {sku for sku, hit in hits.items() if hit.verdicts[0].disagreement}
    assert told == {f"item-{number}" for number in WRONG_COLOURS}


def test_only_conflicts_cost_a_second_call(reranking: SearchEngine, model: ColourReranker) -> None:
    reranking.search(Query("white", limit=5), replace(IN_TIME, top=3))
    first, *more = model.asked
    assert first[1] == ("white",)
    assert sum(len(keys) for keys, _ in more) <= 2


def test_an_item_without_an_image_keeps_its_place_and_is_judged_by_its_listing(reranking: SearchEngine) -> None:
    answer = reranking.search(Query("boots", limit=36), replace(IN_TIME, top=36))
    blind = [hit for hit in answer.hits if not hit.stored.image_ids]
    assert len(blind) == 4
    for hit in blind:
        assert hit.rerank_status is RerankStatus.NOT_ASKED
        assert hit.rank == hit.retrieval_rank
        assert hit.verdicts[0].evidence is Evidence.FIELD


def test_with_listings_hidden_only_images_count(shop: Store, engine: SearchEngine, model: ColourReranker) -> None:
    with RerankPipeline.open(shop, model, uses_catalog=False) as pipeline:
        answer = engine.with_reranker(pipeline).search(Query("white boots", limit=20), IN_TIME)
    for hit in answer.hits:
        colour, article = hit.verdicts
        assert colour.catalog_value is article.catalog_value is colour.disagreement is None
        assert article.status is Status.UNKNOWN
        with_image = hit.rerank_status is RerankStatus.RERANKED
        assert colour.evidence is (Evidence.IMAGE if with_image else Evidence.NOTHING)
        assert not with_image or (colour.status is Status.MET) == (shown_colour(hit) == "white")


def test_what_must_not_be_goes_down(reranking: SearchEngine, engine: SearchEngine) -> None:
    query = Query("boots", without="red", limit=20)
    answer = reranking.search(query, IN_TIME)
    check(answer, engine.search(query))
    judged = [
        hit for hit in answer.hits if hit.rerank_status is RerankStatus.RERANKED and not hit.verdicts[1].disagreement
    ]
    found = {(shown_colour(hit) == "red", hit.verdicts[1].status) for hit in judged}
    assert found == {(True, Status.CONTRADICTED), (False, Status.MET)}


def test_a_certain_hit_stays_first(engine: SearchEngine) -> None:
    answer = engine.search(Query("item-14", limit=5))
    assert [hit.certain for hit in answer.hits] == [True] + [False] * 4
    totals = np.array([-9.0, 1.0, 2.0, 3.0, 4.0])
    judged = HitVerdicts(((),) * 5, (RerankStatus.RERANKED,) * 5, totals, frozenset(), "")
    assert skus(merged(answer, judged)) == [skus(answer)[0], *reversed(skus(answer)[1:])]


def test_a_photo_asks_for_its_article_and_colour(reranking: SearchEngine, engine: SearchEngine) -> None:
    query = Query(images=(make_image("green"),), limit=12)
    answer = reranking.search(query, IN_TIME)
    check(answer, engine.search(query))
    assert "colour: green" in [requirement.name for requirement in answer.requirements]
    similar = reranking.search(Query(skus=("item-3",), limit=12, exclude_skus=("item-3",)), IN_TIME)
    assert [requirement.name for requirement in similar.requirements] == ["colour: yellow", "article: shirt"]
    assert "item-3" not in skus(similar)


def test_off_is_the_engines_own_answer(reranking: SearchEngine, engine: SearchEngine, model: ColourReranker) -> None:
    query = Query("white boots")
    assert reranking.search(query).hits == engine.search(query).hits
    assert reranking.search(query).rerank_status is RerankStatus.NOT_ASKED
    assert reranking.search(Query(skus=("item-3",), exclude_skus=("item-3",))).reranker is None
    assert model.asked == []


def test_the_answer_comes_in_steps(reranking: SearchEngine, engine: SearchEngine) -> None:
    query = Query("white boots")
    first, second, *rest = reranking.stream(query, IN_TIME)
    assert isinstance(first, Retrieved)
    assert isinstance(second, Reranked)
    assert skus(first.answer) == skus(engine.search(query))
    assert [hit.retrieval_rank for hit in first.answer.hits] == list(range(1, 11))
    assert first.answer.rerank_status is RerankStatus.NOT_ASKED
    assert len(rest) == 5
    for number, event in enumerate(rest, start=1):
        assert isinstance(event, Explained)
        assert (event.rank, event.sku) == (number, second.answer.hits[number - 1].stored.item.sku)
        assert event.explanation.text
    final = reranking.search(query, IN_TIME)
    assert skus(final) == skus(second.answer)
    assert [hit.explanation is not None for hit in final.hits] == [True] * 5 + [False] * 5


def test_the_stream_may_be_left_at_any_step(reranking: SearchEngine, model: ColourReranker) -> None:
    events = reranking.stream(Query("white boots"), IN_TIME)
    assert model.asked == []
    next(events)
    assert model.asked == []
    del events
    assert model.asked == []


def test_closing_ends_the_step_under_way_and_begins_nothing_more(
    shop: Store, engine: SearchEngine, model: ColourReranker
) -> None:
    judging = threading.Event()

    def until_the_deadline(deadline: Deadline) -> None:
        judging.set()
        while deadline.seconds_left:
            time.sleep(0.01)

    model.before = until_the_deadline
    pipeline = RerankPipeline.open(shop, model, deadline_s=600.0)
    events = engine.with_reranker(pipeline).stream(Query("white boots", limit=30), replace(IN_TIME, top=36))
    next(events)

    def close_once_it_judges() -> None:
        judging.wait(30)
        events.close()

    closing = threading.Thread(target=close_once_it_judges)
    closing.start()
    started = time.monotonic()
    list(events)
    closing.join()
    assert time.monotonic() - started < LATE_S
    assert len(model.asked) == 1, "listings that their pictures contradict are not looked at a second time"
    assert list(events) == []


def test_what_is_wrong_with_a_query_raises_before_the_first_event(reranking: SearchEngine) -> None:
    with pytest.raises(NotFoundError):
        reranking.stream(Query(skus=("nobody",)), IN_TIME)
    with pytest.raises(NotFoundError):
        reranking.stream(Query(skus=("item-3",), exclude_skus=("nobody",)), IN_TIME)
    with pytest.raises(FilterError):
        reranking.search(Query("red", filters=parse_filters({"nothing": "x"})), IN_TIME)


def test_pages_neither_repeat_nor_skip(reranking: SearchEngine) -> None:
    whole = reranking.search(Query("white boots", limit=30), replace(IN_TIME, top=15))
    paged = [
        hit
        for offset in (0, 4, 8, 12, 16, 20, 24, 28)
        for hit in reranking.search(Query("white boots", limit=4, offset=offset), replace(IN_TIME, top=15)).hits
    ]
    assert [hit.stored.item.sku for hit in paged[:30]] == skus(whole)
    assert [hit.rank for hit in paged] == list(range(1, 33))
    assert all(hit.rerank_status is RerankStatus.NOT_ASKED for hit in whole.hits[15:])
    assert all(hit.verdicts for hit in paged)


def test_below_the_top_nothing_is_judged(reranking: SearchEngine, model: ColourReranker) -> None:
    answer = reranking.search(Query("white boots", offset=20), IN_TIME)
    assert model.asked == []
    assert answer.rerank_status is RerankStatus.NOT_ASKED
    assert answer.rerank_note
    assert answer.hits[0].rank == 21


def test_a_query_of_nothing_that_shows(reranking: SearchEngine, engine: SearchEngine, model: ColourReranker) -> None:
    answer = reranking.search(Query("something nice"), IN_TIME)
    check(answer, engine.search(Query("something nice")))
    assert answer.requirements == ()
    assert answer.rerank_status is RerankStatus.NOT_ASKED
    assert answer.hits[0].explanation is None
    assert model.asked == []


def test_the_same_query_again_is_answered_from_memory(reranking: SearchEngine, model: ColourReranker) -> None:
    first = reranking.search(Query("white boots"), IN_TIME)
    n_judged = model.n_judged
    assert n_judged
    again = reranking.search(Query("white boots"), IN_TIME)
    assert model.n_judged == n_judged
    assert again.hits == first.hits
    reranking.search(Query("white mug"), IN_TIME)
    assert ("white",) not in [statements for _, statements in model.asked[1:]]


def test_another_encoder_keeps_what_was_said(shop: Store, reranking: SearchEngine, model: ColourReranker) -> None:
    reranking.search(Query("white boots"), replace(IN_TIME, top=36))
    n_judged = model.n_judged
    again = SearchEngine.open(shop, reranking.encoder, reranking.reranker)
    again.search(Query("white boots"), replace(IN_TIME, top=36))
    assert model.n_judged == n_judged


def test_ties_keep_the_retrievals_order(shop: Store, engine: SearchEngine) -> None:
    model = ColourReranker(fusion_weights=FusionWeights(retrieval=0.0, whole=0.0, parts=0.0))
    with RerankPipeline.open(shop, model) as stage:
        answer = engine.with_reranker(stage).search(Query("white boots", limit=20), IN_TIME)
    assert [hit.retrieval_rank for hit in answer.hits] == list(range(1, 21))


def test_a_model_whose_answers_do_not_count_explains_and_keeps_the_order(shop: Store, engine: SearchEngine) -> None:
    model = ColourReranker(fusion_weights=FusionWeights(whole=0.0, parts=0.0))
    with RerankPipeline.open(shop, model) as stage:
        answer = engine.with_reranker(stage).search(Query("white boots", limit=20), IN_TIME)
    assert answer.rerank_status is RerankStatus.JUDGED
    assert answer.rerank_note == NOTES[RerankStatus.JUDGED]
    assert [hit.retrieval_rank for hit in answer.hits] == list(range(1, 21))
    assert {hit.rerank_status for hit in answer.hits if hit.stored.image_ids} == {RerankStatus.JUDGED}
    assert all(hit.verdicts for hit in answer.hits)


def test_candidates_without_an_answer_keep_their_place_and_say_so(
    reranking: SearchEngine, engine: SearchEngine, model: ColourReranker
) -> None:
    def every_third_gone(answers: Probabilities, deadline: Deadline) -> Probabilities:
        answers[::3] = np.nan
        return answers

    model.after = every_third_gone
    query = Query("white boots", limit=20)
    retrieved = engine.search(query)
    answer = reranking.search(query, IN_TIME)
    check(answer, retrieved)
    states = {hit.stored.item.sku: hit.rerank_status for hit in answer.hits}
    with_image = [hit.stored.item.sku for hit in retrieved.hits if hit.stored.image_ids]
    for place, sku in enumerate(with_image):
        assert states[sku] is (RerankStatus.FAILED if place % 3 == 0 else RerankStatus.RERANKED)
    assert answer.rerank_note == "The reranker failed."


def broken(deadline: Deadline) -> None:
    raise RerankerError("It broke.", remedy="Mend it.")


def test_a_broken_reranker_costs_the_reranking_alone(
    reranking: SearchEngine, engine: SearchEngine, model: ColourReranker
) -> None:
    model.before = broken
    query = Query("white boots")
    for number in range(8):
        answer = reranking.search(query, IN_TIME)
        check(answer, engine.search(query))
        assert answer.rerank_status is RerankStatus.FAILED
        assert answer.hits[0].verdicts[0].evidence is Evidence.FIELD
        assert answer.hits[0].explanation is not None
        assert ("left alone" in answer.rerank_note) is (number >= 5)
    assert len(model.asked) == 5


def test_a_reranker_that_hangs_is_not_waited_for(
    reranking: SearchEngine, engine: SearchEngine, model: ColourReranker
) -> None:
    release = threading.Event()

    def hang(deadline: Deadline) -> None:
        release.wait(30)

    model.before = hang
    started = time.monotonic()
    answer = reranking.search(Query("white boots"), RerankOptions(deadline_ms=100))
    assert time.monotonic() - started < 0.1 + LATE_S
    release.set()
    check(answer, engine.search(Query("white boots")))
    assert answer.rerank_status is RerankStatus.LATE
    assert "deadline" in answer.rerank_note


def test_explanations_that_fail_or_hang_are_written_by_template(shop: Store, engine: SearchEngine) -> None:
    release = threading.Event()
    n_asked = 0

    def explain(*_: object) -> None:
        nonlocal n_asked
        n_asked += 1
        if n_asked == 1:
            raise RuntimeError("Out of words.")
        release.wait(30)

    stage = RerankPipeline(shop.images, ColourReranker(), explain=explain)  # type: ignore[arg-type]
    started = time.monotonic()
    with stage:
        answer = engine.with_reranker(stage).search(Query("white boots"), replace(IN_TIME, explain_ms=100))
    assert time.monotonic() - started < 0.1 + LATE_S
    n_asked_in_time = n_asked
    release.set()
    told = [hit.explanation for hit in answer.hits[:5]]
    assert all(each is not None and each.written_by is Author.TEMPLATE and each.text for each in told)
    assert n_asked_in_time in (2, 3)  # a third may have the millisecond that the second left


def test_what_the_model_writes_stands_where_the_verdicts_support_it(shop: Store, engine: SearchEngine) -> None:
    for writes, author in (("These are white boots.", Author.MODEL), ("It is made of gold.", Author.TEMPLATE)):
        with RerankPipeline.open(shop, ColourReranker(writes=writes)) as stage:
            answer = engine.with_reranker(stage).search(Query("white boots"), replace(IN_TIME, top=36, explain=20))
        fitting = [hit for hit in answer.hits if all(v.status is Status.MET for v in hit.verdicts)]
        assert fitting
        assert all(hit.explanation is not None and hit.explanation.written_by is author for hit in fitting)


def test_an_image_that_is_lost_or_damaged(store: Store, encoder: FakeEncoder) -> None:
    images = [make_image("white", noise=number) for number in range(3)]
    store.images.put(png(images[0]))
    entries = [
        make_entry(encoder, sku, "white mug", images=[shown], attributes={"colour": "white"})
        for sku, shown in zip("abc", images, strict=True)
    ]
    damaged = store.images.put(b"\xff\xd8\xff no picture at all")
    entries[2] = replace(entries[2], image_ids=(damaged,))
    store.catalog.commit(open_index_version(store, encoder), entries)
    with RerankPipeline.open(store, ColourReranker()) as stage:
        answer = SearchEngine.open(store, encoder).with_reranker(stage).search(Query("white mug"), IN_TIME)
    states = {hit.stored.item.sku: hit.rerank_status for hit in answer.hits}
    assert states == {"a": RerankStatus.RERANKED, "b": RerankStatus.NOT_ASKED, "c": RerankStatus.NOT_ASKED}


def test_an_empty_catalog(store: Store, encoder: FakeEncoder, model: ColourReranker) -> None:
    open_index_version(store, encoder)
    with RerankPipeline.open(store, model) as stage:
        answer = SearchEngine.open(store, encoder).with_reranker(stage).search(Query("white mug"), IN_TIME)
    assert answer.hits == ()
    assert answer.rerank_status is RerankStatus.NOT_ASKED


def test_the_fusion_weights_of_this_catalog_goes_before_the_models_own(store: Store) -> None:
    own, fitted = FusionWeights(whole=0.5), FusionWeights(whole=0.7, source="our queries")
    model = ColourReranker(fusion_weights=own)
    assert RerankPipeline.open(store, model).fusion_weights == own
    assert RerankPipeline.open(store, ColourReranker()).fusion_weights == FusionWeights()
    path = store.fusion_weights_file(model.identity)
    write_fusion_weights(path, fitted)
    assert RerankPipeline.open(store, model).fusion_weights == fitted
    path.write_text("{", encoding="utf-8")
    with pytest.raises(RerankerError, match="damaged"):
        RerankPipeline.open(store, model)


@given(
    words=st.lists(st.sampled_from(["white", "red", "boots", "mug", "striped", "not", "blue"]), min_size=1, max_size=4),
    limit=st.integers(1, 20),
    offset=st.integers(0, 20),
    top=st.integers(1, 30),
)
def test_any_page_of_any_query_is_one_that_can_be_defended(
    reranking: SearchEngine, engine: SearchEngine, words: list[str], limit: int, offset: int, top: int
) -> None:
    query = Query(" ".join(words), limit=limit, offset=offset)
    answer = reranking.search(query, replace(IN_TIME, top=top, explain=0))
    check(answer, engine.search(query), offset)


def test_the_model_gets_less_time_where_what_follows_takes_long(
    shop: Store, engine: SearchEngine, model: ColourReranker
) -> None:
    given: list[float] = []
    model.before = lambda deadline: given.append(deadline.seconds_left)
    options = RerankOptions(deadline_ms=20_000, explain=0)
    with RerankPipeline.open(shop, model) as stage:
        stage._after_s = 30.0
        engine.with_reranker(stage).search(Query("red"), options)
        assert stage._after_s < 30.0
        assert 5 < given[0] <= 0.75 * 20
        given.clear()
        stage._after_s = 0.0
        engine.with_reranker(stage).search(Query("blue"), options)
    assert given[0] > 15
