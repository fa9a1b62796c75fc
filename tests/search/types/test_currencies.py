"""Prices as people write them."""

from __future__ import annotations

from vitrina.search.types.currencies import price_range_text, price_text


def test_prices_have_the_decimals_of_their_currency() -> None:
    assert price_text(129900, "EUR") == "1,299.00 EUR"
    assert price_text(129900, "JPY") == "129,900 JPY"
    assert price_text(129900, "KWD") == "129.900 KWD"
    assert price_text(129900, None) == "1,299.00"


def test_a_range_names_its_currency_once() -> None:
    assert price_range_text(1800, 2000, "EUR") == "18.00 to 20.00 EUR"
    assert price_range_text(1800, 1800, "EUR") == price_range_text(1800, None, "EUR") == "18.00 EUR"
    assert price_range_text(None, None, "EUR") == ""
