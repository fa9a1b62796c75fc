"""How filters are read, from JSON and from the command line."""

from __future__ import annotations

import pytest

from vitrina.search.types.errors import FilterError
from vitrina.search.types.filters import (
    AnyOf,
    Condition,
    Exists,
    Facet,
    Not,
    Range,
    facet_value,
    facets,
    parse_filter_arguments,
    parse_filters,
    passes,
    spellings,
)
from vitrina.search.types.item import Item, Variant


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("navy", AnyOf("f", ("navy",))),
        ("  NAVY ", AnyOf("f", ("navy",))),
        ("STRASSE", AnyOf("f", ("strasse",))),
        ("straße", AnyOf("f", ("strasse",))),
        (["navy", "Black"], AnyOf("f", ("navy", "black"))),
        (2016, AnyOf("f", ("2016",))),
        (2016.0, AnyOf("f", ("2016",))),
        (0.5, AnyOf("f", ("0.5",))),
        (True, AnyOf("f", ("true",))),
        ([1, "a", False], AnyOf("f", ("1", "a", "false"))),
        ({"gte": 1000, "lt": 5000}, Range("f", gte=1000.0, lt=5000.0)),
        ({"gt": -1, "lte": 2.5}, Range("f", gt=-1.0, lte=2.5)),
        ({"exists": True}, Exists("f")),
        ({"exists": False}, Not(Exists("f"))),
        ({"not": "navy"}, Not(AnyOf("f", ("navy",)))),
        ({"not": ["navy", 1]}, Not(AnyOf("f", ("navy", "1")))),
        ({"not": {"gt": 3}}, Not(Range("f", gt=3.0))),
        ({"not": {"exists": True}}, Not(Exists("f"))),
        ({"not": {"exists": False}}, Exists("f")),
        ({"not": {"not": "navy"}}, AnyOf("f", ("navy",))),
    ],
)
def test_the_json_form(asked: object, expected: Condition) -> None:
    assert parse_filters({"f": asked}) == (expected,)


@pytest.mark.parametrize(
    "asked",
    [
        [],
        {},
        None,
        [None],
        [["navy"]],
        [{"gt": 1}],
        {"like": "n%"},
        {"gte": 1, "not": 2},
        {"exists": "yes"},
        {"exists": 1},
        {"gte": "1000"},
        {"gte": True},
        {"gte": None},
        {"gte": [1]},
        {"lt": float("nan")},
        {"lt": float("inf")},
        {"lt": 10**400},
        {"not": []},
        {"not": {}},
        {"not": {"gte": "x"}},
        ["v"] * 1001,
        {"not": ["v"] * 1001},
    ],
)
def test_json_that_is_no_filter(asked: object) -> None:
    with pytest.raises(FilterError, match="'colour'") as caught:
        parse_filters({"colour": asked})
    assert caught.value.remedy


def test_no_filters_and_too_many() -> None:
    assert parse_filters({}) == ()
    assert len(parse_filters({str(number): 1 for number in range(50)})) == 50
    with pytest.raises(FilterError, match="51 filters"):
        parse_filters({str(number): 1 for number in range(51)})


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("colour=navy", AnyOf("colour", ("navy",))),
        ("colour=Navy Blue", AnyOf("colour", ("navy blue",))),
        ("colour=navy|black", AnyOf("colour", ("navy", "black"))),
        ("colour=!navy", Not(AnyOf("colour", ("navy",)))),
        ("colour=!navy|black", Not(AnyOf("colour", ("navy", "black")))),
        ("price_cents=1000..5000", Range("price_cents", gte=1000.0, lte=5000.0)),
        ("price_cents=..5000", Range("price_cents", lte=5000.0)),
        ("price_cents=0.5..", Range("price_cents", gte=0.5)),
        ("price_cents=!-5..5", Not(Range("price_cents", gte=-5.0, lte=5.0))),
        ("material=*", Exists("material")),
        ("material=!*", Not(Exists("material"))),
        ("slogan=a=b", AnyOf("slogan", ("a=b",))),
        ("שפה=עברית", AnyOf("שפה", ("עברית",))),
        ("year=2016", AnyOf("year", ("2016",))),
    ],
)
def test_the_command_line_form(argument: str, expected: Condition) -> None:
    assert parse_filter_arguments([argument]) == (expected,)


@pytest.mark.parametrize("argument", ["colour", "=navy", "colour=", "colour=!", "", "="])
def test_arguments_that_are_not_key_and_value(argument: str) -> None:
    with pytest.raises(FilterError, match="KEY=VALUE"):
        parse_filter_arguments([argument])


@pytest.mark.parametrize("argument", ["size=a..b", "size=1..b", "size=nan..5", "size=1..inf"])
def test_ranges_whose_ends_are_no_numbers(argument: str) -> None:
    with pytest.raises(FilterError, match="'size'"):
        parse_filter_arguments([argument])


def test_facets_of_an_item() -> None:
    item = Item(
        "AB-1",
        "A title is no facet",
        attributes={"Colour": "Navy ", "sizes": ("S", 42, 42.5), "new": True, "tags": (), "huge": 10**400},
        price_cents=1999,
    )
    assert facets(item) == [
        Facet("Colour", "navy"),
        Facet("sizes", "s"),
        Facet("sizes", "42", 42.0),
        Facet("sizes", "42.5", 42.5),
        Facet("new", "true"),
        Facet("huge", str(10**400)),
        Facet("sku", "ab-1"),
        Facet("price_cents", "1999", 1999.0),
    ]


def test_facets_of_variants() -> None:
    variants = (
        Variant("T-1", {"colour": "Red"}, 1800, identifiers=("40",)),
        Variant("", {"colour": "Blue"}, 2000),
    )
    item = Item("T", attributes={"colour": "Red/Blue", "material": "Cotton"}, variants=variants)
    assert facets(item) == [
        Facet("colour", "red/blue"),
        Facet("material", "cotton"),
        Facet("sku", "t"),
        Facet("colour", "red", variant=0),
        Facet("sku", "t-1", variant=0),
        Facet("barcode", "40", variant=0),
        Facet("price_cents", "1800", 1800.0, 0),
        Facet("colour", "blue", variant=1),
        Facet("price_cents", "2000", 2000.0, 1),
    ]
    assert {each.variant for each in facets(Item("T", variants=variants[:1]))} == {None}


HELD = {("size", "a|b"), ("size", "a"), ("size", "38"), ("age", "2..4"), ("name", "!wow"), ("name", "*")}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("size=A|B", AnyOf("size", ("a|b", "a"))),
        ("size=a|38", AnyOf("size", ("a", "38"))),
        ("size=c|d", AnyOf("size", ("c", "d"))),
        (r"size=a\|b", AnyOf("size", ("a|b",))),
        (r"size=a\|b|38", AnyOf("size", ("a|b", "38"))),
        ("age=2..4", AnyOf("age", ("2..4",))),
        ("age=2..5", Range("age", gte=2, lte=5)),
        (r"age=x\..y", AnyOf("age", ("x..y",))),
        ("age=!2..4", Not(AnyOf("age", ("2..4",)))),
        ("name=!wow", AnyOf("name", ("!wow",))),
        ("name=!!wow", Not(AnyOf("name", ("!wow",)))),
        (r"name=\!ow", AnyOf("name", ("!ow",))),
        ("name=!ow", Not(AnyOf("name", ("ow",)))),
        ("name=*", AnyOf("name", ("*",))),
        ("size=*", Exists("size")),
        (r"size=\*", AnyOf("size", ("*",))),
        ("size= 38 ", AnyOf("size", ("38",))),
        ('style="Men|Shirts"', AnyOf("style", ("men|shirts",))),
        ('style="a|b"|c|"d|e"', AnyOf("style", ("a|b", "c", "d|e"))),
        ('style=!"a|b"', Not(AnyOf("style", ("a|b",)))),
        ('style="!a"', AnyOf("style", ("!a",))),
        ('style="*"', AnyOf("style", ("*",))),
        ('style="1..2"', AnyOf("style", ("1..2",))),
        (r'style="say \"hi\""', AnyOf("style", ('say "hi"',))),
        ('size=12"', AnyOf("size", ('12"',))),
        ('size="12', AnyOf("size", ('"12',))),
        ('size=3" pipe|4" pipe', AnyOf("size", ('3" pipe', '4" pipe'))),
        ('"a=b"=c=d', AnyOf("a=b", ("c=d",))),
        ('"a|b"="*"', AnyOf("a|b", ("*",))),
        (r"path=c:\new", AnyOf("path", (r"c:\new",))),
        ('name="\n|"', AnyOf("name", ("|",))),
    ],
)
def test_what_items_have_for_a_value_is_that_value(argument: str, expected: Condition) -> None:
    assert parse_filter_arguments([argument], lambda field, value: (field, value) in HELD) == (expected,)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("38.00", {"38.00", "38.0", "38"}),
        ("38", {"38", "38.0"}),
        ("4.50", {"4.50", "4.5"}),
        ("-0.250", {"-0.250", "-0.25"}),
        ("1.2.3", {"1.2.3"}),
        ("red", {"red"}),
        ("4006381333931000000", {"4006381333931000000"}),
    ],
)
def test_the_spellings_of_a_number(value: str, expected: set[str]) -> None:
    assert set(spellings(value)) == expected


@pytest.mark.parametrize(("held", "asked"), [("L", "Large"), ("Extra-Large", "xl"), ("XXL", "2XL"), ("m", "Medium")])
def test_a_size_in_words_is_one_in_letters(held: str, asked: str) -> None:
    item = Item("1", "hoodie", attributes={"size": held, "grade": held})
    assert passes(AnyOf("size", (facet_value(asked),)), item)
    assert not passes(AnyOf("grade", (facet_value(asked),)), item)
