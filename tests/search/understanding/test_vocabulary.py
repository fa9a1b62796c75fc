"""A vocabulary finds the field and the values that words mean."""

from __future__ import annotations

import pytest

from tests.search.understanding.shops import FASHION
from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.measures import Measure, measured
from vitrina.search.analysis.spelling import split
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import MAX_VALUE_CHARS, Vocabulary
from vitrina.search.understanding.names import MatchType
from vitrina.search.understanding.parser import parse


def meaning(vocabulary: Vocabulary, words: str) -> tuple[str, tuple[str, ...]] | None:
    match = vocabulary.match(split(words))
    return (match.field, match.values) if match else None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("accessories", ("subcategory", ("Accessories",))),  # also a category; the finer field has it
        ("watches", ("article", ("Watches",))),
        ("black", ("colour", ("Black",))),  # also a brand
        ("shoes", ("subcategory", ("Shoes",))),  # exactly one there, though articles are shoes too
        ("perfume", ("article", ("Perfume and Body Mist",))),
        ("kids", ("gender", ("Boys", "Girls"))),
        ("waterproof", ("is_waterproof", ("true",))),
        ("none", None),
        ("street", None),
        ("unknown words", None),
    ],
)
def test_the_best_match(words: str, expected: tuple[str, tuple[str, ...]] | None) -> None:
    assert meaning(FASHION, words) == expected


def test_a_field_of_yes_and_no_is_named_by_its_own_name() -> None:
    shop = Vocabulary({"dual_sim": ("No", "Yes"), "wasserdicht": ("Ja", "Nein"), "5_g": ("Yes",)})
    assert meaning(shop, "dual sim") == ("dual_sim", ("Yes",))
    assert meaning(shop, "wasserdicht") == ("wasserdicht", ("Ja",))
    assert meaning(shop, "5g") == ("5_g", ("Yes",))
    assert meaning(shop, "yes") is None


def test_a_sentence_is_no_value_that_a_shopper_names() -> None:
    shop = Vocabulary({"summary": ("For pike and trout.", "Sea trout"), "size": ("approx. med.",)})
    assert meaning(shop, "trout") == ("summary", ("Sea trout",))
    assert meaning(shop, "approx. med.") == ("size", ("approx. med.",))


def test_other_matches_come_after_it() -> None:
    assert [match.field for match in FASHION.matches(["black"])] == ["colour", "brand"]
    within = FASHION.match_in("brand", ["black"])
    assert within is not None
    assert within.values == ("Black",)
    assert FASHION.match_in("season", ["black"]) is None


def test_values_named_more_closely_come_first_and_the_rest_is_narrower() -> None:
    vocabulary = Vocabulary({"article": ("Mufflers", "Scarves", "Silk Scarves")})
    match = vocabulary.match(["scarf"])
    assert match is not None
    assert (match.values, match.narrower) == (("Scarves", "Mufflers", "Silk Scarves"), ("Mufflers", "Silk Scarves"))
    assert match.match_type is MatchType.SAME


def test_where_no_value_has_the_name_all_are_narrower() -> None:
    match = Vocabulary({"article": ("Casual Shoes", "Sports Shoes")}).match(["shoes"])
    assert match is not None
    assert match.values == match.narrower == ("Casual Shoes", "Sports Shoes")


def test_two_spellings_of_a_value_are_both_meant() -> None:
    assert meaning(Vocabulary({"article": ("T-shirts", "tshirt")}), "tee shirt") == ("article", ("T-shirts", "tshirt"))


@pytest.mark.parametrize(
    "value",
    [
        "https://shop.example/navy",
        "navy@shop.example",
        "navy " * 7,
        "n" * (MAX_VALUE_CHARS + 1),
        "N/A",
        "None",
        "!",
        "",
    ],
)
def test_what_is_no_name_is_left_out(value: str) -> None:
    vocabulary = Vocabulary({"note": (value,)})
    assert not vocabulary.fields
    assert vocabulary.match(split(value)) is None


def test_names_of_fields() -> None:
    assert FASHION.fields_called(["size"]) == ("size", "shoe_size")
    assert FASHION.fields_called(["shoe", "sizes"]) == ("shoe_size",)
    assert FASHION.fields_called(["color"]) == ("colour",)
    assert FASHION.fields_called(["hood"]) == ()


def test_an_empty_vocabulary_means_nothing() -> None:
    assert Vocabulary({}).match(["navy"]) is None
    assert Vocabulary({}).match([]) is None


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("4 people", "players", ("2-6", "2+")),
        ("10 players", "players", ("2+",)),
        ("age 4", "age", ("3-6 years", "18 months+")),
        ("under 2 kg", "weight_kg", ("1.2",)),
        ("1200 g", "weight_kg", ("1.2",)),
        ("at least 20 pages", "pages", ()),
        ("30 l", "", ()),
    ],
)
def test_a_measure_names_what_a_field_of_its_unit_says(text: str, field: str, values: tuple[str, ...]) -> None:
    fields = {
        "players": ("2-6", "2", "2+"),
        "age": ("3-6 years", "18 months+", "8+"),
        "weight_kg": ("1.2", "2", "n. a."),
    }
    vocabulary = Vocabulary(fields | {"pages": ("12",), "colour": ("Red",)})
    (asked,) = measured(analyse(text))
    assert isinstance(asked, Measure)
    match = vocabulary.measure_match(asked)
    assert (match.field, match.values) == (field, values) if match else not values


@pytest.mark.parametrize(
    ("size", "field", "values"),
    [
        ("41", "sock size", ("39-42",)),
        ("43", "sock size", ("43", "43-46")),
        ("57", "head_cm", ("52-58",)),
        ("33", "", ()),
    ],
)
def test_a_size_is_within_a_range_of_sizes_and_no_age(size: str, field: str, values: tuple[str, ...]) -> None:
    fields = {"age": ("30-50",), "sock size": ("EU 36-38", "39-42", "43-46", "43"), "head_cm": ("52-58",)}
    vocabulary = Vocabulary({**fields, "size": ("32/34", "34/32", "S-M")})
    (asked,) = measured(["size", size])
    assert isinstance(asked, Measure)
    match = vocabulary.measure_match(asked)
    assert (match.field, match.values) == (field, values) if match else not values


LAPTOPS = Vocabulary(
    {
        "category": ("laptop", "mug"),
        "specs.ram": ("8 GB", "16 GB DDR5", "32 GB"),
        "storage": ("512 GB", "1 TB"),
        "weight": ("1.2 kg", "2 kg", "3 kg"),
        "capacity": ("250 ml", "300 ml", "400 ml"),
    }
)


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("laptop with more than 8 GB RAM", "specs.ram", ("16 GB DDR5", "32 GB")),
        ("laptop at least 16 GB RAM", "specs.ram", ("16 GB DDR5", "32 GB")),
        ("laptop at least 12 GB RAM", "specs.ram", ("16 GB DDR5", "32 GB")),
        ("laptop 16gb+ ram", "specs.ram", ("16 GB DDR5", "32 GB")),
        ("laptop 16 gb or more ram", "specs.ram", ("16 GB DDR5", "32 GB")),
        ("laptop with RAM of at least 16 GB", "specs.ram", ("16 GB DDR5", "32 GB")),
        ("laptop over 512 gb storage", "storage", ("1 TB",)),
        ("laptop not over 2 kg", "weight", ("1.2 kg", "2 kg")),
        ("laptop under 2 kg", "weight", ("1.2 kg",)),
        ("mug >300ml", "capacity", ("400 ml",)),
        ("mug ≤ 300 ml", "capacity", ("250 ml", "300 ml")),
        ("laptop 8 gb ram", "specs.ram", ("8 GB",)),
    ],
)
def test_a_bounded_amount_names_all_values_within_it(text: str, field: str, values: tuple[str, ...]) -> None:
    _, asked = parse(text, LAPTOPS)
    assert (asked.field, asked.values, asked.wanted) == (field, values, True)


def test_a_bounded_amount_without_a_field_stays_whole() -> None:
    assert parse("laptop at least 16 GB", LAPTOPS)[1:] == [Requirement("at least 16 gb")], "of memory, or of storage?"
    assert Requirement("at least 64 gb", "specs.ram") in parse("laptop at least 64 GB RAM", LAPTOPS), "none has so much"
    found = parse("laptop at least 16 GB RAM and over 512 GB storage", LAPTOPS)
    assert [each.field for each in found] == ["category", "specs.ram", "storage"]


FOOD = Vocabulary(
    {
        "group": ("Pasta", "Dairy"),
        "age_group": ("Kids", "Adults"),
        "allergens": ("wheat", "milk", "egg", "tree nuts", "peanuts", "fish", "no nuts", "hafer"),
    }
)


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("gluten free pasta", ("wheat",)),
        ("pasta without gluten or milk", ("wheat", "milk")),
        ("snack with no nuts", ("tree nuts", "peanuts")),
        ("nut butter, not peanut", ("peanuts",)),
        ("dairy-free pasta", ("milk",)),
        ("lactose intolerant, any pasta", ("milk",)),
        ("allergic to eggs", ("egg",)),
        ("something for someone who can't eat fish", ("fish",)),
        ("pasta ohne hafer", ("hafer",)),
        ("vegan pasta", ("milk", "egg", "fish")),
        ("coeliac friendly", ("wheat",)),
        ("pasta without milk pans", ()),
        ("milk", ()),
        ("wool intolerance", ()),
    ],
)
def test_what_is_avoided_is_what_a_field_of_allergens_says(text: str, denied: tuple[str, ...]) -> None:
    asked = [each for each in parse(text, FOOD) if each.field == "allergens"]
    assert not any(each.wanted for each in asked)
    assert tuple(value for each in asked for value in each.values) == denied


def test_a_group_is_a_kind_of_thing_unless_it_is_one_of_people() -> None:
    assert FOOD.kind_fields == {"group"}


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        ("large", ("L", "L/XL")),
        ("extra large", ("XL", "L/XL")),
        ("2xl", ("XX-Large",)),
        ("xxl", ("XX-Large",)),
        ("small", ("Small",)),
        ("medium", None),
    ],
)
def test_sizes_in_letters_and_in_words_are_the_same(asked: str, values: tuple[str, ...] | None) -> None:
    shop = Vocabulary({"size": ("L", "L/XL", "XL", "XX-Large", "Small"), "colour": ("red",)})
    match = shop.match(asked.split())
    assert (match.values if match else None) == values
    assert Vocabulary({"cup": ("L", "XL")}).match(asked.split()) is None
