"""The lexical index: which items hold a query's words, how BM25 ranks them, and that it follows the catalog."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Iterable, Iterator
from unittest.mock import patch

import numpy as np
import pytest
from sqlalchemy import select, update

from tests.fakes import FakeEncoder, make_entry, new_catalog
from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.lexical.bm25 import LexicalMatches
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import item_terms
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import IndexedItem


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Iterator[Catalog]:
    catalog = new_catalog(tmp_path_factory.mktemp("words") / "catalog.db")
    entries = [
        make_entry(encoder, "AB-12.3", "Navy Linen Shirt", attributes={"brand": "Near & Dear", "colour": "navy"}),
        make_entry(encoder, "shirt-1", "Red Boots", description="Worn with a linen shirt"),
        make_entry(encoder, "x", "Café crème dresses", attributes={"brand": "Ünï", "sizes": (38, "XL")}),
        make_entry(encoder, "y", "שמלה כחולה 👗", attributes={"brand": 'quo"te'}),
        make_entry(encoder, "z", "The Of And", attributes={"new": True}),
        make_entry(encoder, "red boots", "Something else"),
        make_entry(encoder, "👗", "NOT AND OR NEAR star*"),
    ]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    yield catalog
    catalog.close()


def matches(shop: Catalog, query: str, limit: int = 100, asked: dict[str, object] | None = None) -> LexicalMatches:
    with shop.reading() as reader:
        within = reader.facets.matching(parse_filters(asked)) if asked else None
    return LexicalIndex(shop).match(query).best(limit, within)


def skus_of(shop: Catalog, item_ids: Iterable[int]) -> list[str]:
    ids = list(item_ids)
    stored = shop.items(ids)
    return [stored[item_id].item.sku for item_id in ids]


def skus(shop: Catalog, query: str, limit: int = 100, asked: dict[str, object] | None = None) -> list[str]:
    return skus_of(shop, matches(shop, query, limit, asked).item_ids.tolist())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("shirt", ["shirt-1", "AB-12.3"]),
        ("SHIRTS", ["shirt-1", "AB-12.3"]),
        ("linen shirts", ["AB-12.3", "shirt-1"]),
        ("boot", ["shirt-1", "red boots"]),
        ("cafe creme dress", ["x"]),
        ("uni", ["x"]),
        ("xl", ["x"]),
        ("38", ["x"]),
        ("ab-12.3", ["AB-12.3"]),
        ("near & dear", ["AB-12.3"]),
        ("שמלה", ["y"]),
        ("the navy", ["AB-12.3"]),
        ("true", []),
        ("sandal", []),
    ],
)
def test_what_holds_every_word(shop: Catalog, query: str, expected: list[str]) -> None:
    found = matches(shop, query)
    assert sorted(skus_of(shop, found.item_ids[found.literal].tolist())) == sorted(expected)


def test_items_of_every_word_come_before_items_of_some(shop: Catalog) -> None:
    found = matches(shop, "red linen shirt boots")
    assert skus(shop, "red linen shirt boots")[0] == "shirt-1"
    assert found.whole.tolist() == [True, False, False]
    assert found.share[0] == 1
    assert np.all((found.share[1:] > 0) & (found.share[1:] < 1))
    assert np.all(np.diff(found.bm25) <= 0)


def test_stop_words_ask_for_nothing_unless_there_is_nothing_else(shop: Catalog) -> None:
    assert skus(shop, "the") == ["z"]
    assert skus(shop, "of and the")[0] == "z"
    assert "z" not in skus(shop, "the linen of navy")


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '""',
        '"unbalanced shirt',
        'shirt"',
        "*",
        "shirt*",
        "NEAR",
        "NEAR(shirt boots, 2)",
        "-",
        "-shirt",
        "shirt -boots",
        "title:shirt",
        "title : shirt",
        "{title sku} : shirt",
        "^shirt",
        "shirt + boots",
        "(((",
        "shirt AND",
        "OR",
        "NOT shirt",
        "shirt OR NOT",
        "👗",
        "👗🧦 ❤️",
        "'; DROP TABLE items; --",
        "\\",
        "%",
        "²",
        "ﷺ",
        "a" * 2000,
        "a " * 1000,
        "a-" * 1000,
        "ｓｈｉｒｔ",
    ],
)
def test_no_query_is_an_expression(shop: Catalog, query: str) -> None:
    found = matches(shop, query)
    assert len(found) <= 7
    with shop.reading() as reader:
        reader.named(query, limit=10)
    FacetIndex(shop).n_fields_with(query, np.array([1, 2, 3]))


def test_operators_are_words(shop: Catalog) -> None:
    assert skus(shop, "NEAR") == skus(shop, "near")
    assert set(skus(shop, "near")) == {"AB-12.3", "👗"}
    assert skus(shop, "star*") == ["👗"]
    assert skus(shop, 'quo"te') == ["y"]


@pytest.mark.parametrize("query", ["", "  ", "👗", "&", '"*"', "-"])
def test_a_query_without_words_has_no_terms(shop: Catalog, query: str) -> None:
    assert LexicalIndex(shop).match(query).words == ()
    assert len(matches(shop, query)) == 0


def test_the_words_that_one_item_holds(shop: Catalog) -> None:
    matches = LexicalIndex(shop).match("a red linen shirts kettle")
    with shop.reading() as reader:
        boots, shirt = reader.item("shirt-1").id, reader.item("AB-12.3").id
    assert matches.words == ("red", "linen", "shirts", "kettle")
    assert matches.held_words(boots) == (True, True, True, False)
    assert matches.held_words(shirt) == (False, True, True, False)
    assert matches.held_words(10**6) == (False,) * 4


def test_what_a_title_holds_and_what_only_a_description_does(shop: Catalog) -> None:
    found = LexicalIndex(shop).match("red linen shirts")
    ids = np.append(found.best(3).item_ids, 1_000)  # the last is not there
    in_titles = dict(zip([*skus_of(shop, ids[:-1].tolist()), "none"], found.share_in_titles(ids).tolist(), strict=True))
    assert in_titles["none"] == in_titles["red boots"] == 0
    assert 0 < in_titles["shirt-1"] < in_titles["AB-12.3"] < 1
    assert found.of(ids).share[0] == 1


def test_the_limit_keeps_the_best(shop: Catalog) -> None:
    every = skus(shop, "linen shirt boots")
    assert len(every) == 3
    assert skus(shop, "linen shirt boots", limit=2) == every[:2]
    assert skus(shop, "linen shirt boots", limit=1) == every[:1]


def test_a_filter_restricts_the_words_too(shop: Catalog) -> None:
    assert skus(shop, "linen shirt", asked={"colour": "navy"}) == ["AB-12.3"]
    assert skus(shop, "linen shirt", asked={"colour": {"not": "navy"}}) == ["shirt-1"]
    assert skus(shop, "boots", asked={"colour": "navy"}) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("AB-12.3", {"AB-12.3": "sku"}),
        ("  ab-12.3 ", {"AB-12.3": "sku"}),
        ("navy  linen\tshirt", {"AB-12.3": "title"}),
        ("red boots", {"shirt-1": "title", "red boots": "sku"}),
        ("CAFÉ CRÈME DRESSES", {"x": "title"}),
        ("👗", {"👗": "sku"}),
        ("שמלה כחולה 👗", {"y": "title"}),
        ("navy linen", {}),
        ("%", {}),
    ],
)
def test_items_whose_sku_or_title_is_the_query(shop: Catalog, query: str, expected: dict[str, str]) -> None:
    with shop.reading() as reader:
        named = reader.named(query, limit=100)
    stored = shop.items(list(named))
    assert {stored[item_id].item.sku: kind for item_id, kind in named.items()} == expected


def test_a_filter_restricts_the_names_too(shop: Catalog) -> None:
    with shop.reading() as reader:
        for asked, n_named in (("navy", 1), ({"not": "navy"}, 0)):
            within = reader.facets.matching(parse_filters({"colour": asked}))
            assert len(reader.named("ab-12.3", limit=9, within=within)) == n_named


def test_changed_and_deleted_items_lose_their_old_words(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [make_entry(encoder, "a", "linen shirt"), make_entry(encoder, "b", "linen boots")])
    catalog.commit(version, [make_entry(encoder, "a", "wool shirt")])
    assert skus(catalog, "linen") == ["b"]
    assert skus(catalog, "wool") == ["a"]
    catalog.delete(["b"])
    assert skus(catalog, "linen boots") == []


def plain_scores(texts: dict[int, tuple[str, str]], query: str) -> dict[int, float]:
    """BM25 of items with a title and a description, written plainly."""
    n_items = len(texts)
    words = {i: (title.split(), description.split()) for i, (title, description) in texts.items()}
    lengths = {i: 3 * len(title) + 2 + len(description) for i, (title, description) in words.items()}  # a sku has one
    mean = sum(lengths.values()) / n_items
    scores = dict.fromkeys(texts, 0.0)
    for word in query.split():
        frequencies = {i: 3 * title.count(word) + description.count(word) for i, (title, description) in words.items()}
        n_holding = sum(frequency > 0 for frequency in frequencies.values())
        idf = math.log(1 + (n_items - n_holding + 0.5) / (n_holding + 0.5))
        for i, frequency in frequencies.items():
            scores[i] += idf * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * lengths[i] / mean))
    return {i: score for i, score in scores.items() if score}


VOWELLESS = ("bcd", "fgh", "jkl", "mnp", "qrt", "vwx")


def test_scores_are_those_of_bm25_whatever_changed_before(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    rng = np.random.default_rng(0)
    index = LexicalIndex(catalog)
    held: dict[str, tuple[str, str]] = {}
    for step, n_changed in enumerate((60, 1, 3, 0, 5, 40, 2)):
        changed = {f"s{number}" for number in rng.integers(0, 90, n_changed)}
        texts = {sku: (" ".join(rng.choice(VOWELLESS, 2)), " ".join(rng.choice(VOWELLESS, 5))) for sku in changed}
        catalog.commit(version, [make_entry(encoder, sku, a, description=b) for sku, (a, b) in texts.items()])
        held |= texts
        gone = catalog.delete(list(held)[step :: 20 - step])
        held = {sku: texts for sku, texts in held.items() if sku not in gone}
        assert index.catch_up()
        ids = {stored.item.sku: stored.id for stored in catalog.all_items()}
        assert len(index) == len(held) == len(ids)
        for query in ("bcd", "fgh jkl", "vwx mnp qrt"):
            expected = plain_scores({ids[sku]: texts for sku, texts in held.items()}, query)
            matches = index.match(query)
            best = matches.best(1000)
            assert dict(zip(best.item_ids.tolist(), best.bm25.tolist(), strict=True)) == pytest.approx(expected)
            asked = np.array([*sorted(expected), 10**9])
            of = matches.of(asked)
            np.testing.assert_allclose(of.bm25, [expected.get(item_id, 0) for item_id in asked.tolist()], rtol=1e-5)
            within = np.array(sorted(ids.values())[::3])
            allowed = [item_id for item_id in best.item_ids.tolist() if item_id in within]
            assert matches.best(1000, within).item_ids.tolist() == allowed
    assert not index.catch_up()


def test_threads_search_while_the_index_catches_up(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [make_entry(encoder, f"s{number}", "linen shirt") for number in range(50)])
    index = LexicalIndex(catalog)
    wrong: list[object] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            best = index.match("linen shirt").best(1000)
            if len(best) < 50 or not best.literal.all():
                wrong.append(best)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(20):
        catalog.commit(version, [make_entry(encoder, f"t{step}-{n}", f"linen shirt w{step}x{n}") for n in range(5)])
        index.catch_up()
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(index) == 150


def test_language_and_words_are_stored(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    text = "A warm coat for the winter, made of wool, with a hood and two pockets on the sides"
    catalog.commit(version, [make_entry(encoder, f"s{number}", "Coat", description=text) for number in range(5)])
    assert LexicalIndex(catalog).language == "en"
    assert catalog.text_settings().language == "en"
    assert catalog.store_missing_terms() == 0


def test_without_stored_words_nothing_is_lost(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [make_entry(encoder, "a", "linen shirt", attributes={"sizes": ("xl", 38)})])
    with catalog.database.write() as connection:
        connection.execute(update(item_terms).values(version=0, terms="\n\n\n"))
    changes = catalog.term_changes(0)
    assert changes.terms == ["linen shirt\na\nxl 38\n"]
    assert LexicalIndex(catalog).match("linen xl 38").best(9).literal.tolist() == [True]
    with catalog.database.read() as connection:
        assert connection.execute(select(item_terms.c.terms)).scalar_one() == changes.terms[0]


def test_an_empty_catalog(catalog: Catalog) -> None:
    index = LexicalIndex(catalog)
    assert len(index) == 0
    assert len(index.match("shirt").best(10)) == 0
    assert index.match("shirt").of(np.array([1, 2])).bm25.tolist() == [0, 0]


def random_shop(catalog: Catalog, encoder: FakeEncoder, n_items: int = 400) -> random.Random:
    """A catalog of words from a common one to a rare one, some items of which were changed and deleted."""
    rng = random.Random(5)
    words = [f"w{'abcdefghijklmnop'[number]}" for number in range(16)]

    def entry(number: int) -> IndexedItem:
        found = [word for rank, word in enumerate(words) if rng.random() < 0.9 / (1 + rank)]
        return make_entry(encoder, f"s{number}", " ".join(found), description=" ".join(rng.choices(words, k=3)))

    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [entry(number) for number in range(n_items)])
    catalog.commit(version, [entry(number) for number in range(0, n_items, 17)])
    catalog.delete([f"s{number}" for number in range(5, n_items, 23)])
    return rng


@pytest.mark.parametrize("dense_share", [0.0, 1.0])
def test_the_best_are_those_of_all_items_whatever_is_left_out(
    catalog: Catalog, encoder: FakeEncoder, dense_share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.search.lexical.bm25.DENSE_SHARE", dense_share)
    rng = random_shop(catalog, encoder)
    index, ids = LexicalIndex(catalog), np.array(sorted(stored.id for stored in catalog.all_items()))
    for _ in range(60):
        text = " ".join(f"w{letter}" for letter in rng.sample("abcdefghijklmnopz", rng.randint(1, 5)))
        limit = rng.choice([1, 5, 20, 1000])
        within = np.sort(rng.sample(ids.tolist(), rng.choice([3, 100, len(ids)]))) if rng.random() < 0.5 else None
        every = index.match(text).of(ids if within is None else within)
        order = np.lexsort((every.item_ids, -every.bm25))
        order = order[every.bm25[order] > 0][:limit]
        best = index.match(text).best(limit, within)
        assert best.item_ids.tolist() == every.item_ids[order].tolist()
        np.testing.assert_array_equal(best.bm25, every.bm25[order])
        np.testing.assert_array_equal(best.share, every.share[order])
        np.testing.assert_array_equal(best.weakest, every.weakest[order])


def test_a_restored_index_is_the_same_and_goes_on(catalog: Catalog, encoder: FakeEncoder) -> None:
    random_shop(catalog, encoder)
    catalog.keep_synonyms("wa, wonder")
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [make_entry(encoder, "e1", "Striped shirts", description="Dresses, café, t-shirt TN-2110")])
    first = LexicalIndex(catalog)
    again = LexicalIndex(catalog, first.arrays())
    for _ in range(2):
        for text in ("wa wb", "wonder", "shirt", "stripe", "dress", "cafe", "tshirt", "tn2110", "wz"):
            one, other = first.match(text).best(50), again.match(text).best(50)
            assert one.item_ids.tolist() == other.item_ids.tolist()
            np.testing.assert_array_equal(one.bm25, other.bm25)
        catalog.commit(version, [make_entry(encoder, "e2", "Striped dress wa"), make_entry(encoder, "s7", "shirt")])
        catalog.delete(["s8"])
        assert first.catch_up()
        assert again.catch_up()


def test_words_of_another_version_are_refused(catalog: Catalog, encoder: FakeEncoder) -> None:
    random_shop(catalog, encoder)
    arrays = LexicalIndex(catalog).arrays()
    with (
        patch("vitrina.search.lexical.lexical_index.STEMS_VERSION", -1),
        pytest.raises(ValueError, match="another version"),
    ):
        LexicalIndex(catalog, arrays)
