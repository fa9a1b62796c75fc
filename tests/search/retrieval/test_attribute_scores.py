"""What fields add: requirements met exactly, by family, not at all; what must not be; filters; an empty catalog."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, new_catalog
from vitrina.search.engine import SearchEngine
from vitrina.search.index.replica import IndexReplica
from vitrina.search.rank_explanation import explain_rank
from vitrina.search.retrieval.attribute_scores import (
    CALLED_WEIGHT,
    MENTIONED_WEIGHT,
    NARROWER_VALUE_WEIGHT,
    OTHER_KIND_WEIGHT,
    AttributeScores,
    attribute_scores,
    n_met,
)
from vitrina.search.retrieval.catalog_scores import catalog_scores
from vitrina.search.types.answer import Stopwatch
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import AttributeValue, IndexedItem, Variant
from vitrina.search.types.query import Query
from vitrina.search.types.trust import Part

ROWS: dict[str, dict[str, AttributeValue]] = {
    "navy-shirt": {"colour": "Navy Blue", "article": "Shirts", "gender": "Men"},
    "blue-shirt": {"colour": "Blue", "article": "Shirts", "gender": "Men"},
    "blue-dress": {"colour": "blue", "article": "Dresses", "gender": "Women"},
    "striped-shirt": {"colour": ("Blue", "White"), "article": "Shirts", "gender": "Unisex", "pattern": "striped"},
    "nameless": {},
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Iterator[SearchEngine]:
    """A shop whose items have no title, so that only their fields can tell them apart."""
    folder = tmp_path_factory.mktemp("fields")
    engine = opened(folder, encoder)
    engine.catalog.commit(
        engine.replica.version_id,
        [make_entry(encoder, sku, "thing", attributes=fields) for sku, fields in ROWS.items()],
    )
    engine.replica.catch_up()
    yield engine
    engine.catalog.close()


def opened(folder: Path, encoder: FakeEncoder, rows: Sequence[IndexedItem] = (), language: str = "") -> SearchEngine:
    """A shop with these rows, in a language if that is not to be found out."""
    catalog = new_catalog(folder / "catalog.db")
    version = catalog.open_index_version(encoder.identity, active=True)
    replica = IndexReplica(catalog, encoder.identity, version, folder / "index.snapshot")
    if language:
        catalog.keep_language(language, len(rows))
    if rows:
        catalog.commit(version, rows)
        replica.catch_up()
    return SearchEngine(catalog, encoder, replica)


def asked(engine: SearchEngine, query: Query) -> tuple[AttributeScores, list[list[float]], list[bool]]:
    """What fields say of all items, by id."""
    ids = np.sort([stored.id for stored in engine.catalog.all_items()])
    replica = engine.replica
    with engine.catalog.reading() as reader:
        within = reader.facets.matching(query.filters) if query.filters else None
        parsed = engine.parser.parse(query, Stopwatch())
        fields = attribute_scores(reader, replica.facets, parsed, within, replica.lexical)
    met = fields.met(replica, ids, np.zeros(len(ids), np.bool_))
    return fields, met.tolist(), fields.avoided(replica.facets, replica.lexical, ids).tolist()


def skus(engine: SearchEngine, ids: list[int]) -> list[str]:
    stored = engine.catalog.items(ids)
    return [stored[item_id].item.sku for item_id in ids]


def test_a_named_value_counts_whole_and_narrower_values_in_part(engine: SearchEngine) -> None:
    fields, met, _ = asked(engine, Query("blue shirts for men"))
    assert [requirement.field for requirement in fields.wanted] == ["colour", "article", "gender"]
    assert met == [
        [NARROWER_VALUE_WEIGHT, 1, 1],
        [1, 1, 1],
        [1, 0, 0],
        [1, 1, NARROWER_VALUE_WEIGHT],
        [0, 0, 0],
    ]
    assert set(skus(engine, fields.found.tolist())) == {"navy-shirt", "blue-shirt", "striped-shirt"}


def test_what_no_field_can_tell_is_counted_but_not_met(engine: SearchEngine) -> None:
    fields, met, _ = asked(engine, Query("blue shirts with pearl buttons"))
    assert (len(fields.wanted), fields.n_asked) == (2, 3)
    assert np.shape(met) == (len(ROWS), 2)


@pytest.mark.parametrize("query", [Query("shirts not striped"), Query("shirts", without="striped")])
def test_what_must_not_be_is_told_by_its_field(engine: SearchEngine, query: Query) -> None:
    _, _, avoided = asked(engine, query)
    assert avoided == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("without", "avoided"),
    [
        ("blue shirts", [True, True, False, True, False]),
        ("blue shirts with pearl buttons", [False] * 5),
        ("white, navy", [True, False, False, True, False]),
    ],
)
def test_what_is_avoided_together_must_be_met_together(engine: SearchEngine, without: str, avoided: list[bool]) -> None:
    assert asked(engine, Query("shirts", without=without))[2] == avoided


def test_only_items_that_pass_the_filters_are_found(engine: SearchEngine) -> None:
    fields, _, _ = asked(engine, Query("shirts", filters=parse_filters({"gender": "men"})))
    assert skus(engine, fields.found.tolist()) == ["navy-shirt", "blue-shirt"]


def test_a_query_that_names_no_value_finds_nothing_by_fields(engine: SearchEngine) -> None:
    fields, met, avoided = asked(engine, Query("zebra"))
    assert (fields.wanted, fields.n_asked, len(fields.found)) == ((), 1, 0)
    assert np.shape(met) == (len(ROWS), 0)
    assert not any(avoided)


def test_the_items_that_meet_all_come_first_the_exact_ones_before_narrower_values(engine: SearchEngine) -> None:
    found = [hit.stored.item.sku for hit in engine.search(Query("blue shirts for men")).hits]
    assert found[0] == "blue-shirt"
    assert set(found[:3]) == {"navy-shirt", "blue-shirt", "striped-shirt"}


def test_another_kind_of_thing_is_further_from_what_was_asked_than_another_colour_and_pattern(
    tmp_path: Path, encoder: FakeEncoder
) -> None:
    engine = opened(tmp_path, encoder)
    rows = {
        "socks": {"product_type": "Socks", "colour": "Navy", "pattern": "Striped", "gender": "Men"},
        "shirt": {"product_type": "Shirts", "colour": "Blue", "pattern": "Plain", "gender": "Men"},
    }
    engine.catalog.commit(
        engine.replica.version_id,
        [make_entry(encoder, sku, "thing", attributes=fields) for sku, fields in rows.items()],
    )
    engine.replica.catch_up()
    fields, met, _ = asked(engine, Query("navy striped shirt for men"))
    assert [each.field for each, is_kind in zip(fields.wanted, fields.is_kind, strict=True) if is_kind] == [
        "product_type"
    ]
    assert list(map(sum, met)) == [3.0, 2.0]
    assert n_met(np.array(met), fields.is_kind).tolist() == [3 * OTHER_KIND_WEIGHT, 2.0]
    found = [hit.stored.item.sku for hit in engine.search(Query("navy striped shirt for men")).hits]
    assert found == ["shirt", "socks"]
    engine.catalog.close()


def test_words_of_the_query_may_be_another_form_of_a_value(engine: SearchEngine) -> None:
    assert engine.search(Query("women's dress")).hits[0].stored.item.sku == "blue-dress"


def test_a_value_that_is_indexed_later_is_known(tmp_path: Path, encoder: FakeEncoder) -> None:
    engine = opened(tmp_path, encoder)
    assert engine.search(Query("teal kettles")).hits == ()
    entries = [make_entry(encoder, str(n), "thing", attributes={"article": "Kettles"}) for n in range(2)]
    engine.catalog.commit(engine.replica.version_id, entries)
    engine.replica.catch_up()
    ranked = engine.rank(Query("a kettle in teal"))
    assert ranked.parts[Part.FIELDS].tolist() == [0.5, 0.5]  # a kettle, of a colour that no field has
    engine.catalog.close()


def test_where_a_field_is_empty_the_words_of_the_item_tell(tmp_path: Path, encoder: FakeEncoder) -> None:
    engine = opened(tmp_path, encoder)
    rows: dict[str, tuple[str, dict[str, AttributeValue]]] = {
        "listed": ("thing", {"article": "Shirts"}),
        "hole": ("linen shirt", {"colour": "red"}),
        "nothing": ("thing", {}),
        "other": ("shirt dress", {"article": "Dresses"}),
    }
    entries = [make_entry(encoder, sku, title, attributes=fields) for sku, (title, fields) in rows.items()]
    engine.catalog.commit(engine.replica.version_id, entries)
    engine.replica.catch_up()
    _, met, _ = asked(engine, Query("shirts"))
    engine.catalog.close()
    assert met == [[1.0], [1.0], [0.0], [0.0]]


def test_a_field_that_few_items_have_does_not_say_what_the_others_are_not(tmp_path: Path, encoder: FakeEncoder) -> None:
    engine = opened(tmp_path, encoder)
    rows: dict[str, tuple[str, dict[str, AttributeValue]]] = {
        "listed": ("thing", {"type": "Stand"}),
        "other": ("phone stand", {"type": "Passive holder"}),
        **{f"untyped-{number}": ("thing", {}) for number in range(3)},
    }
    entries = [make_entry(encoder, sku, title, attributes=fields) for sku, (title, fields) in rows.items()]
    engine.catalog.commit(engine.replica.version_id, entries)
    engine.replica.catch_up()
    fields, met, _ = asked(engine, Query("phone stand"))
    assert [each.field for each in fields.wanted] == ["type"]
    assert (met[:2], fields.is_kind.tolist()) == ([[1.0], [1.0]], [False])
    assert engine.search(Query("phone stand")).hits[0].item.sku == "other"
    engine.catalog.close()


def test_what_costs_more_than_was_asked_for_comes_after_what_does_not(tmp_path: Path, encoder: FakeEncoder) -> None:
    engine = opened(tmp_path, encoder)
    prices = {"cheap": 4000, "dear": 12900, "free-of-price": None}
    sizes = {"S": 9000, "M": 4500}
    variants = [Variant(size, {"size": size}, price_cents=price, currency="EUR") for size, price in sizes.items()]
    entries = [
        make_entry(encoder, sku, "red jacket", price_cents=price, attributes={"article": "Jackets"})
        for sku, price in prices.items()
    ]
    entries.append(make_entry(encoder, "sized", "red jacket", attributes={"article": "Jackets"}, variants=variants))
    engine.catalog.commit(engine.replica.version_id, entries)
    engine.replica.catch_up()
    answer = engine.search(Query("red jacket under 50 euros"))
    assert [each.name for each in answer.requirements] == ["red", "article: jacket", "price: under 50 euros"]
    first, second, *others = answer.hits
    assert {first.item.sku, second.item.sku} == {"cheap", "sized"}
    assert {hit.item.sku for hit in others} == {"dear", "free-of-price"}
    shown = next(hit for hit in (first, second) if hit.item.sku == "sized")
    assert shown.item.variants[shown.variant or 0].options == {"size": "M"}
    ranked = engine.rank(Query("red jacket under 50 euros"))
    stored = engine.catalog.items(ranked.item_ids[ranked.unwanted].tolist())
    assert [each.item.sku for each in stored.values()] == ["dear"]
    explained = explain_rank(engine, Query("red jacket under 50 euros"), "dear")
    assert (explained.penalty, explained.avoided) == (2.0, ("not under 50 euros",))
    assert explained.sentence.count("under 50 euros") == 1
    assert engine.search(Query("red jacket under 50 dollars")).requirements == answer.requirements[:2]
    assert engine.search(Query("under 50 euros")).hits
    engine.catalog.close()


def test_a_tag_that_an_item_lacks_is_met_in_part_by_its_words(tmp_path: Path, encoder: FakeEncoder) -> None:
    engine = opened(tmp_path, encoder)
    rows: dict[str, tuple[str, dict[str, AttributeValue]]] = {
        "tagged": ("Two seater", {"tags": ("sofa", "couch")}),
        "titled": ("Sofa bed", {"tags": ("futon", "guest bed")}),
        "untagged": ("Corner sofa", {}),
        "other": ("Chair", {"tags": ("seat",)}),
        "of another material": ("Leather look chair", {"material": "Vinyl"}),
        "leather": ("Stool", {"material": "Leather"}),
    }
    engine.catalog.commit(
        engine.replica.version_id,
        [make_entry(encoder, sku, title, attributes=fields) for sku, (title, fields) in rows.items()],
    )
    engine.replica.catch_up()
    assert asked(engine, Query("sofa"))[1] == [[1], [MENTIONED_WEIGHT], [1], [0], [0], [0]]
    assert asked(engine, Query("leather"))[1] == [[0], [0], [0], [0], [0], [1]], "a material excludes others"
    engine.catalog.close()


def test_a_kind_before_another_word_is_not_meant_where_only_other_things_have_all_the_words(
    tmp_path: Path, encoder: FakeEncoder
) -> None:
    engine = opened(tmp_path, encoder)
    rows: dict[str, tuple[str, dict[str, AttributeValue]]] = {
        "bike": ("City bike", {"type": "Bikes", "colour": "Red"}),
        "light": ("Bike light", {"type": "Accessories", "colour": "Red"}),
        "helmet": ("Helmet in leather", {"type": "Helmets"}),
        "balm": ("Leather balm for a helmet", {"type": "Care"}),
    }
    engine.catalog.commit(
        engine.replica.version_id,
        [make_entry(encoder, sku, title, attributes=fields) for sku, (title, fields) in rows.items()],
    )
    engine.replica.catch_up()

    def kinds(text: str) -> list[str]:
        fields, met, _ = asked(engine, Query(text))
        ids = np.sort([stored.id for stored in engine.catalog.all_items()])
        meant = fields.kinds_meant(np.array(met), engine.replica.lexical.match(text).of(ids).weakest > 0)
        return [each.words for each, is_meant in zip(fields.wanted, meant, strict=True) if is_meant]

    assert kinds("bike light") == []
    assert kinds("bike red") == ["bike"], "a bike has all the words"
    assert kinds("bike purple") == ["bike"], "nothing has them"
    assert kinds("light bike") == ["bike"], "the last says what it is"
    assert kinds("helmet leather") == ["helmet"]
    engine.catalog.close()


def test_the_first_kind_is_meant_in_a_language_that_puts_it_there(tmp_path: Path, encoder: FakeEncoder) -> None:
    rows = [
        make_entry(encoder, "guitar", "Guitarra roja con funda", attributes={"tipo": "Guitarras"}),
        make_entry(encoder, "case", "Funda guitarra", attributes={"tipo": "Fundas"}),
        make_entry(encoder, "strings", "Cuerdas guitarra", attributes={"tipo": "Accesorios"}),
    ]
    engine = opened(tmp_path, encoder, rows, "es")
    for query, first in (("funda guitarra", "case"), ("cuerdas guitarra", "strings"), ("guitarra roja", "guitar")):
        assert engine.search(Query(query)).hits[0].item.sku == first
    ids = np.sort([stored.id for stored in engine.catalog.all_items()])
    with engine.catalog.reading() as reader:
        parsed = engine.parser.parse(Query("cuerdas guitarra"), Stopwatch())
        fields = catalog_scores(reader, engine.replica, parsed, None).about(ids).parts[Part.FIELDS]
    assert fields.tolist() == [0, 0, 0], "a guitar is not what is asked for"
    engine.catalog.close()


def test_a_head_is_not_the_kind_that_is_meant_where_all_that_has_the_whole_name_is_of_others(
    tmp_path: Path, encoder: FakeEncoder
) -> None:
    rows = [
        make_entry(encoder, "gown", "Peignoir polaire", attributes={"categorie": "Nuit"}),
        make_entry(encoder, "dress", "Robe longue", attributes={"categorie": "Robes"}),
    ]
    engine = opened(tmp_path, encoder, rows, "fr")
    words = {hit.item.sku: hit.signals.words for hit in engine.search(Query("robe de chambre")).hits}
    assert words["gown"] > 2 * words["dress"]
    assert engine.search(Query("robe")).hits[0].item.sku == "dress"
    engine.catalog.close()


def test_what_follows_a_head_is_no_kind_in_a_language_that_puts_heads_first(
    tmp_path: Path, encoder: FakeEncoder
) -> None:
    rows = [
        make_entry(encoder, "sheet", "Lençol com elástico foguete", attributes={"categoria": "Quarto > Cama"}),
        make_entry(encoder, "bottle", "Garrafa infantil", attributes={"categoria": "Infantil > Escola"}),
        make_entry(encoder, "brush", "Escova de dente infantil", attributes={"categoria": "Infantil > Higiene"}),
    ]
    engine = opened(tmp_path, encoder, rows, "pt")
    assert engine.search(Query("lençol infantil")).hits[0].item.sku == "sheet"
    assert asked(engine, Query("lençol infantil"))[0].is_purpose.tolist() == [True]
    assert not asked(engine, Query("abajur infantil"))[0].is_purpose.any(), "no item has it"
    engine.catalog.close()


def test_what_a_title_says_tells_more_of_the_kind_than_a_description(tmp_path: Path, encoder: FakeEncoder) -> None:
    rows = [
        make_entry(encoder, "hoops", "Hoops", description="In a box", attributes={"type": "Jewellery"}),
        make_entry(encoder, "case", "Jewellery box", attributes={"type": "Storage"}),
    ]
    engine = opened(tmp_path, encoder, rows)
    ids = np.sort([stored.id for stored in engine.catalog.all_items()])

    def words(text: str) -> dict[str, float]:
        with engine.catalog.reading() as reader:
            parsed = engine.parser.parse(Query(text), Stopwatch())
            found = catalog_scores(reader, engine.replica, parsed, None).about(ids).parts[Part.WORDS]
        return dict(zip(skus(engine, ids.tolist()), found.tolist(), strict=True))

    assert words("jewellery box")["case"] > CALLED_WEIGHT, "and no quarter of it: hoops in a box are no boxes"
    engine.catalog.close()


def test_nor_where_they_have_synonyms_of_the_words(tmp_path: Path, encoder: FakeEncoder) -> None:
    fields: dict[str, dict[str, AttributeValue]] = {"City bike": {"type": "Bikes"}, "Bike torch": {"type": "Lamps"}}
    rows = [make_entry(encoder, title, title, attributes=held) for title, held in fields.items()]
    engine = opened(tmp_path, encoder, rows, "en")
    with engine.catalog.reading() as reader:
        parsed = engine.parser.parse(Query("bike flashlight"), Stopwatch())
        ids = np.array([engine.catalog.item(title).id for title in fields])
        bike, torch = catalog_scores(reader, engine.replica, parsed, None).about(ids).parts[Part.WORDS]
    assert torch > bike
    engine.catalog.close()


def test_what_a_title_calls_all_that_is_asked_for_is_nearly_of_that_kind_whatever_its_fields_say(
    tmp_path: Path, encoder: FakeEncoder
) -> None:
    types = {"Leather bag": "Bags", "Heavy punch bag 30 kg": "Boxing", "Gloves for a punch bag": "Boxing"}
    rows = [make_entry(encoder, title, title, attributes={"type": kind}) for title, kind in types.items()]
    engine = opened(tmp_path, encoder, rows, "en")
    ids = np.array([engine.catalog.item(title).id for title in types])
    with engine.catalog.reading() as reader:
        parsed = engine.parser.parse(Query("punching bag"), Stopwatch())
        fields = catalog_scores(reader, engine.replica, parsed, None).about(ids).parts[Part.FIELDS]
    assert fields.tolist() == [0.5, 0.5 * CALLED_WEIGHT, 0], "what is for it is none"
    engine.catalog.close()


def test_what_says_no_to_a_property_asked_for_comes_after_what_says_yes(tmp_path: Path, encoder: FakeEncoder) -> None:
    told = {"yes": "", "no": "Not for induction.", "silent": ""}
    rows = [
        make_entry(encoder, said, "Pan", description=text, attributes={} if said == "silent" else {"induction": said})
        for said, text in told.items()
    ]
    rows.append(make_entry(encoder, "old", "Pan", attributes={"is_new": "no"}))
    rows.append(make_entry(encoder, "new", "Pot", attributes={"is_new": "yes"}))
    engine = opened(tmp_path, encoder, rows)
    assert engine.search(Query("induction pan")).hits[0].item.sku == "yes"
    found = engine.retriever.rank(engine.parser.parse(Query("induction pan"), Stopwatch()), Stopwatch())
    assert skus(engine, found.item_ids[found.unwanted].tolist()) == ["no"]
    found = engine.retriever.rank(engine.parser.parse(Query("new pan"), Stopwatch()), Stopwatch())
    assert not found.unwanted.any(), "whether it is new is the shop's to say"
    engine.catalog.close()


@pytest.mark.parametrize(("query", "best"), [("watch for swimming", "watch"), ("swimming", "cap")])
def test_a_department_beside_a_head_is_no_kind(tmp_path: Path, encoder: FakeEncoder, query: str, best: str) -> None:
    rows = [
        make_entry(encoder, "cap", "Cap", attributes={"category": "Swimming > Caps"}),
        make_entry(encoder, "goggles", "Goggles", attributes={"category": "Swimming > Goggles"}),
        make_entry(encoder, "watch", "Sports watch", attributes={"category": "Training > Devices"}),
    ]
    engine = opened(tmp_path, encoder, rows, "en")
    ids = np.sort([stored.id for stored in engine.catalog.all_items()])
    with engine.catalog.reading() as reader:
        parsed = engine.parser.parse(Query(query), Stopwatch())
        parts = catalog_scores(reader, engine.replica, parsed, None).about(ids).parts
    scores = parts[Part.WORDS] + parts[Part.FIELDS]
    assert skus(engine, ids.tolist())[int(scores.argmax())] == best
    engine.catalog.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("mouthwash without alcohol", "Alcohol-free"),
        ("mouthwash no alcohol", "contains no added alcohol"),
        ("mouthwash without sugar", "Free from sugar"),
        ("mouthwash no salt", "unsalted"),
        ("alcohol free mouthwash", "alcohol free"),
        ("mouthwash without alcohol", "alcohol & sugar free"),
        ("mouthwash without sugar", "free from alcohol and sugar"),
        ("mouthwash for someone who can't have alcohol", "alcohol-free"),
        ("mouthwash without salt", "a salt substitute"),
        ("mouthwash not alcohol", "imitation alcohol"),
        ("mouthwash no added sugar", "no sugar added"),
        ("mouthwash without sugar", "unsweetened"),
        ("mouthwash without sugar", "no colouring or sugar"),
        ("mouthwash, no sugar needed", "no sugar"),
        ("mouthwash w/o sugar", "w/o sugar"),
        ("mouthwash without a salt", "without any salt"),
        ("mouthwash without salt", "fresh without a salt"),
        ("mouthwash without salt", "no need for salt"),
        ("mouthwash without salt", "no need for a salt"),
        ("mouthwash without salt", "clean without using salt"),
    ],
)
def test_what_says_that_it_lacks_something_is_what_has_none(
    tmp_path: Path, encoder: FakeEncoder, query: str, said: str
) -> None:
    texts = {"with": "with alcohol, sugar and salt", "silent": "mint", "lacks": said}
    rows = [make_entry(encoder, sku, "Mouthwash", description=text) for sku, text in texts.items()]
    engine = opened(tmp_path, encoder, rows)
    hits = engine.search(Query(query)).hits
    assert [hit.item.sku for hit in hits] == ["lacks", "silent", "with"]
    assert not explain_rank(engine, Query(query), "lacks").avoided
    engine.catalog.close()


@pytest.mark.parametrize(
    "query", ["oats, no gluten", "gluten free oats", "oats for coeliacs", "oats, gluten intolerant"]
)
def test_a_field_of_allergens_says_what_is_to_be_avoided(tmp_path: Path, encoder: FakeEncoder, query: str) -> None:
    """Oats that are called free of gluten have none, though their field says that they are oats."""
    allergens = {"Oats": "oats", "Barley oats": "barley, milk", "Oats, gluten free": "oats", "Flakes": "milk"}
    rows = [make_entry(encoder, title, title, attributes={"allergens": held}) for title, held in allergens.items()]
    engine = opened(tmp_path, encoder, rows, "en")
    assert engine.search(Query(query)).hits[0].item.sku == "Oats, gluten free"
    ranked = engine.rank(Query(query))
    assert set(skus(engine, ranked.item_ids[ranked.unwanted].tolist())) == {"Oats", "Barley oats"}
    engine.catalog.close()


def test_a_text_denies_what_something_stands_for(tmp_path: Path, encoder: FakeEncoder) -> None:
    texts = {"pesto": "seeds in place of cheese", "sauce": "cream instead of cheese", "dip": "with cheese"}
    rows = [make_entry(encoder, sku, sku, description=text) for sku, text in texts.items()]
    engine = opened(tmp_path, encoder, rows, "en")
    words = engine.replica.lexical.match("cheese").of(np.sort([each.id for each in engine.catalog.all_items()]))
    assert np.count_nonzero(words.share) == 1
    engine.catalog.close()


def test_an_amount_out_of_bounds_falls_whatever_the_words_say(tmp_path: Path, encoder: FakeEncoder) -> None:
    engine = opened(tmp_path, encoder)
    small = make_entry(
        encoder, "8", "Laptop", description="Laptop with 8 GB RAM and a disk of 512 GB.", attributes={"ram": "8 GB"}
    )
    others = [make_entry(encoder, f"{n}", "Laptop", attributes={"ram": f"{n} GB"}) for n in (16, 32)]
    engine.catalog.commit(engine.replica.version_id, [small, *others])
    engine.replica.catch_up()
    for text in ("laptop with more than 8 GB RAM", "laptop at least 12 GB RAM"):
        assert [hit.item.sku for hit in engine.search(Query(text)).hits][-1] == "8"
    assert len(engine.search(Query("laptop at least 64 GB RAM")).hits) == 3, "none has so much"
    assert engine.search(Query("laptop not over 8 GB RAM")).hits[0].item.sku == "8"
    engine.catalog.close()


def test_an_accessory_is_not_what_it_is_for(tmp_path: Path, encoder: FakeEncoder) -> None:
    kinds = {
        "booster": "Car seats > Boosters",
        "mirror": "Car seats > Accessories",
        "cover": "Car seat spare parts",
        "cup": "Cups & Accessories",
    }
    rows = [make_entry(encoder, sku, sku, attributes={"type": kind}) for sku, kind in kinds.items()]
    engine = opened(tmp_path, encoder, rows)
    for text, accessories in (
        ("car seat", [False, True, True, False]),
        ("black mirror for car seat", [False] * 4),
        ("cup", [False, True, True, False]),
    ):
        fields, met, _ = asked(engine, Query(text))
        ids = np.sort([stored.id for stored in engine.catalog.all_items()])
        assert fields.is_accessory(engine.replica.facets, ids, np.array(met)).tolist() == accessories, text
    engine.catalog.close()
