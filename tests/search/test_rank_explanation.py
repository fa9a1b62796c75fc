"""Why an item has its rank: ranks by each part, failed filters, verdicts, and the sentence that says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import CALIBRATION, FakeEncoder, make_entry, make_image, open_replica
from tests.search.reranking.shops import ColourReranker, fill
from tests.search.retrieval.test_engine import N_ITEMS, boutique, make_engine
from vitrina.search.engine import SearchEngine
from vitrina.search.rank_explanation import explain_rank
from vitrina.search.rank_sentence import ordinal
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.retrieval.catalog_scores import AVOIDED
from vitrina.search.retrieval.retriever import SCORE_SCALE
from vitrina.search.store.store import Store
from vitrina.search.types.answer import RerankStatus, Stopwatch
from vitrina.search.types.errors import FilterError, NoRerankerError, NotFoundError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.query import PRICE_ASC, PRICE_DESC, Query, RerankOptions, Weights, sort_order
from vitrina.search.types.rank_explanation import Placement, RankExplanation
from vitrina.search.types.requirement import Evidence, Status
from vitrina.search.types.trust import Part

UNHURRIED = RerankOptions(top=20, deadline_ms=30_000)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    encoder = FakeEncoder(calibration=CALIBRATION)
    engine = make_engine(tmp_path_factory.mktemp("engine"), encoder, boutique(encoder))
    yield engine
    engine.catalog.close()


@pytest.fixture
def reranking(tmp_path: Path) -> Iterator[SearchEngine]:
    """Items of each colour and article in turn, a few listed in a wrong colour, and a reranker that sees colours."""
    store, encoder = Store(tmp_path / "store"), FakeEncoder()
    fill(store, encoder)
    with RerankPipeline.open(store, ColourReranker(fusion_weights=FusionWeights(whole=1.0, parts=1.0))) as pipeline:
        open_replica(store, encoder)
        yield SearchEngine.open(store, encoder, pipeline)
    store.close()


def part(explained: RankExplanation, name: Part) -> tuple[float, int | None]:
    return next((each.score, each.rank) for each in explained.parts if each.part is name)


@pytest.mark.parametrize(
    "query",
    [
        Query("red shirt", limit=N_ITEMS),
        Query("red striped shirt", without="boots", limit=N_ITEMS),
        Query("boots", images=(make_image("green"),), limit=N_ITEMS),
        Query("red shirt", min_confidence=0.3, limit=N_ITEMS),
        Query("red shirt", sort=PRICE_DESC, limit=N_ITEMS),
        Query("red shirt", filters=parse_filters({"colour": "red"}), limit=N_ITEMS),
        Query("red shirt", offset=5, limit=3),
        Query(filters=parse_filters({"article": "mug"}), sort=PRICE_ASC, limit=N_ITEMS),
        Query("red shirt", sort=sort_order("price_cents:desc"), limit=N_ITEMS),
    ],
)
def test_every_hit_is_explained_at_the_rank_and_score_that_the_search_gives_it(
    engine: SearchEngine, query: Query
) -> None:
    answer = engine.search(query)
    assert answer.hits
    for hit in answer.hits[::7]:
        explained = explain_rank(engine, query, hit.item.sku)
        assert explained.placement is Placement.HIT
        assert (explained.rank, explained.n_candidates) == (hit.rank, answer.n_candidates)
        assert explained.score == pytest.approx(hit.score, abs=1e-9)
        assert explained.confidence == pytest.approx(hit.confidence, abs=1e-9)
        assert explained.sentence.startswith(f"It is {ordinal(hit.rank)} of ")


@pytest.mark.parametrize(
    "query",
    [
        Query("red shirt"),
        Query("shirt not red"),
        Query("yellow boots", images=(make_image("blue"),), weights=Weights(text=2, image=0.5)),
        Query(images=(make_image("blue"),)),
    ],
)
def test_parts_add_up_to_the_total(engine: SearchEngine, query: Query) -> None:
    for sku in ("item-0", "item-7", "item-101"):
        explained = explain_rank(engine, query, sku)
        total = sum(each.contribution for each in explained.parts) - explained.penalty
        assert 1 / (1 + np.exp(-total / SCORE_SCALE)) == pytest.approx(explained.score, abs=1e-6)


def test_ranks_by_a_part_are_those_of_a_sort_by_it_alone(engine: SearchEngine) -> None:
    query = Query("blue shirt")
    ranked = engine.rank(query)
    for at in (0, 50, 179):
        sku = engine.catalog.items([int(ranked.item_ids[at])])[int(ranked.item_ids[at])].item.sku
        explained = explain_rank(engine, query, sku)
        for each in explained.parts:
            by_part = np.sort(ranked.parts[each.part])[::-1]
            assert each.score == ranked.parts[each.part][at]
            if each.rank is not None:
                assert by_part[each.rank - 1] == each.score
    assert part(explain_rank(engine, query, "item-2"), Part.TITLE) == (1.0, 1)
    assert part(explain_rank(engine, query, "item-7"), Part.WORDS) == (0.0, None)


def test_words_and_requirements_that_it_lacks_are_named(engine: SearchEngine) -> None:
    explained = explain_rank(engine, Query("red striped shirt"), "item-2")
    assert explained.placement is Placement.OTHER_PAGE
    assert explained.words == {"red": False, "striped": False, "shirt": True}
    assert explained.sentence == (
        f"It is {ordinal(explained.rank or 0)} of {N_ITEMS}: its words hold only “shirt” of “red striped shirt”; "
        "it is blue, not red."
    )
    statuses = {verdict.requirement.name: verdict.status for verdict in explained.verdicts}
    assert statuses == {"colour: red": Status.CONTRADICTED, "striped": Status.UNKNOWN, "article: shirt": Status.MET}


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ({"colour": "red"}, "It fails the filter colour=red: its colour is black."),
        ({"colour": ["red", "blue"]}, "It fails the filter colour=red or blue: its colour is black."),
        ({"colour": {"not": "black"}}, "It fails the filter colour not black: its colour is black."),
        ({"rare": {"exists": False}}, "It fails the filter no rare: its rare is 4."),
        ({"price_cents": {"lt": 5000}}, "It fails the filter price under 50.00: its price is 64.00 EUR."),
        ({"sku": "item-3"}, "It fails the filter sku=item-3: it is item-64."),
        (
            {"colour": "red", "rare": {"gte": 5, "lt": 10}},
            "It fails the filters colour=red (its colour is black) and rare at least 5 and under 10 (its rare is 4).",
        ),
    ],
)
def test_failed_filters_are_named_and_the_rank_is_the_one_it_would_have(
    engine: SearchEngine, filters: dict[str, object], sentence: str
) -> None:
    query = Query("black shirt", filters=parse_filters(filters))
    assert "item-64" not in [hit.item.sku for hit in engine.search(query).hits]
    explained = explain_rank(engine, query, "item-64")
    assert (explained.placement, explained.rank) == (Placement.FILTERED, 1)
    assert [each.field for each in explained.failed_filters] == list(filters)
    assert explained.sentence == sentence
    assert explain_rank(engine, replace(query, text=""), "item-64").sentence == sentence


def test_what_is_to_be_avoided_is_named(engine: SearchEngine) -> None:
    for query in (Query("shirt not red"), Query("shirt", without="red")):
        explained = explain_rank(engine, query, "item-0")
        assert explained.avoided == ("red",)
        assert explained.penalty == AVOIDED
        assert explained.sentence.endswith("it is red, which you did not want.")
    assert explain_rank(engine, Query("shirt not red"), "item-2").penalty == 0


def test_an_excluded_item_a_certain_one_and_a_doubtful_one(engine: SearchEngine) -> None:
    excluded = explain_rank(engine, Query(skus=("item-3",), exclude_skus=("item-3",)), "item-3")
    assert excluded.placement is Placement.EXCLUDED
    assert excluded.sentence == "It is left out of a search for items like itself."
    certain = explain_rank(engine, Query("item-7"), "item-7")
    assert (certain.certain, certain.rank) == (True, 1)
    assert certain.sentence.endswith("the search names it by its identifier.")
    doubtful = explain_rank(engine, Query("red shirt", min_confidence=0.9), "item-7")
    assert doubtful.placement is Placement.BELOW_MIN_CONFIDENCE
    assert doubtful.confidence is not None
    assert doubtful.confidence < 0.9
    assert "is below the 90% that the search asks for: its words hold none of “red shirt”" in doubtful.sentence


def test_sorted_hits_and_pages(engine: SearchEngine) -> None:
    by_price = Query("red shirt", sort=PRICE_ASC)
    assert explain_rank(engine, by_price, "item-7").placement is Placement.NOT_RELEVANT
    assert explain_rank(engine, by_price, "item-0").sentence == "It is 1st of 30, sorted by price, the lowest first."
    earlier = explain_rank(engine, Query("red shirt", offset=20), "item-0")
    assert earlier.placement is Placement.OTHER_PAGE
    assert ", on an earlier page: a red shirt, as asked." in earlier.sentence
    newest = explain_rank(engine, Query(), "item-3")
    assert (newest.rank, newest.sentence) == (177, "It is 177th of 180, sorted by age, the newest first.")


def test_an_item_that_retrieval_did_not_find_is_ranked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = FakeEncoder()
    reds = [make_entry(encoder, f"red-{n}", f"red shirt {n}", images=[make_image("red", noise=n)]) for n in range(30)]
    far = make_entry(encoder, "far", "black mug", images=[make_image("black", noise=99)])
    engine = make_engine(tmp_path, encoder, [*reds, far])
    for module in ("retriever", "catalog_scores"):
        monkeypatch.setattr(f"vitrina.search.retrieval.{module}.WINDOW", 10)
    query = Query("red shirt", limit=5)
    n_found = engine.search(query).n_candidates
    assert n_found < len(reds)
    explained = explain_rank(engine, query, "far")
    assert explained.placement is Placement.NOT_A_CANDIDATE
    assert (explained.rank, explained.n_candidates) == (n_found + 1, n_found + 1)
    assert explained.sentence == (
        f"It is not among the {n_found} candidates that come closest: its words hold none of “red shirt”."
    )
    assert part(explained, Part.IMAGE)[1] == n_found + 1
    parsed = engine.parser.parse(query, Stopwatch())
    with_it = engine.retriever.rank(parsed, Stopwatch(), np.array([engine.catalog.item("far").id]))
    assert len(with_it.item_ids) == n_found + 1
    assert np.count_nonzero(~with_it.gathered) == 1
    engine.catalog.close()


def test_an_image_query_says_that_the_photo_is_less_like_it(engine: SearchEngine) -> None:
    explained = explain_rank(engine, Query(images=(make_image("blue", noise=38),)), "item-0")
    assert "its photo is less like what was asked for than the photos of the hits" in explained.sentence
    assert explained.words == {}


def test_without_requirements_a_hit_is_told_the_part_that_it_is_best_by(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    shown = [make_entry(encoder, colour, images=[make_image(colour)]) for colour in ("red", "green", "blue")]
    engine = make_engine(tmp_path, encoder, shown)
    explained = explain_rank(engine, Query(images=(make_image("red"),)), "red")
    assert explained.sentence == "It is 1st of 3: 1st by its photo."
    engine.catalog.close()


def test_errors_are_those_of_a_search(engine: SearchEngine) -> None:
    with pytest.raises(NotFoundError, match="no item with the sku 'nothing'"):
        explain_rank(engine, Query("shirt"), "nothing")
    with pytest.raises(FilterError, match="colour 'pink'"):
        explain_rank(engine, Query("shirt", filters=parse_filters({"colour": "pink"})), "item-0")
    with pytest.raises(NoRerankerError):
        explain_rank(engine, Query("shirt"), "item-0", is_reranked=True)


def test_a_reranker_judges_the_photo_of_any_item(reranking: SearchEngine) -> None:
    explained = explain_rank(reranking, Query("white boots", limit=1), "item-7", UNHURRIED)
    assert (explained.rerank_status, explained.retrieval_rank) == (RerankStatus.RERANKED, None)
    assert explained.verdicts[0].evidence is Evidence.BOTH
    assert explained.reranker == "simple eyes"
    by_listing = explain_rank(reranking.with_reranker(None), Query("white boots", limit=1), "item-7")
    assert by_listing.verdicts[0].evidence is Evidence.FIELD
    assert by_listing.rank == explained.rank


def test_a_reranked_search_is_explained_by_its_final_ranks(reranking: SearchEngine) -> None:
    query = Query("white", limit=20)
    answer = reranking.search(query, UNHURRIED)
    moved = [hit for hit in answer.hits if hit.rank != hit.retrieval_rank]
    assert moved
    for hit in moved[:3]:
        explained = explain_rank(reranking, query, hit.item.sku, UNHURRIED, is_reranked=True)
        assert (explained.rank, explained.retrieval_rank) == (hit.rank, hit.retrieval_rank)
        assert explained.verdicts == hit.verdicts
        assert explained.score == hit.score
        assert f"({ordinal(hit.retrieval_rank or 0)} before reranking)" in explained.sentence


def test_a_listing_that_the_photo_contradicts_is_told(reranking: SearchEngine) -> None:
    explained = explain_rank(reranking, Query("black", limit=1), "item-5", UNHURRIED, is_reranked=True)
    assert "the listing says black, but the photo looks white" in explained.sentence


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th"), (1234, "1,234th")]
)
def test_ordinals(number: int, text: str) -> None:
    assert ordinal(number) == text
