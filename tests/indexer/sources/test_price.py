"""Prices are read however a shop writes them, or refused: a wrong price is worse than none."""

from __future__ import annotations

import decimal

import pytest
from babel.core import get_global
from babel.localedata import locale_identifiers
from babel.numbers import format_currency, get_currency_precision
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrina.indexer.sources.currencies import parse_currency
from vitrina.indexer.sources.money import parse_cents, parse_price, usual_decimal_mark
from vitrina.search.types.currencies import n_decimals
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
        ("12€99", 1299, "EUR"),
        ("10€20€", 1000, "EUR"),
        ("1,299.00", 129900, None),
        ("1,299", 129900, None),
        ("1 299,00", 129900, None),
        ("1'299.50 CHF", 129950, "CHF"),
        ("1.299.000", 129900000, None),
        ("12,5", 1250, None),
        ("39.900", 3990, None),
        ("0", 0, None),
        ("19:90 kr", 1990, None),
        ("12.900 kr", 1290000, None),
        ("1.299.00", 129900, None),
        ("1,299,00 €", 129900, "EUR"),
        ("1500 JPY", 1500, "JPY"),
        ("Cijena 399.00 KM", 39900, "BAM"),
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
        ("₹2,499", 249900, "INR"),
        ("₹1,45,999.00", 14599900, "INR"),
        ("Rs. 2,499", 249900, "INR"),
        ("Rs.2499", 249900, "INR"),
        ("Rs 2,499/-", 249900, "INR"),
        ("2 499,00 kr", 249900, None),
        ("249 kr.", 24900, None),
        ("CHF 24.–", 2400, "CHF"),
        ("24.- CHF", 2400, "CHF"),
        ("ab 2.499,-", 249900, None),
        ("AU $24.99", 2499, "AUD"),
        ("NZ$24.99", 2499, "NZD"),
        ("$2499 /each", 249900, "USD"),
        ("$24.99/pair", 2499, "USD"),
        ("24,99 €*", 2499, "EUR"),
        ("5 €/Stk.", 500, "EUR"),
        ("£24.99 inc VAT", 2499, "GBP"),
        ("24,99 Euro", 2499, "EUR"),
        ("24.99 usd", 2499, "USD"),
        ("$7.99+", 799, "USD"),
        ("from 24.99", 2499, None),
        ("$8.98 - $24.99", 898, "USD"),
        ("8,98 – 24,99 €", 898, "EUR"),
        ("₱5 to ₱7", 500, "PHP"),
        ("12.99-15.99", 1299, None),
        ("19.99 24.99", 1999, None),
        ("Rs 2,999.00 Rs 1,499.00", 149900, "INR"),
        ("3 for $10", 1000, "USD"),
        ("$49.99 (20% off)", 4999, "USD"),
        ("$12.99$19.99", 1299, "USD"),
        ("Rs. 499 Rs. 999 (50% off)", 49900, "INR"),
        ("Rs. 499Rs. 99950% off", 49900, "INR"),
        ("₹6,299₹8,49925% off", 629900, "INR"),
        ("₹24,499₹24,9992% off", 2449900, "INR"),
        ("€8,00€10,0020%", 800, "EUR"),
        ("$40 $50 20% off", 4000, "USD"),
        ({"amount": 1999, "currency": "USD", "precision": 2}, 1999, "USD"),
        ({"retail": 12.5, "wholesale": 8}, 1250, None),
        ("€150 / 100 g", 15000, "EUR"),
        ("-20% $40.00", 4000, "USD"),
        ("2’499.00", 249900, None),
        ("2'499,00", 249900, None),
        ("49 , 90", 4990, None),
        ("2\u202f499,00\u00a0€", 249900, "EUR"),
        ("16.393443", 1639, None),
        ("34.000000", 3400, None),
        ("19.995", 2000, None),
        ("12.999", 1300, None),
        ("0.999 €", 100, "EUR"),
        ("2.499 €", 249900, "EUR"),
        ("R$2.499", 249900, "BRL"),
        ("Rp 150.000", 15000000, "IDR"),
        ("12.990 Ft", 1299000, "HUF"),
        ("129.000đ", 129000, "VND"),
        ("129.000 VNĐ", 129000, "VND"),
        ("R 249.00", 24900, "ZAR"),
        ("S/ 12.50", 1250, "PEN"),
        ("99 lei", 9900, "RON"),
        ("99 د.إ", 9900, "AED"),
        ("١٬٢٩٩٫٠٠ ر.س", 129900, "SAR"),
        ("۱۲۳٫۵۰", 12350, None),
        ("１，２９９円", 1299, "JPY"),
        ("￥1299", 1299, "JPY"),
        ("¥12.50", 1250, "CNY"),
        ("$.99", 99, "USD"),
        ("99¢", 99, "USD"),
        ("50p", 50, "GBP"),
        ("1e3", 100000, None),
        ("Free", 0, None),
        (["24.99", "", "19.99"], 1999, None),
        ({"amount": "25.00", "currencyCode": "EUR"}, 2500, "EUR"),
        ({"price": "1800", "regular_price": "2000", "currency_code": "EUR", "currency_minor_unit": 2}, 1800, "EUR"),
        ({"centAmount": 1800, "currencyCode": "EUR", "fractionDigits": 2}, 1800, "EUR"),
        ({"centAmount": 1800, "currencyCode": "JPY"}, 1800, "JPY"),
        ({"minVariantPrice": {"amount": "18.0", "currencyCode": "EUR"}}, 1800, "EUR"),
        ({"amount": None, "currency": "EUR"}, None, "EUR"),
        ({"price": {"amount": None, "currencyCode": "EUR"}}, None, "EUR"),
        ({"price": None}, None, None),
        ({"min": 25, "max": 30}, 2500, None),
        ("1500.50 JPY", 1501, "JPY"),
        ("2.499:-", 249900, None),
        ("MRP ₹999 ₹499", 49900, "INR"),
        ("税込2,499円", 2499, "JPY"),
        ("¥2,499（税込）", 2499, "JPY"),
        ("24.50€/m²", 2450, "EUR"),
        ("KD 24.500", 24500, "KWD"),
        ("-", None, None),
        ("None", None, None),
        ("\\N", None, None),
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
    assert parse_price("Rs. 1,299", "LKR") == (129900, "LKR")
    assert parse_price("$12.99", "CAD") == (1299, "CAD")
    assert parse_price("¥1,299", "CNY") == (129900, "CNY")
    assert parse_price("1.299 kr", "ISK") == (1299, "ISK")
    assert parse_price("$ 1.299", "CLP") == (1299, "CLP")
    assert parse_price("€ 5", "USD") == (500, "EUR")  # no dollar


@pytest.mark.parametrize(
    "value",
    ["cheap", "-5", "-5.00 EUR", "- 5 ₱", "(5.00)", "1,2,3", "1.2.3", "1,23,456,7.0", "12..5", "99999999999999", True,
     -1, float("inf"), b"5", "Call for price", "Price on request", "Sold out", "TBC", "EUR", "12cm", "12K", "$12K",
     "1.5 million", "1万円", "12½ €", "14 59 30,91 €", "12 99 €", "2024-01-01", "555 shirts", "20% off $40", "1e400",
     "size 12", "$25/month", "1299 تومان", "₹500₹40020% off",
     "₹6,299₹8,49950% off", {"x": 5}],
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
    assert [parse_currency(value) for value in ("US Dollar", "euros", "Rs.", "kč", "US$")] == [
        "USD", "EUR", "INR", "CZK", "USD"
    ]  # fmt: skip
    for value in ("shells", "kr", "12"):
        with pytest.raises(InputError, match="ISO 4217"):
            parse_currency(value)


@pytest.mark.parametrize(
    ("column", "mark"),
    [
        (["12,50", "1.299"], ","),
        (["12.50", "1,299"], "."),
        (["12,50 €", "9.50 €"], None),
        (["1.299", "89", "499"], ","),
        (["39.900", "12.500"], None),
        (["1,299.00", None, 5], "."),
        ([], None),
    ],
)
def test_the_decimal_mark_of_a_column(column: list[object], mark: str | None) -> None:
    assert usual_decimal_mark(column) == mark


@pytest.mark.parametrize(
    ("column", "mark"),
    [(["39.900", "12.500"], ","), (["39.900"], None), (["39.900", "12.50"], "."), (["0.125", "0.5"], ".")],
)
def test_points_group_thousands_where_semicolons_are_between_cells(column: list[object], mark: str | None) -> None:
    assert usual_decimal_mark(column, is_continental=True) == mark


def test_dollars_with_a_decimal_comma_are_not_those_of_the_us() -> None:
    assert parse_price("$136,00") == parse_price("$ 136", None, ",") == (13600, None)
    assert parse_price("$136,00", "ARS") == (13600, "ARS")
    assert parse_price("US$ 136,00") == parse_price("136,00 USD") == (13600, "USD")
    assert parse_price("$1,299.00") == (129900, "USD")
    assert parse_price("$1,29,999") == (12999900, "USD")
    assert parse_price("$25.000") == (2500000, None)
    assert parse_price("1.025.000 $") == (102500000, None)
    assert parse_price("u$s 311.046") == (31104600, "USD")
    assert parse_price("$25.000", None, ".") == (2500, "USD")


def test_a_mark_before_three_digits_is_what_it_is_in_the_files_other_prices() -> None:
    assert parse_price("1.299", None, ",") == (129900, None)
    assert parse_price("1.299", None, ".") == (130, None)
    assert parse_price("1,299", None, ",") == (130, None)
    assert parse_price("1.299,50", None, ".") == (129950, None)


CURRENCIES = tuple(
    sorted(
        {
            code
            for used in get_global("territory_currencies").values()
            for code, _, end, tender in used
            if tender and not end
        }
    )
)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(set(locale_identifiers()) - {"tok", "tok_001"})),  # groups of two digits, which are refused
    st.sampled_from(CURRENCIES),
    st.integers(0, 10**9),
    st.sampled_from(["latn", "default"]),
)
def test_what_a_locale_writes_is_the_amount_that_is_read(locale: str, currency: str, cents: int, digits: str) -> None:
    places = get_currency_precision(currency)  # what babel rounds to; ours are those of ISO 4217
    amount = decimal.Decimal(cents).scaleb(-places)
    text = format_currency(amount, currency, locale=locale, numbering_system=digits)
    assert parse_price(text, currency) == (int(amount.scaleb(n_decimals(currency))), currency)


@settings(deadline=None)
@given(
    st.text(st.sampled_from("0123456789.,'-  $€kKrR/%(\x01½٣"), max_size=14),
    st.sampled_from([None, "EUR", "JPY", "KWD"]),
)
def test_any_text_is_a_price_or_refused(text: str, currency: str | None) -> None:
    try:
        cents, _ = parse_price(text, currency)
    except InputError:
        return
    assert cents is None or 0 <= cents < 10**12


def test_a_sign_in_the_place_of_the_decimal_mark() -> None:
    assert parse_price("12€99") == (1299, "EUR")
    assert parse_price("12€99 - 15€50") == (1299, "EUR")
    assert parse_price("12€ 99 cl") == (1200, "EUR")


def of(amount: float, code: str, **more: object) -> dict[str, object]:
    return {"amount": amount, "currency": code, **more}


@pytest.mark.parametrize(
    ("value", "cents", "currency"),
    [
        ({"unitPrice": 23.8, "quantity": 1, "totalPrice": 23.8}, 2380, None),
        ({"calculated_amount": 19.5, "currency_code": "eur", "calculated_price": {"id": "p"}}, 1950, "EUR"),
        ({"currencyIso": "USD", "value": 558.4, "formattedValue": "$558.40"}, 55840, "USD"),
        ({"Price": [{"amount": "989", "use": "Web"}, {"amount": "999", "use": "Till"}]}, 98900, None),
        ([of(12, "EUR"), of(10, "USD"), of(11, "EUR")], 1100, "EUR"),
        ([{"currencyId": "b7d2554b", "net": 20, "gross": 24}, {"currencyId": "c1a3", "gross": 9}], 2400, None),
        ([of(8, "EUR", customerGroup={"id": "dealers"}), of(10, "EUR")], 1000, "EUR"),
        ([of(8, "EUR", min_quantity=10), of(10, "EUR", min_quantity=None)], 1000, "EUR"),
        ([of(8, "EUR", useType="Staff"), of(10, "EUR", useType="Default")], 1000, "EUR"),
        ([of(8, "EUR", description="Card holders"), of(10, "EUR", description="Final Price")], 1000, "EUR"),
        ([{"amount": None, "currency": "EUR"}, of(10, "EUR")], 1000, "EUR"),
    ],
)
def test_the_price_in_an_object_or_a_list_is_what_everyone_pays(
    value: object, cents: int, currency: str | None
) -> None:
    assert parse_price(value) == (cents, currency)


def test_a_discounted_amount_counts() -> None:
    def cents(amount: int) -> dict[str, object]:
        return {"centAmount": amount, "currencyCode": "EUR", "fractionDigits": 2}

    assert parse_price([{"value": cents(1399), "discounted": {"value": cents(1199)}}]) == (1199, "EUR")
    assert parse_price({"price": 20, "discounted": True}) == (2000, None)


def test_prices_in_the_currency_of_the_row_count() -> None:
    assert parse_price([of(12, "EUR"), of(10, "USD")], "USD") == (1000, "USD")


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("K30,000", (3_000_000, None)),
        ("Q150.00", (15_000, "GTQ")),
        ("L 250", None),
        ("30K", None),
        ("P1,500", (150_000, None)),
    ],
)
def test_a_capital_right_before_an_amount_is_a_currency(text: str, price: tuple[int, str | None] | None) -> None:
    if price is not None:
        assert parse_price(text) == price
        return
    with pytest.raises(InputError):
        parse_price(text)


@pytest.mark.parametrize(
    ("text", "cents", "currency"),
    [
        ("119 € inkl. 19 € MwSt", 11900, "EUR"),
        ("£20 incl. £3.33 VAT", 2000, "GBP"),
        ("$10 + $2 tax", 1000, "USD"),
        ("€12,99 (1 l = €2,60)", 1299, "EUR"),
        ("€12,99 (€2,60/l)", 1299, "EUR"),
        ("50€ TTC (41,67€ HT)", 5000, "EUR"),
        ("€10 (Pfand €0,25)", 1000, "EUR"),
        ("10 USD / 9 EUR", 1000, "USD"),
        ("€40 (UVP €50)", 4000, "EUR"),
        ("Was $50 now $40", 4000, "USD"),
        ("1.299 € 999 € inkl. MwSt", 99900, "EUR"),
    ],
)
def test_of_two_amounts_the_lower_counts_unless_it_is_another_sort_of_amount(
    text: str, cents: int, currency: str
) -> None:
    assert parse_price(text) == (cents, currency)


@pytest.mark.parametrize("text", ["01/02/2024", "12/2024", "1/2"])
def test_dates_and_fractions_are_no_prices(text: str) -> None:
    with pytest.raises(InputError):
        parse_price(text)
