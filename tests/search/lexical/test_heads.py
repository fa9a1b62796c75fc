"""Heads: the thing itself comes before what is for it, in titles as shops write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import FakeEncoder, make_entry, new_catalog
from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.language import Language
from vitrina.search.engine import SearchEngine
from vitrina.search.index.replica import IndexReplica
from vitrina.search.lexical.heads import AFTER_HEAD_WEIGHT, MODIFIER_WEIGHT, head_of
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.types.answer import Stopwatch
from vitrina.search.types.calibration import PageSignal
from vitrina.search.types.query import Query

TITLES = (
    "Leather laptop bag",
    "Charger for any laptop",
    "Rucksack with laptop sleeve",
    "Thin grey laptop",
    "Gaming laptop 15.6 inch",
    "Laptop, silver",
    "Fast laptop with laptop bag",
    "The cotton shirt for men and women, in a box",
)


@pytest.fixture
def index(tmp_path: Path, encoder: FakeEncoder) -> LexicalIndex:
    catalog = new_catalog(tmp_path / "catalog.db")
    entries = [make_entry(encoder, title, title) for title in TITLES]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    index = LexicalIndex(catalog)
    assert index.language == "en"
    return index


def shares(index: LexicalIndex, query: str) -> dict[str, float]:
    """How much of the query each item holds that holds any of it, by its title."""
    found = index.match(query).best(len(TITLES))
    stored = index.catalog.items(found.item_ids.tolist())
    titles = [stored[item_id].item.title for item_id in found.item_ids.tolist()]
    return dict(zip(titles, found.share.round(3).tolist(), strict=True))


def test_what_is_for_a_thing_holds_less_of_a_query_by_it(index: LexicalIndex) -> None:
    held = shares(index, "laptops")
    weakest = min(held.values())
    assert {title for title, share in held.items() if share == weakest} == set(TITLES[:3])
    assert set(held) == set(TITLES[:7])
    whole = shares(index, "laptop")
    assert whole[TITLES[0]] == pytest.approx(MODIFIER_WEIGHT)
    assert {whole[title] for title in TITLES[3:7]} == {1.0}


def test_every_word_is_held_all_the_same(index: LexicalIndex) -> None:
    assert index.match("laptop").best(10).whole.all()


def test_a_query_for_the_other_thing_finds_it_whole(index: LexicalIndex) -> None:
    assert shares(index, "laptop bag")[TITLES[0]] == 1.0
    assert shares(index, "bag for a laptop")[TITLES[0]] == 1.0


@pytest.mark.parametrize(
    ("language", "thing", "other", "query"),
    [
        ("es", "Batería acústica", "Sillín de batería", "bateria"),
        ("fr", "Guitare classique noire", "Housse pour guitare", "guitare"),
        ("nl", "Ronde spiegel", "Kaptafel met spiegel", "spiegel"),
        ("pl", "Buty sportowe", "Pasta do butów", "buty"),
        ("it", "Portafoglio donna", "Gonna a portafoglio", "portafoglio"),
        ("pt", "Berço portátil", "Colchão berço", "berço"),
        ("pt", "Perfume", "Creme com perfume", "perfume"),
    ],
)
def test_what_is_for_a_thing_in_other_languages(
    tmp_path: Path, encoder: FakeEncoder, language: str, thing: str, other: str, query: str
) -> None:
    catalog = new_catalog(tmp_path / "catalog.db")
    catalog.keep_language(language, 2)
    entries = [make_entry(encoder, title, title) for title in (other, thing)]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    held = shares(LexicalIndex(catalog), query)
    weight = MODIFIER_WEIGHT if language == "nl" else AFTER_HEAD_WEIGHT
    assert held[other] == pytest.approx(weight * (0.7 if language == "pl" else 1))
    assert held[thing] == 1.0


def test_where_nothing_is_the_thing_itself_nothing_counts_less(index: LexicalIndex) -> None:
    assert shares(index, "leather") == {TITLES[0]: 1.0}


@pytest.mark.parametrize(
    ("query", "language", "head"),
    [
        ("the gaming laptop for kids", "en", "laptop"),
        ("shirt in blue", "en", "shirt"),
        ("running shoes men", "en", "shoes"),
        ("a shirt, size 38", "en", "shirt"),
        ("for men", "en", None),
        ("38", "en", None),
        ("housse ordinateur", "fr", "housse"),
        ("una funda guitarra clasica", "es", "funda"),
        ("schwarze tasche für laptop", "de", "tasche"),
        ("laptop tasche", "", None),
    ],
)
def test_the_head_of_a_query(query: str, language: str, head: str | None) -> None:
    terms = analyse(query)
    at = head_of(terms, terms, Language(language))
    assert (None if at is None else terms[at]) == head


@pytest.mark.parametrize(
    ("name", "is_lacked"),
    [
        ("washing machine", True),
        ("laptop bag", False),
        ("notebook computer", False),  # a laptop
        ("leather charger", False),  # a charger, of whatever
        ("leather sleeve", True),  # rucksacks have one
        ("grey hunch", False),  # not known to be a thing
        ("sleeve", False),  # a single word that some item has
        ("sofa", True),
        ("cold noir", False),  # what stories are of, and no title says
        ("poetry anthology", False),
    ],
)
def test_what_no_title_is_called(index: LexicalIndex, name: str, is_lacked: bool) -> None:
    assert index.lacks(name) is is_lacked


@pytest.mark.parametrize(
    ("name", "is_lacked"),
    [
        ("phone charger", True),  # a known name
        ("phone shirt", False),  # not known
        ("gadget bag", False),
        ("rucksack", False),
        ("notebook computer", False),  # a laptop
    ],
)
def test_known_names_that_no_item_holds_all_of(index: LexicalIndex, name: str, is_lacked: bool) -> None:
    assert index.lacks_compound(name) is is_lacked


@pytest.mark.parametrize(
    ("language", "name", "is_lacked"),
    [
        ("it", "profumo donna", True),
        ("it", "giubbotto donna", False),  # another word for a jacket
        ("it", "giacche profumo", False),
        ("de", "Lampe Donna", False),  # where the last word may be an adjective
    ],
)
def test_what_no_item_has_where_heads_come_first(
    tmp_path: Path, encoder: FakeEncoder, language: str, name: str, is_lacked: bool
) -> None:
    catalog = new_catalog(tmp_path / "catalog.db")
    catalog.keep_language(language, 2)
    entries = [make_entry(encoder, title, title) for title in ("Giacca donna", "Borsa donna")]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    assert LexicalIndex(catalog).lacks(name) is is_lacked
    catalog.close()


@pytest.mark.parametrize(
    ("query", "is_lacked"),
    [
        ("washing machine", 2.0),  # a known name, and nothing is called a machine
        ("striped sofa", 1.0),
        ("a washing machine", 0.0),  # says more than a name
        ("washing machine without spinning", 0.0),
        ("gaming things", 0.0),  # the shop says so itself
    ],
)
def test_a_page_tells_that_no_title_is_called_so(
    tmp_path: Path, encoder: FakeEncoder, query: str, is_lacked: float
) -> None:
    catalog = new_catalog(tmp_path / "catalog.db")
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [make_entry(encoder, title, title, attributes={"type": "Things"}) for title in TITLES])
    replica = IndexReplica(catalog, encoder.identity, version, tmp_path / "index.snapshot")
    engine = SearchEngine(catalog, encoder, replica)
    ranked = engine.retriever.rank(engine.parser.parse(Query(query), Stopwatch()), Stopwatch())
    assert ranked.page[PageSignal.UNNAMED] == is_lacked
    catalog.close()
