"""Prices are read exactly, or refused: a wrong price is worse than none."""

from __future__ import annotations

import decimal

import pytest

from vitrina.indexer.sources.cells import parse_cents, parse_currency, parse_price
from vitrina.search.types.errors import InputError


@pytest.mark.parametrize(
    ("value", "cents", "currency"),
    [
        ("39.90", 3990, None),
        ("39,90", 3990, None),
        ("$39.90", 3990, "USD"),
        ("12.99 USD", 1299, "USD"),
        ("EUR 12.99", 1299, "EUR"),
        ("1.299,00 €", 129900, "EUR"),
        ("1,299.00", 129900, None),
        ("1,299", 129900, None),
        ("1 299,00", 129900, None),
        ("1'299.50 CHF", 129950, "CHF"),
        ("1.299.000", 129900000, None),
        ("12,5", 1250, None),
        ("39.900", 3990, None),
        ("0", 0, None),
        ("1500 JPY", 1500, "JPY"),
        ("¥1,500", 1500, "JPY"),
        ("1.250 KWD", 1250, "KWD"),
        ("$12.99 CAD", 1299, "CAD"),
        ("12,99 zł", 1299, "PLN"),
        ("US $12.99", 1299, "USD"),
        ("HK$99", 9900, "HKD"),
        ("1 299,00 Kč", 129900, "CZK"),
        ("12 990 Ft", 1299000, "HUF"),
        ("19,- €", 1900, "EUR"),
        ("1299円", 1299, "JPY"),
        (39.9, 3990, None),
        (0.1 + 0.2, 30, None),
        (40, 4000, None),
        (decimal.Decimal("12.99"), 1299, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_prices(value: object, cents: int | None, currency: str | None) -> None:
    assert parse_price(value) == (cents, currency)


def test_the_columns_currency_fills_in_and_scales() -> None:
    assert parse_price("12.99", "EUR") == (1299, "EUR")
    assert parse_price("1500", "JPY") == (1500, "JPY")
    assert parse_price("12.99 USD", "EUR") == (1299, "USD")
    assert parse_price(None, "EUR") == (None, "EUR")


def test_a_symbol_of_several_currencies_is_the_columns_own() -> None:
    assert parse_price("5 kr", "SEK") == (500, "SEK")
    assert parse_price("Rs. 1,299", "INR") == (129900, "INR")


@pytest.mark.parametrize(
    "value",
    ["cheap", "-5", "-5.00 EUR", "12.99-15.99", "12.999", "1,2,3", "1.2.3", "1,23,456.0", "5 kr", "1e5", "١٢",
     "from 5", "12..5", "99999999999999", True, float("inf"), -1, [1], "1500.50 JPY", "12 EURO",
     "12.990 Ft", "Rp 150.000", "Rs.1299", "- 5 ₱", "₱5 to ₱7"],
)  # fmt: skip
def test_what_is_no_price(value: object) -> None:
    with pytest.raises(InputError, match=r"is not a (price|currency)"):
        parse_price(value)


def test_cents_are_taken_as_they_are() -> None:
    assert [parse_cents(value) for value in (1299, "1299", 1299.0, None, "")] == [1299, 1299, 1299, None, None]
    for value in ("12.99", 12.5, -1, "abc", True, float("inf"), 10**13):
        with pytest.raises(InputError, match="is not a price"):
            parse_cents(value)


def test_currencies() -> None:
    assert [parse_currency(value) for value in ("eur", "€", " USD ", None)] == ["EUR", "EUR", "USD", None]
    with pytest.raises(InputError, match="ISO 4217"):
        parse_currency("euros")
