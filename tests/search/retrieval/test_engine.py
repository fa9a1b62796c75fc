"""The search engine, end to end on a small shop of coloured pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes import CALIBRATION, COLOURS, FakeEncoder, make_entry, make_image, new_catalog, unit
from vitrina.search.encoders.base import EMBEDDED, reads
from vitrina.search.engine import SearchEngine
from vitrina.search.index.replica import IndexReplica
from vitrina.search.retrieval.catalog_scores import AVOIDED
from vitrina.search.retrieval.fusion import UNREAD, shipped_prior
from vitrina.search.retrieval.retriever import SCORE_SCALE
from vitrina.search.types.answer import Answer
from vitrina.search.types.calibration import Calibration, Curve, QueryKind, Signal
from vitrina.search.types.errors import FilterError, NotFoundError, QueryError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import IndexedItem
from vitrina.search.types.query import Query, Weights
from vitrina.search.types.trust import Part

ARTICLES = ("shirt", "boots", "mug", "dress", "watch")
N_ITEMS = 180


def make_engine(folder: Path, encoder: FakeEncoder, entries: list[IndexedItem]) -> SearchEngine:
    catalog = new_catalog(folder / "catalog.db")
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, entries)
    return SearchEngine(catalog, encoder, IndexReplica(catalog, encoder.identity, version, folder / "index.snapshot"))


def boutique(encoder: FakeEncoder) -> list[IndexedItem]:
    """Items 0 to 179: every colour with every article, six times, each with one picture of its own."""
    colours = list(COLOURS)
    return [
        make_entry(
            encoder,
            f"item-{number}",
            f"{colours[number % 6]} {ARTICLES[number // 6 % 5]}",
            images=[make_image(colours[number % 6], noise=number)],
            price_cents=number * 100,
            attributes={
                "colour": colours[number % 6],
                "article": ARTICLES[number // 6 % 5],
                "brand": f"brand {number % 9}",
                "rare": number % 60,
            },
        )
        for number in range(N_ITEMS)
    ]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Iterator[SearchEngine]:
    engine = make_engine(tmp_path_factory.mktemp("engine"), encoder, boutique(encoder))
    yield engine
    engine.catalog.close()


@pytest.fixture
def small(tmp_path: Path, encoder: FakeEncoder) -> Iterator[Callable[[list[IndexedItem]], SearchEngine]]:
    opened: list[SearchEngine] = []

    def make(entries: list[IndexedItem]) -> SearchEngine:
        opened.append(make_engine(tmp_path, encoder, entries))
        return opened[-1]

    yield make
    for each in opened:
        each.catalog.close()


def skus(answer: Answer) -> list[str]:
    return [hit.stored.item.sku for hit in answer.hits]


def colours(answer: Answer) -> list[object]:
    return [hit.stored.item.attributes["colour"] for hit in answer.hits]


def check(answer: Answer, offset: int = 0) -> None:
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    assert [hit.rank for hit in answer.hits] == list(range(offset + 1, offset + 1 + len(scores)))
    assert answer.timings_ms["total"] > 0


def test_words_find_images_and_words(engine: SearchEngine) -> None:
    answer = engine.search(Query("red shirt"))
    check(answer)
    assert {hit.stored.item.title for hit in answer.hits[:6]} == {"red shirt"}
    assert {hit.stored.item.attributes["article"] for hit in answer.hits} == {"shirt"}, "another red thing is no shirt"
    assert answer.encoder == "fake"
    assert not answer.no_good_match


def test_an_image_finds_itself_first_and_then_its_like(engine: SearchEngine) -> None:
    answer = engine.search(Query(images=(make_image("blue", noise=38),)))
    check(answer)
    assert skus(answer)[0] == "item-38"
    assert set(colours(answer)) == {"blue"}


def test_words_and_an_image_together(engine: SearchEngine) -> None:
    answer = engine.search(Query("boots", images=(make_image("green"),)))
    check(answer)
    assert {hit.stored.item.title for hit in answer.hits[:6]} == {"green boots"}


def test_weights_shift_what_counts(engine: SearchEngine) -> None:
    asked = Query("yellow", images=(make_image("blue"),), weights=Weights(text=5, image=0.1))
    assert set(colours(engine.search(asked))) == {"yellow"}
    asked = Query("yellow", images=(make_image("blue"),), weights=Weights(text=0.05, image=5))
    assert set(colours(engine.search(asked))) == {"blue"}
    asked = Query("yellow", images=(make_image("blue"),), weights=Weights(text=0, image=1))
    only_image = Query(images=(make_image("blue"),))
    assert skus(engine.search(asked)) == skus(engine.search(only_image))


def test_several_images_find_what_is_like_any_or_all(engine: SearchEngine) -> None:
    answer = engine.search(Query(images=(make_image("red", noise=0), make_image("red", noise=6)), limit=30))
    assert set(skus(answer)[:2]) == {"item-0", "item-6"}
    assert set(colours(answer)) == {"red"}


def test_skus_are_searched_by_their_images(engine: SearchEngine) -> None:
    by_sku, by_image = (
        engine.search(asked) for asked in (Query(skus=("item-38",)), Query(images=(make_image("blue", noise=38),)))
    )
    assert skus(by_sku) == skus(by_image)
    assert [hit.score for hit in by_sku.hits] == pytest.approx([hit.score for hit in by_image.hits], abs=1e-3)


def test_similar_leaves_the_item_itself_out(engine: SearchEngine) -> None:
    answer = engine.search(Query(skus=("item-38",), exclude_skus=("item-38",)))
    everyone = engine.search(Query(skus=("item-38",), limit=11))
    assert skus(answer) == skus(everyone)[1:]
    assert [hit.rank for hit in answer.hits] == list(range(1, 11))


def test_an_unknown_sku(engine: SearchEngine) -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        engine.search(Query(skus=("nobody",)))
    with pytest.raises(NotFoundError, match="nobody"):
        engine.search(Query(skus=("item-1",), exclude_skus=("nobody",)))


def test_a_negative_pushes_down_what_it_names(engine: SearchEngine) -> None:
    plain = engine.search(Query("shirt", limit=36))
    assert sum(colour == "red" for colour in colours(plain)) >= 6
    without = engine.search(Query("shirt", without="red", limit=30))
    assert "red" not in colours(without)
    assert {hit.stored.item.attributes["article"] for hit in without.hits} == {"shirt"}


@pytest.mark.parametrize("text", ["shirt not red", "shirt without red", "shirt, not red"])
def test_a_text_that_denies_something_searches_for_the_rest_of_its_words(engine: SearchEngine, text: str) -> None:
    answer = engine.search(Query(text, limit=30))
    assert skus(answer) == skus(engine.search(Query("shirt", without="red", limit=30)))
    assert "red" not in colours(answer)


def test_what_a_text_denies_is_pushed_down_by_images_alone(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    engine = small(
        [
            make_entry(encoder, f"{colour}-{at}", images=[make_image(colour, noise=at)])
            for at in range(3)
            for colour in ("red", "blue", "green", "yellow")
        ]
    )
    answer = engine.search(Query("red or blue", limit=12))
    assert {sku.split("-")[0] for sku in skus(answer)[:6]} == {"red", "blue"}
    answer = engine.search(Query("shirt not red", limit=12))
    assert {sku.split("-")[0] for sku in skus(answer)[-3:]} == {"red"}
    no_weight = Query("shirt not red", weights=Weights(without=0), limit=12)
    assert skus(engine.search(no_weight)) == skus(engine.search(Query("shirt", limit=12)))


def test_words_that_a_text_denies_count_against_items_that_say_them(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    titles = ("lamp with cable", "lamp with battery", "sugar free cookies", "sugar cookies")
    engine = small([make_entry(encoder, title, title, text="") for title in titles])
    assert skus(engine.search(Query("lamp without cable")))[0] == "lamp with battery"
    assert skus(engine.search(Query("sugar-free cookies")))[0] == "sugar free cookies"


def test_a_negative_leaves_what_it_shares_with_the_query(engine: SearchEngine) -> None:
    answer = engine.search(Query("shirt", without="red shirt", limit=30))
    assert {hit.stored.item.title for hit in answer.hits} == {
        f"{colour} shirt" for colour in COLOURS if colour != "red"
    }


def test_a_negative_of_weight_zero_changes_nothing(engine: SearchEngine) -> None:
    without = Query("shirt", without="red", weights=Weights(without=0))
    assert skus(engine.search(without)) == skus(engine.search(Query("shirt")))


@pytest.mark.parametrize("name", ["item-17", "ITEM-17", "  Item-17 "])
def test_a_sku_typed_exactly_comes_first(engine: SearchEngine, name: str) -> None:
    answer = engine.search(Query(name))
    assert skus(answer)[0] == "item-17"
    assert not answer.no_good_match


def test_a_title_typed_exactly_comes_first(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    entries = boutique(encoder)
    entries.append(make_entry(encoder, "it", "Red Boots of the Old Shirt Mug", text="nothing alike"))
    engine = small(entries)
    assert skus(engine.search(Query("red boots of the old  shirt mug")))[0] == "it"


def test_a_brand_typed_exactly_comes_first(engine: SearchEngine) -> None:
    answer = engine.search(Query("Brand 4", limit=20))
    assert [hit.stored.item.attributes["brand"] for hit in answer.hits] == ["brand 4"] * 20


def test_an_item_that_holds_the_query_in_two_attributes_comes_first(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    attributes = [{"category": "mug"}, {"category": "mug", "subcategory": "mug"}, {"category": "mug"}]
    entries = [make_entry(encoder, f"m{at}", "mug", attributes=held) for at, held in enumerate(attributes)]
    assert skus(small(entries).search(Query("Mug")))[0] == "m1"


def test_filters_restrict_the_search_itself(engine: SearchEngine) -> None:
    for asked, n_expected in (
        ({"colour": "red"}, 30),
        ({"rare": 7}, 3),
        ({"sku": "item-99"}, 1),
        ({"price_cents": {"gte": 1000, "lt": 2000}}, 10),
        ({"colour": {"not": "red"}, "article": ["mug", "watch"]}, 60),
    ):
        answer = engine.search(Query("red shirt", filters=parse_filters(asked), limit=100))
        check(answer)
        assert len(answer.hits) == n_expected
        assert answer.n_candidates == n_expected


def test_a_filter_that_nothing_can_pass_is_an_error_and_one_that_nothing_passes_is_not(engine: SearchEngine) -> None:
    with pytest.raises(FilterError, match="purple"):
        engine.search(Query("shirt", filters=parse_filters({"colour": "purple"})))
    answer = engine.search(Query("shirt", filters=parse_filters({"colour": "red", "price_cents": 100})))
    assert answer.hits == ()
    assert answer.no_good_match


@pytest.mark.parametrize("asked", [{}, {"colour": ["red", "blue"]}, {"price_cents": {"lt": 3000}}], ids=str)
@pytest.mark.parametrize("size", [1, 7, 50])
def test_pages_neither_repeat_nor_skip(engine: SearchEngine, asked: dict[str, object], size: int) -> None:
    def query(limit: int, offset: int) -> Query:
        return Query("shirt", without="black", filters=parse_filters(asked), limit=limit, offset=offset)

    whole = engine.search(query(1000, 0))
    check(whole)
    assert len(set(skus(whole))) == len(whole.hits) == whole.n_candidates
    paged = []
    for offset in range(0, min(len(whole.hits), 60) + size, size):
        page = engine.search(query(size, offset))
        check(page, offset)
        paged += skus(page)
    assert paged == skus(whole)[: len(paged)]


def test_a_page_past_the_end_is_empty(engine: SearchEngine) -> None:
    answer = engine.search(Query("shirt", offset=500))
    assert answer.hits == ()
    assert answer.n_candidates == N_ITEMS


def test_equal_items_come_in_the_order_they_were_indexed(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    engine = small(
        [
            make_entry(encoder, f"{99 - number}", "red shirt", images=[make_image("red")], attributes={"colour": "red"})
            for number in range(60)
        ]
        + [make_entry(encoder, f"other {number}", "blue mug", images=[make_image("blue")]) for number in range(33)]
    )
    expected = [f"{99 - number}" for number in range(60)]
    for asked in (
        Query("red shirt", limit=60),
        Query(images=(make_image("red"),), limit=60),
        Query("mug", images=(make_image("red"),), limit=60, filters=parse_filters({"colour": "red"})),
    ):
        answer = engine.search(asked)
        assert skus(answer) == expected
        assert len({hit.score for hit in answer.hits}) == 1


def test_an_item_is_as_good_as_its_best_image(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    several = [make_image("black", noise=1), make_image("red", noise=2), make_image("blue", noise=3)]
    engine = small([*boutique(encoder)[:20], make_entry(encoder, "many", "a set", images=several)])
    for shown in several:
        answer = engine.search(Query(images=(shown,)))
        assert skus(answer)[0] == "many"
        assert len(set(skus(answer))) == len(answer.hits)


def test_items_of_words_alone_and_of_images_alone_are_found(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    engine = small(
        [
            *boutique(encoder)[:40],
            make_entry(encoder, "only words", "crimson velvet hat"),
            make_entry(encoder, "only a picture", images=[make_image("red", noise=900)]),
            make_entry(encoder, "neither"),
        ]
    )
    found = engine.search(Query("crimson velvet hat"))
    assert skus(found)[0] == "only words"
    assert found.hits[0].signals.image is None
    assert skus(engine.search(Query(images=(make_image("red", noise=900),))))[0] == "only a picture"
    assert "only a picture" in skus(engine.search(Query("red")))
    assert skus(engine.search(Query(skus=("only words",))))[0] == "only words"
    assert skus(engine.search(Query("neither")))[0] == "neither"
    everyone = engine.search(Query("red shirt", limit=1000))
    check(everyone)
    assert len(everyone.hits) >= 42


def test_resembling_an_item_of_neither_words_nor_images_is_a_query_error(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    engine = small([*boutique(encoder)[:5], make_entry(encoder, "neither")])
    for query in (Query(skus=("neither",)), Query(skus=("neither",), without="red")):
        with pytest.raises(QueryError, match="neither"):
            engine.search(query)
        with pytest.raises(QueryError, match="neither"):
            engine.search(replace(query, exclude_skus=("neither",)))


def test_an_empty_catalog_answers_with_nothing(small: Callable[[list[IndexedItem]], SearchEngine]) -> None:
    engine = small([])
    for asked in (Query("red shirt", without="blue"), Query(images=(make_image("red"),))):
        answer = engine.search(asked)
        assert answer.hits == ()
        assert answer.n_candidates == 0
        assert answer.no_good_match
    with pytest.raises(FilterError, match="colour"):
        engine.search(Query("red", filters=parse_filters({"colour": "red"})))


def test_a_catalog_of_one_item(small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder) -> None:
    engine = small([make_entry(encoder, "a", "red shirt", images=[make_image("red")])])
    for asked in (Query("red", without="blue"), Query("zebra"), Query(images=(make_image("blue"),))):
        answer = engine.search(asked)
        check(answer)
        assert skus(answer) == ["a"]


@pytest.mark.parametrize(
    "text", ["👗", "שמלה אדומה", "NOT AND", '"', "*", "'; DROP TABLE items; --", "x" * 2000, "a\x00b \ud800"]
)
def test_any_text_is_answered(engine: SearchEngine, text: str) -> None:
    answer = engine.search(Query(text, without=text))
    check(answer)
    assert len(answer.hits) == 10


def test_weights_at_their_limits_give_finite_scores(engine: SearchEngine) -> None:
    weights = Weights(text=10, image=10, without=10)
    answer = engine.search(Query("red", images=(make_image("red"),), without="blue", weights=weights, limit=N_ITEMS))
    assert len(answer.hits) == N_ITEMS
    assert all(np.isfinite(hit.score) for hit in answer.hits)


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    """The boutique under an encoder that is calibrated for words and for pictures, not for both at once."""
    calibrated = FakeEncoder(calibration=CALIBRATION)
    engine = make_engine(tmp_path_factory.mktemp("sure"), calibrated, boutique(calibrated))
    yield engine
    engine.catalog.close()


def test_no_good_match_where_no_hit_of_the_first_page_is_confident(sure: SearchEngine) -> None:
    for text in ("zeppelin", "espresso machine"):
        assert sure.search(Query(text)).no_good_match
    for text in ("red", "brand 4", "item-3"):
        assert not sure.search(Query(text)).no_good_match
    assert not sure.search(Query("zeppelin", images=(make_image("red"),))).no_good_match  # not calibrated for both
    assert not sure.search(Query("red", offset=500)).no_good_match  # past the end is not past the match


def test_an_off_catalog_query_ranks_as_any_other_but_is_not_believed(sure: SearchEngine) -> None:
    wanted, unheard = (sure.search(Query(text)).hits[0] for text in ("red", "zeppelin"))
    assert wanted.confidence is not None
    assert unheard.confidence is not None
    assert unheard.score > 0.5
    assert unheard.confidence < 0.1 < 0.5 < wanted.confidence


def test_confidence_is_the_curve_of_the_raw_cosines(sure: SearchEngine) -> None:
    shown = make_image("blue", noise=500)
    vector = sure.encoder.encode_images([shown])[0]
    curve = CALIBRATION.curves[QueryKind.IMAGE]
    hits = sure.search(Query(images=(shown,), limit=N_ITEMS)).hits
    assert len(hits) == N_ITEMS
    for hit in hits:
        own = sure.replica.indexes["image"].rows_of(np.array([hit.stored.id])).vectors[0]
        logit = curve.intercept + curve.weights[Signal.IMAGE_TO_IMAGE] * float(own @ vector)
        assert hit.confidence == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_several_images_count_by_their_mean(sure: SearchEngine) -> None:
    shown = (make_image("blue", noise=500), make_image("red", noise=501))
    each = [{h.stored.id: h.confidence for h in sure.search(Query(images=(one,), limit=N_ITEMS)).hits} for one in shown]
    hits = sure.search(Query(images=shown, limit=N_ITEMS)).hits
    assert len(hits) == N_ITEMS
    for hit in hits:
        logits = [np.log(confidence / (1 - confidence)) for by_id in each if (confidence := by_id[hit.stored.id])]
        assert hit.confidence == pytest.approx(1 / (1 + np.exp(-np.mean(logits))), abs=1e-5)


def test_min_confidence_drops_hits_before_paging(sure: SearchEngine) -> None:
    everyone = sure.search(Query("red", limit=N_ITEMS))
    kept = [hit for hit in everyone.hits if hit.confidence is not None and hit.confidence >= 0.5]
    assert 0 < len(kept) < N_ITEMS
    paged = [
        sure.search(Query("red", limit=7, offset=offset, min_confidence=0.5)) for offset in range(0, len(kept) + 7, 7)
    ]
    assert [hit for page in paged for hit in skus(page)] == [hit.stored.item.sku for hit in kept]
    assert {page.n_candidates for page in paged} == {len(kept)}
    assert [hit.rank for hit in paged[1].hits] == list(range(8, 8 + len(paged[1].hits)))
    nothing = sure.search(Query("zeppelin", min_confidence=0.99))
    assert nothing.hits == ()
    assert nothing.no_good_match


def test_without_a_calibration_there_is_no_confidence(engine: SearchEngine, sure: SearchEngine) -> None:
    answer = engine.search(Query("zeppelin"))
    assert {hit.confidence for hit in answer.hits} == {None}
    assert not answer.no_good_match
    with pytest.raises(QueryError, match="not calibrated for queries by text"):
        engine.search(Query("zeppelin", min_confidence=0.5))
    both = Query("red", images=(make_image("red"),), min_confidence=0.5)
    with pytest.raises(QueryError, match="text and image") as raised:
        sure.search(both)
    assert "vitrina encoder calibrate" in raised.value.remedy


def test_a_calibration_of_the_store_takes_the_place_of_the_encoders(sure: SearchEngine) -> None:
    doubtful = Calibration({QueryKind.TEXT: Curve(-50.0, {}, no_match_confidence=0.5)})
    engine = SearchEngine(sure.catalog, sure.encoder, sure.replica, doubtful)
    assert engine.search(Query("red")).no_good_match


def test_what_is_deleted_or_changed_is_so_after_catching_up(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    engine = small(boutique(encoder))
    query = Query(images=(make_image("blue", noise=38),))
    assert skus(engine.search(query))[0] == "item-38"
    engine.catalog.delete(["item-38"])
    before = engine.search(query)
    assert "item-38" not in skus(before)
    engine.replica.catch_up()
    assert "item-38" not in skus(engine.search(query))
    changed = make_entry(encoder, "item-44", "teapot", images=[make_image("red", noise=555)])
    engine.catalog.commit(engine.replica.version_id, [changed])
    engine.replica.catch_up()
    assert skus(engine.search(Query("teapot")))[0] == "item-44"
    assert skus(engine.search(Query(images=(make_image("red", noise=555),))))[0] == "item-44"
    assert "item-44" not in skus(engine.search(query))


def test_every_item_of_a_common_word_is_treated_alike(tmp_path: Path, encoder: FakeEncoder) -> None:
    """More items hold the words than the lexical index lists; the order must not depend on which it lists."""
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(2400, encoder.identity.dimension)))
    entries = []
    for number in range(2400):
        entry = make_entry(encoder, f"{number}", "plain common thing" if number % 2 else "usual common thing", text="")
        empty = encoder.encode_texts([])
        entries.append(
            IndexedItem(
                entry.item, entry.content_hash, ("0" * 32,), {"image": vectors[number : number + 1], "text": empty}
            )
        )
    engine = make_engine(tmp_path, encoder, entries)
    text = "thing common thing common"  # too long for a name, which would leave vectors little weight
    answer = engine.search(Query(text, limit=600))
    nearest = np.argsort(-(vectors @ encoder.encode_texts([text])[0]))[:600]
    assert skus(answer) == [str(number) for number in nearest]
    answer = engine.search(Query("zebra", without="plain", limit=600))
    signals = {(hit.stored.item.title, hit.signals.words) for hit in answer.hits}
    assert signals == {("usual common thing", 0.0), ("plain common thing", -AVOIDED)}
    engine.catalog.close()


class BruteForce:
    """The ranking written plainly: z-scores of every item, its best picture, shared with its words."""

    def __init__(
        self, entries: list[IndexedItem], sample: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
    ):
        self.entries, self.sample = entries, sample

    def z(self, row: np.ndarray[tuple[int, ...], np.dtype[np.float32]], part: object, kind: str) -> float:
        cosines = self.sample[kind] @ np.asarray(part, np.float64)
        return float((row @ np.asarray(part, np.float64) - cosines.mean()) / max(cosines.std(), 0.02))

    def score(self, entry: IndexedItem, vector: object, image_share: float) -> float:
        image = max(self.z(row, vector, "image") for row in entry.vectors["image"])
        return image_share * image + (1 - image_share) * self.z(entry.vectors["text"][0], vector, "text")


@pytest.mark.parametrize("kind", ["text", "image"])
def test_scores_equal_brute_force(engine: SearchEngine, encoder: FakeEncoder, kind: str) -> None:
    entries = boutique(encoder)
    plain = BruteForce(
        entries, {name: np.concatenate([entry.vectors[name] for entry in entries]) for name in ("image", "text")}
    )
    if kind == "text":
        vector, image_share = encoder.encode_texts(["zebra quagga"])[0], shipped_prior().weights[Part.IMAGE]
        answer = engine.search(Query("zebra quagga", limit=N_ITEMS))
        expected = {entry.item.sku: plain.score(entry, vector, image_share) for entry in entries}
    else:
        vector = encoder.encode_images([make_image("yellow", noise=77)])[0]
        answer = engine.search(Query(images=(make_image("yellow", noise=77),), limit=N_ITEMS))
        expected = {entry.item.sku: plain.score(entry, vector, 1.0) for entry in entries}
    found = {hit.stored.item.sku: SCORE_SCALE * float(np.log(hit.score / (1 - hit.score))) for hit in answer.hits}
    assert found == pytest.approx(expected, abs=1e-3)


def test_searching_beside_commits_and_deletes(
    small: Callable[[list[IndexedItem]], SearchEngine], encoder: FakeEncoder
) -> None:
    entries = boutique(encoder)
    engine = small(entries)
    stop, failures = threading.Event(), list[BaseException]()
    asked = [
        Query("red shirt", without="blue"),
        Query(images=(make_image("green"),), filters=parse_filters({"colour": ["green", "red"]})),
        Query(skus=("item-1",)),
    ]

    def candidate() -> None:
        try:
            while not stop.is_set():
                for query in asked:
                    scores = [hit.score for hit in engine.search(query).hits]
                    assert scores
                    assert scores == sorted(scores, reverse=True)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=candidate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(2, 170, 12):
        engine.catalog.commit(engine.replica.version_id, entries[start : start + 6])
        engine.catalog.delete([entry.item.sku for entry in entries[start + 6 : start + 9]])
        engine.replica.catch_up()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    expected = {stored.item.sku for stored in engine.catalog.all_items()}
    assert set(skus(engine.search(Query("shirt", limit=1000)))) == expected


def test_vectors_of_words_count_less_in_a_language_that_the_encoder_has_not_learnt(
    tmp_path: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    german = "Das ist eines der besten Dinge in unserem Laden und wurde mit Liebe für Sie und Ihre Familie gemacht"
    engine = make_engine(
        tmp_path, encoder, [make_entry(encoder, f"{n}", "red mug", description=german) for n in range(9)]
    )
    added = {}
    for name in (encoder.identity.name, EMBEDDED):
        monkeypatch.setattr(engine.retriever, "_encoder", replace(encoder.identity, name=name))
        added[name] = engine.rank(Query("red mug")).contributions
    assert engine.replica.lexical.language == "de"
    known, unknown = added.values()
    np.testing.assert_allclose(unknown[Part.TEXT], UNREAD * known[Part.TEXT], atol=1e-5)
    np.testing.assert_array_equal(unknown[Part.BM25], known[Part.BM25])
    assert reads(replace(encoder.identity, name=EMBEDDED), "en")
    assert reads(replace(encoder.identity, name=EMBEDDED), "")
    engine.catalog.close()


def test_an_answer_tells_what_was_taken_for_a_typing_error(tmp_path: Path, encoder: FakeEncoder) -> None:
    entries = [make_entry(encoder, name, f"{name} mug", attributes={"brand": name}) for name in ("Samsung", "Other")]
    engine = make_engine(tmp_path, encoder, entries)
    answer = engine.search(Query("samsng mug"))
    assert answer.corrected == {"samsng": "samsung"}
    assert [each.name for each in answer.requirements] == ["brand: samsung", "mug"]
    assert skus(answer)[0] == "Samsung"
    assert engine.search(Query("samsung mug")).corrected == {}
    as_typed = engine.search(Query("samsng mug", correct=False))
    assert as_typed.corrected == {}
    assert "brand: samsung" not in [each.name for each in as_typed.requirements]
    engine.catalog.close()


@pytest.mark.parametrize("images", [(), (make_image("red"),)])
def test_in_such_a_language_nothing_matches_without_a_word_a_field_or_an_image(
    tmp_path: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch, images: tuple[Image.Image, ...]
) -> None:
    german = "Das ist eines der besten Dinge in unserem Laden und wurde mit Liebe für Sie und Ihre Familie gemacht"
    entries = [make_entry(encoder, f"{n}", "Tasse", description=german, images=images) for n in range(9)]
    stored = make_engine(tmp_path, encoder, entries)
    certain = Calibration({QueryKind.TEXT: Curve(50.0, {}, no_match_confidence=0.5)})
    engine = SearchEngine(stored.catalog, encoder, stored.replica, certain)
    told = []
    for name in (encoder.identity.name, EMBEDDED):
        monkeypatch.setattr(engine.retriever, "_encoder", replace(encoder.identity, name=name))
        told.append([engine.search(Query(text)).no_good_match for text in ("Tasse", "Tassen", "Hammer")])
    assert told == [[False, False, False], [False, False, not images]]
    engine.catalog.close()


def test_a_size_in_words_is_asked_of_things_that_come_in_it(tmp_path: Path, encoder: FakeEncoder) -> None:
    sizes: dict[str, tuple[str, ...]] = {"hoodie": ("S", "L"), "bag": (), "kilt": ("S",)}
    entries = [
        make_entry(encoder, name, f"grey {name}", attributes={"article": name, "size": held})
        for name, held in sizes.items()
    ]
    engine = make_engine(tmp_path, encoder, entries)

    def asked(text: str) -> list[str]:
        return [each.name for each in engine.search(Query(text)).requirements]

    assert asked("large hoodie") == ["size: large", "article: hoodie"]
    assert asked("hoodie, size small") == ["article: hoodie", "size: small"]
    assert asked("large bag") == ["large", "article: bag"]
    assert asked("large kilt") == ["large", "article: kilt"]
    engine.catalog.close()
