"""The vocabulary of a catalog is that of its last commit, in the catalog's own spelling."""

from __future__ import annotations

import pytest

from tests.fakes import FakeEncoder, make_entry
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.item import AttributeValue
from vitrina.search.types.query import Query
from vitrina.search.understanding import catalog_attributes
from vitrina.search.understanding.catalog_attributes import CatalogVocabulary, Vocabulary
from vitrina.search.understanding.parser import requirements_of


@pytest.fixture
def shop(catalog: Catalog, encoder: FakeEncoder) -> Shop:
    return Shop(catalog, encoder)


class Shop:
    """A catalog to put items in."""

    def __init__(self, catalog: Catalog, encoder: FakeEncoder) -> None:
        self.catalog = catalog
        self.encoder = encoder
        self.version = catalog.open_index_version(encoder.identity, active=True)

    def put(self, sku: str, **attributes: AttributeValue) -> None:
        entry = make_entry(self.encoder, sku, f"Title of {sku}", price_cents=1000, attributes=attributes)
        self.catalog.commit(self.version, [entry])


def test_the_catalogs_own_spelling(shop: Shop) -> None:
    shop.put("1", colour="Navy Blue", article="Tshirts", sizes=("XL", 38, 40.0), washable=True, year=2012)
    shop.put("2", colour="navy blue", article="Shirts", rating=4.5)
    fields = CatalogVocabulary(shop.catalog).current().fields
    assert fields == {
        "article": ("Shirts", "Tshirts"),
        "colour": ("Navy Blue",),
        "rating": ("4.5",),
        "sizes": ("38", "40", "XL"),
        "washable": ("true",),
        "year": ("2012",),
    }


def test_short_texts_are_no_values(shop: Shop) -> None:
    shop.put("1", short_description="won't strip wax", scent="wax")
    assert CatalogVocabulary(shop.catalog).current().fields == {"scent": ("wax",)}


def test_a_query_against_a_catalog(shop: Shop) -> None:
    shop.put("1", colour="Navy Blue", article="Tshirts", gender="Men")
    query = Query("navy tee for men, not striped", without="leather")
    found = requirements_of(query, CatalogVocabulary(shop.catalog).current())
    assert [(requirement.name, requirement.values) for requirement in found] == [
        ("colour: navy", ("Navy Blue",)),
        ("article: tee", ("Tshirts",)),
        ("gender: men", ("Men",)),
        ("not striped", ()),
        ("not leather", ()),
    ]


def test_an_empty_catalog(catalog: Catalog) -> None:
    assert not CatalogVocabulary(catalog).current().fields


def test_what_is_committed_is_known_at_once(shop: Shop) -> None:
    vocabulary = CatalogVocabulary(shop.catalog)
    assert vocabulary.current().match(["navy"]) is None
    shop.put("1", colour="navy")
    assert vocabulary.current().match(["navy"]) is not None
    shop.put("1", colour="red")
    assert vocabulary.current().fields == {"colour": ("red",)}
    shop.catalog.delete(["1"])
    assert not vocabulary.current().fields


def test_nothing_is_rebuilt_while_the_values_stay(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put("1", colour="navy")
    vocabulary = CatalogVocabulary(shop.catalog)
    first = vocabulary.current()
    shop.put("2", colour="Navy")
    assert vocabulary.current() is first
    monkeypatch.setattr(CatalogVocabulary, "_read", lambda _: pytest.fail("read without a change"))
    assert vocabulary.current() is first


def test_fields_of_too_many_values_are_no_vocabulary(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_attributes, "MAX_VALUES", 3)
    vocabulary = CatalogVocabulary(shop.catalog)
    for number in range(3):
        shop.put(str(number), model=f"model {number}", colour="navy")
    assert set(vocabulary.current().fields) == {"colour", "model"}
    shop.put("3", model="model 3")
    assert set(vocabulary.current().fields) == {"colour"}
    assert set(CatalogVocabulary(shop.catalog).current().fields) == {"colour"}


def test_the_kind_of_thing_is_known_in_other_languages() -> None:
    fields = ("Warengruppe", "catégorie", "produkt_typ", "Farbe")
    assert Vocabulary({field: ["x"] for field in fields}).kind_fields == {"Warengruppe", "catégorie", "produkt_typ"}


def test_what_a_thing_is_comes_before_what_it_goes_with() -> None:
    vocabulary = Vocabulary(
        {"style_general": ["Yoghurt", "Milk"], "goes with": ["yoghurt", "milk", "kiwi", "red heel"]}
    )
    match = vocabulary.match(["yoghurt"])
    assert match is not None
    assert match.field == "style_general"
    kiwi = vocabulary.match(["kiwi"])
    assert kiwi is not None
    assert kiwi.field == "goes with"


@pytest.mark.parametrize(
    ("language", "values", "query", "value"),
    [
        ("it", ("Nero", "Rosso"), "scarpe nere", "Nero"),
        ("es", ("Rojo", "Azul marino"), "camisas azules marinos", "Azul marino"),
        ("pt", ("Vermelho", "Preto"), "bolsa vermelha", "Vermelho"),
        ("de", ("Schwarz", "Grün"), "ein grünes Kleid", "Grün"),
        ("fr", ("Vert", "Noir"), "robes vertes", "Vert"),
        ("pl", ("czarny", "damskie"), "damska kurtka", "damskie"),
    ],
)
def test_any_form_of_a_value_names_it_in_the_catalogs_language(
    language: str, values: tuple[str, ...], query: str, value: str
) -> None:
    found = requirements_of(Query(query), Vocabulary({"x": values}, language=language))
    assert [each.values for each in found if each.field] == [(value,)]


def test_another_word_of_one_stem_names_no_value() -> None:
    vocabulary = Vocabulary({"tipo": ("Guitarras",), "marca": ("Bellos",)}, language="es")
    assert vocabulary.match(["guitarra"]) is not None
    assert vocabulary.match(["guitarrista"]) is None
    assert vocabulary.match(["bella"]) is None, "a proper name"
