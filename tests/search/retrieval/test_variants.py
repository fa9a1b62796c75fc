"""Which variant a hit shows, and pages of variants one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import FakeEncoder, make_entry, make_image, new_catalog, open_replica
from vitrina.search.engine import SearchEngine
from vitrina.search.rank_explanation import explain_rank
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Answer
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import IndexedItem, Variant
from vitrina.search.types.query import NEWEST, PRICE_ASC, PRICE_DESC, Query, SortOrder, sort_order

SHIRT = [
    Variant("T-RS", {"colour": "red", "size": "S"}, 1800, "EUR", ("4006381333931",), (0,)),
    Variant("T-RM", {"colour": "red", "size": "M"}, 2000, "EUR", (), (0,)),
    Variant("T-BM", {"colour": "blue", "size": "M"}, 1900, "EUR", (), (1,)),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Iterator[SearchEngine]:
    folder: Path = tmp_path_factory.mktemp("variants")
    new_catalog(folder / "catalog.db").close()
    store = Store(folder)
    version = store.catalog.open_index_version(encoder.identity, active=True)
    images = [make_image("red"), make_image("blue", noise=3)]
    store.catalog.commit(
        version,
        [
            make_entry(encoder, "T", "V-Neck shirt", images=images, variants=SHIRT),
            make_entry(encoder, "M", "Green mug", images=[make_image("green")], price_cents=1850),
            make_entry(encoder, "H", "Hat", variants=[Variant("H-1", {"size": "M"}, 500)]),
        ],
    )
    yield SearchEngine(store.catalog, encoder, open_replica(store, encoder))
    store.close()


def shown(answer: Answer) -> list[tuple[str, str | None]]:
    return [(hit.item.sku, None if hit.variant is None else hit.item.variants[hit.variant].sku) for hit in answer.hits]


@pytest.mark.parametrize(
    ("text", "filters", "expected"),
    [
        ("shirt", {}, "T-RS"),
        ("blue shirt", {}, "T-BM"),
        ("shirt in m", {}, "T-RM"),
        ("red shirt m", {}, "T-RM"),
        ("shirt", {"size": "M"}, "T-RM"),
        ("red shirt", {"price_cents": {"gte": 1850, "lt": 2000}}, "T-BM"),
        ("t-bm", {}, "T-BM"),
        ("T-RM", {}, "T-RM"),
        ("4006381333931", {"colour": "red"}, "T-RS"),
    ],
)
def test_a_hit_shows_the_variant_that_fits(
    engine: SearchEngine, text: str, filters: dict[str, object], expected: str
) -> None:
    answer = engine.search(Query(text, filters=parse_filters(filters)))
    assert ("T", expected) in shown(answer)
    assert answer.n_candidates == len(answer.hits)


@pytest.mark.parametrize("code", ["T-RM", "t-bm", "4006381333931", "T"])
def test_an_item_is_named_by_the_codes_of_its_variants(engine: SearchEngine, code: str) -> None:
    (first, *_) = engine.search(Query(code)).hits
    assert (first.item.sku, first.certain) == ("T", True)


def test_the_image_of_the_variant_comes_first(engine: SearchEngine) -> None:
    stored = engine.catalog.item("T")
    (hit,) = engine.search(Query("blue shirt", limit=1)).hits
    assert hit.stored.image_ids == stored.image_ids[::-1]
    assert [each.images for each in hit.item.variants] == [(1,), (1,), (0,)]
    (hit,) = engine.search(Query(images=(make_image("blue", noise=3),), limit=1)).hits
    assert shown(engine.search(Query(images=(make_image("blue", noise=3),), limit=1))) == [("T", "T-BM")]
    assert hit.stored.image_ids == stored.image_ids[::-1]


def test_browsing_shows_the_variant_that_passes_and_by_price_the_cheapest(engine: SearchEngine) -> None:
    def found(sort: SortOrder, **filters: object) -> list[tuple[str, str | None]]:
        return shown(engine.search(Query(filters=parse_filters(filters), sort=sort)))

    assert found(NEWEST) == [("H", "H-1"), ("M", None), ("T", "T-RS")]
    assert found(NEWEST, size="M") == [("H", "H-1"), ("T", "T-RM")]
    assert found(PRICE_ASC, size="M") == [("H", "H-1"), ("T", "T-BM")]
    assert found(PRICE_ASC) == [("H", "H-1"), ("T", "T-RS"), ("M", None)]
    assert found(PRICE_DESC) == [("T", "T-RM"), ("M", None), ("H", "H-1")]


def test_browsing_by_a_number_shows_the_variant_that_has_it(tmp_path: Path, encoder: FakeEncoder) -> None:
    new_catalog(tmp_path / "catalog.db").close()
    with closing(Store(tmp_path)) as store:
        version = store.catalog.open_index_version(encoder.identity, active=True)
        packs = [
            Variant("P-?", {"colour": "red", "price": "on request"}),
            Variant("P-1", {"colour": "red", "weight": 1}, 300),
            Variant("P-9", {"colour": "blue", "weight": 9.5}, 900),
        ]
        cups = [make_entry(encoder, f"C-{n}", "Red cup", attributes={"colour": "red", "weight": n}) for n in (2, 5)]
        bag = make_entry(encoder, "B", "Red bag", attributes={"colour": "red"})
        store.catalog.commit(version, [make_entry(encoder, "P", "Red pack", variants=packs), bag, *cups])
        engine = SearchEngine(store.catalog, encoder, open_replica(store, encoder))

        def found(sort: str, text: str = "", **filters: object) -> list[tuple[str, str | None]]:
            return shown(engine.search(Query(text, filters=parse_filters(filters), sort=sort_order(sort))))

        assert found("weight:asc") == [("P", "P-1"), ("C-2", None), ("C-5", None), ("B", None)]
        assert found("weight:desc") == [("P", "P-9"), ("C-5", None), ("C-2", None), ("B", None)]
        assert found("weight:desc", colour="red") == [("C-5", None), ("C-2", None), ("P", "P-1"), ("B", None)]
        assert found("weight:desc", "red", colour="red") == found("weight:desc", colour="red")


def test_variants_one_by_one(engine: SearchEngine) -> None:
    every = [("H", "H-1"), ("M", None), ("T", "T-RS"), ("T", "T-RM"), ("T", "T-BM")]
    answer = engine.search(Query(collapse=False))
    assert (shown(answer), answer.n_candidates) == (every, 5)
    for size in (1, 2, 3):
        pages = [engine.search(Query(collapse=False, limit=size, offset=at)) for at in range(0, 7, size)]
        assert [each for page in pages for each in shown(page)] == every
        assert [hit.rank for page in pages for hit in page.hits] == [1, 2, 3, 4, 5]
        assert {page.n_candidates for page in pages} == {5}
    answer = engine.search(Query("blue shirt", filters=parse_filters({"size": "m"}), collapse=False))
    assert (shown(answer)[:2], answer.n_candidates) == ([("T", "T-BM"), ("T", "T-RM")], 3)
    assert [hit.rank for hit in answer.hits] == [1, 2, 3]


def test_what_no_variant_is_alone_is_told(engine: SearchEngine) -> None:
    query = Query("shirt", filters=parse_filters({"colour": "blue", "size": "S"}))
    explained = explain_rank(engine, query, "T")
    (failed,) = explained.failed_filters
    assert (failed.field, failed.condition) == ("colour and size", "colour=blue and size=s")
    assert "none of its variants is all that" in explained.sentence


def test_words_ask_for_one_variant_that_is_all_of_it(store: Store, encoder: FakeEncoder) -> None:
    def shirt(sku: str, *sold: str) -> IndexedItem:
        options = [dict(zip(("colour", "size"), each.split(), strict=True)) for each in sold]
        variants = [Variant(f"{sku}-{at}", each) for at, each in enumerate(options)]
        return make_entry(encoder, sku, "Shirt", variants=variants, attributes={"article": "Shirt"})

    version = store.catalog.open_index_version(encoder.identity, active=True)
    store.catalog.commit(version, [shirt("apart", "red S", "blue M"), shirt("both", "blue S", "red M")])
    engine = SearchEngine(store.catalog, encoder, open_replica(store, encoder))
    assert [hit.item.sku for hit in engine.search(Query("red shirt size m")).hits] == ["both", "apart"]
    assert [hit.item.sku for hit in engine.search(Query("blue shirt size m")).hits] == ["apart", "both"]
    store.catalog.commit(version, [shirt("apart", "red M", "blue S"), shirt("red", "red S", "red M")])
    engine.replica.catch_up()
    first, second, last = engine.search(Query("blue shirt size s")).hits
    assert {first.item.sku, second.item.sku, last.item.sku} == {"apart", "both", "red"}
    assert first.score == second.score > last.score
    denied = engine.search(Query("shirt not red"))
    assert [hit.item.sku for hit in denied.hits][-1] == "red"
    assert {hit.item.variants[hit.variant or 0].options["colour"] for hit in denied.hits[:2]} == {"blue"}


def test_a_size_within_the_range_of_an_option_shows_that_variant(tmp_path: Path, encoder: FakeEncoder) -> None:
    new_catalog(tmp_path / "catalog.db").close()
    with closing(Store(tmp_path)) as store:
        version = store.catalog.open_index_version(encoder.identity, active=True)
        sizes = [Variant(each, {"size": each}, 300) for each in ("36-38", "39-42", "43-46")]
        entry = make_entry(encoder, "S", "Socks", images=[make_image("red")], variants=sizes)
        store.catalog.commit(version, [entry])
        engine = SearchEngine(store.catalog, encoder, open_replica(store, encoder))
        assert shown(engine.search(Query("socks size 41"))) == [("S", "39-42")]
        assert shown(engine.search(Query("socks size 44"))) == [("S", "43-46")]


def test_a_hit_is_called_as_the_variant_that_it_shows(tmp_path: Path, encoder: FakeEncoder) -> None:
    new_catalog(tmp_path / "catalog.db").close()
    with closing(Store(tmp_path)) as store:
        version = store.catalog.open_index_version(encoder.identity, active=True)
        variants = [Variant("M-1"), Variant("M-2", title="M20 Mouse - Pink"), Variant("M-3", title="M20 Mouse - Teal")]
        pair = [make_image("red"), make_image("blue", noise=3)]
        variants[1] = replace(variants[1], images=(1,))
        entry = make_entry(encoder, "M", "M20 Mouse - Black", images=pair, variants=variants)
        store.catalog.commit(version, [entry, make_entry(encoder, "H", "Hat")])
        engine = SearchEngine(store.catalog, encoder, open_replica(store, encoder))
        for text, sku, title in (
            ("pink mouse", "M-2", "M20 Mouse - Pink"),
            ("teal", "M-3", "M20 Mouse - Teal"),
            ("black mouse", "M-1", "M20 Mouse - Black"),
        ):
            (hit, *_) = engine.search(Query(text)).hits
            assert (hit.title, shown(engine.search(Query(text)))[0]) == (title, ("M", sku))
            explained = explain_rank(engine, Query(text), "M")
            assert (explained.title, explained.variant, explained.stored) == (title, hit.variant, hit.stored)
        titles = [hit.title for hit in engine.search(Query(collapse=False, filters=parse_filters({"sku": "M"}))).hits]
        assert titles == ["M20 Mouse - Black", "M20 Mouse - Pink", "M20 Mouse - Teal"]
        assert [hit.title for hit in engine.search(Query("hat", limit=1)).hits] == ["Hat"]
