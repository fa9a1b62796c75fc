"""What a query's words ask of the price."""

from __future__ import annotations

import pytest

from vitrina.search.types.filters import PRICE, Range
from vitrina.search.understanding.prices import price_requirements, without_prices
from vitrina.search.understanding.tokens import spelled_out

EUR = ("EUR",)


def bounds(text: str, currencies: tuple[str, ...] | None = EUR) -> list[tuple[float | None, float | None]]:
    found = [each.bounds for each in price_requirements(spelled_out(text), currencies)]
    assert all(isinstance(each, Range) and each.field == PRICE for each in found)
    return [(each.gte, each.lte) for each in found if each is not None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rain jacket under 100 euros", (None, 10000)),
        ("jacket below €49.99", (None, 4999)),
        ("jacket up to 1,500", (None, 150000)),
        ("jacket no more than 19,99 €", (None, 1999)),
        ("max 80€ jacket", (None, 8000)),
        ("over 200 euro", (20000, None)),
        ("from 20 eur", (2000, None)),
        ("at least 30", (3000, None)),
        ("between 20 and 50", (2000, 5000)),
        ("20-50 euros", (2000, 5000)),
        ("from 20 to 50 eur", (2000, 5000)),
        ("lamp 40 €", (3000, 5000)),
        ("lamp < 40 €", (None, 4000)),
        ("regenjacke unter 100 euro", (None, 10000)),
        ("lampe bis 50 €", (None, 5000)),
        ("lampe zwischen 20 und 50 euro", (2000, 5000)),
        ("lampe über 50", (5000, None)),
        ("chaussures moins de 60 euros", (None, 6000)),
        ("chaussures entre 40 et 60 €", (4000, 6000)),
        ("zapatos por menos de 60", (None, 6000)),
        ("scarpe sotto i 60 euro", (None, 6000)),
        ("schoenen onder de 60 euro", (None, 6000)),
        ("tisch unter 1.200 euro", (None, 120000)),
        ("gift under a fiver", (None, 500)),
        ("gift less than a tenner", (None, 1000)),
        ("gift under twenty euros", (None, 2000)),
        ("gift between ten and twenty five euros", (1000, 2500)),
        ("gift for a hundred euros", (7500, 12500)),
        ("laptop not over 600 euros", (None, 60000)),
        ("laptop not above 600", (None, 60000)),
        ("laptop never over 600 euros", (None, 60000)),
        ("laptop that does not cost more than 600 euros", (None, 60000)),
        ("laptop that doesn't cost over 600", (None, 60000)),
        ("nothing over 600 euros", (None, 60000)),
        ("without exceeding 600 euros", (None, 60000)),
        ("no more than 600 euros", (None, 60000)),
        ("not more expensive than 600 euros", (None, 60000)),
        ("not exceeding 600 euros", (None, 60000)),
        ("not cheaper than 60 euros", (6000, None)),
        ("not under 60 euros", (6000, None)),
        ("no less than 60 euros", (6000, None)),
        ("nicht über 60 euro", (None, 6000)),
        ("nicht mehr als 60 euro", (None, 6000)),
        ("nicht unter 60 euro", (6000, None)),
        ("pas plus de 60 €", (None, 6000)),
        ("no más de 60", (None, 6000)),
        ("que no cueste más de 60 euros", (None, 6000)),
        ("non più di 60 euro", (None, 6000)),
        ("niet meer dan 60 euro", (None, 6000)),
        ("not striped, over 60 euros", (6000, None)),
        ("mug < 15", (None, 1500)),
        ("mug ≤ 15", (None, 1500)),
        ("price <= €15", (None, 1500)),
        ("mug >15", (1500, None)),
        ("mug ≥ 15 €", (1500, None)),
        ("laptop 700 max", (None, 70000)),
        ("laptop max. 700 euros", (None, 70000)),
        ("laptop 700 euros max.", (None, 70000)),
        ("mug 15 or less", (None, 1500)),
        ("mug 15 euros or less", (None, 1500)),
        ("lamp 40 euros and up", (4000, None)),
    ],
)
def test_bounds_in_words(text: str, expected: tuple[float | None, float | None]) -> None:
    assert bounds(text) == [expected]


IN_OTHER_LANGUAGES = {
    (None, 5000): (
        "sotto i 50 euro, al massimo 50 euro, massimo 50 euro, entro 50 euro, non oltre 50 euro, inferiore a 50 euro, "
        "50 euro al massimo, até 50 euros, no máximo 50 euros, por menos de 50 euros, 50 euros ou menos, "
        "máximo 50 euros, como máximo 50 euros, 50 euros como máximo, sous 50 euros, sous les 50 euros, "
        "au maximum 50 euros, 50 euro oder weniger, maximaal 50 euro, goedkoper dan 50 euro, 50 euro of minder, "
        "mniej niż 50 euro, maksymalnie 50 euro, nie więcej niż 50 euro, nie droższe niż 50 euro, högst 50 euro, "
        "mindre än 50 euro, op til 50 euro"
    ),
    (5000, None): (
        "oltre 50 euro, sopra i 50 euro, a partire da 50 euro, pelo menos 50 euros, mínimo 50 euros, "
        "por encima de 50 euros, au-dessus de 50 euros, boven de 50 euro, minimaal 50 euro, ponad 50 euro, "
        "więcej niż 50 euro, co najmniej 50 euro, över 50 euro, minst 50 euro, mere end 50 euro"
    ),
    (2000, 5000): (
        "da 20 a 50 euro, dai 20 ai 50 euro, de 20 a 50 euros, de 20 até 50 euros, desde 20 hasta 50 euros, "
        "de 20 à 50 euros, von 20 bis 50 euro, van 20 tot 50 euro, od 20 do 50 euro, między 20 a 50 euro, "
        "mellan 20 och 50 euro"
    ),
    (3750, 6250): (
        "circa 50 euro, sui 50 euro, intorno ai 50 euro, cerca de 50 euros, uns 50 euros, alrededor de 50 euros, "
        "environ 50 euros, um die 50 euro, etwa 50 euro, ongeveer 50 euro, około 50 euro"
    ),
}


@pytest.mark.parametrize(
    ("text", "expected"), [(text, bound) for bound, texts in IN_OTHER_LANGUAGES.items() for text in texts.split(", ")]
)
def test_bounds_in_other_languages(text: str, expected: tuple[float | None, float | None]) -> None:
    assert bounds(f"x {text}") == [expected]
    assert without_prices(spelled_out(f"x {text}")).strip(" ,") == "x", "and nothing of it is a word"


@pytest.mark.parametrize(
    "text",
    ["bajo 5 cuerdas", "entro 3 giorni", "almeno 3 posti", "más de 3 plazas", "tuta da 3 a 6 anni", "sous 2 jours"],
)
def test_what_is_counted_in_other_languages_is_no_price(text: str) -> None:
    assert bounds(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "belt under 50 cm",
        "air max 90",
        "zenfone 3 max",
        "iphone 15 max case",
        "toys for 3 or more",
        "case not over 2 kg",
        "mug >300ml",
        "shoes size 40 or less",
        "iphone 10 case",
        "toys for children under 5 years",
        "tent up to 4 people",
        "shoes size up to 42",
        "dress size between 38 and 40",
        "lampe unter 60 watt",
        "shirt",
        "2012 watch",
        "table 140x200",
    ],
)
def test_other_numbers_are_no_prices(text: str) -> None:
    assert bounds(text) == []
    assert without_prices(text) == text


def test_another_currency_asks_for_nothing_that_the_catalog_could_tell() -> None:
    assert bounds("jacket under $100") == []
    assert bounds("jacket under $100", ("CAD", "USD")) == [(None, 10000)]
    assert bounds("jacket under 100", ("JPY",)) == [(None, 100)]
    assert bounds("jacket under £100", ()) == [(None, 10000)], "prices without a currency"
    assert bounds("jacket under 100", None) == [], "no prices"
    assert without_prices("jacket under $100").strip(" ,") == "jacket"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("under 1,,5", [(None, 150)]),
        ("$1.", [(75, 125)]),
        ("between 5 and 1", [(100, 500)]),
        ("under .5", []),
        ("< $0", []),
        ("under 99999999999999999999", []),
    ],
)
def test_odd_numbers_are_read_or_left(text: str, expected: list[tuple[float | None, float | None]]) -> None:
    assert bounds(text, ("USD",)) == expected
