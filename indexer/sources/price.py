"""Prices, however a shop writes them, in the currency's smallest unit."""

from __future__ import annotations

import decimal
import re

from indexer.sources.text import clean_text, is_blank
from search.errors import InputError

MAX_PRICE_CENTS = 10**12

_SYMBOLS = {
    "$": "USD",
    "US$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₩": "KRW",
    "₺": "TRY",
    "ZŁ": "PLN",
    "₽": "RUB",
    "₫": "VND",
    "R$": "BRL",
    "A$": "AUD",
    "C$": "CAD",
    "CA$": "CAD",
    "₪": "ILS",
    "฿": "THB",
    "₴": "UAH",
}
_N_DECIMALS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF"), 0
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""ISO 4217 minor units where they are not 2."""

_PRICE = re.compile(r"(?P<before>[^0-9\s.,+-]{0,4})\s*(?P<amount>-?[0-9][0-9.,'\s]{0,30})\s*(?P<after>[^0-9\s.,]{0,4})")
_GROUPED = re.compile(r"[0-9]{1,3}(?:[.,' ][0-9]{3})+")
_REMEDY = "Write a plain amount such as 39.90 or 39.90 EUR, or map a column of whole cents: --map price_cents=COLUMN."


def parse_price(value: object, currency: str | None = None) -> tuple[int | None, str | None]:
    """An amount as ``(price_cents, currency)``; both None for a blank.

    Reads numbers and texts such as ``39.90``, ``39,90``, ``1.299,00 €``, ``$39.90`` and ``12.99 USD``. A currency
    written with the amount wins over ``currency``; a bare ``$`` is taken as USD. One comma before three digits groups
    thousands; one point is a decimal point. Raises ``InputError`` for what is no single amount, is negative, or is
    finer than the currency's smallest unit.
    """
    if is_blank(value):
        return None, currency
    if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
        return _cents(decimal.Decimal(str(value)), currency, value, exact=False), currency
    found = _PRICE.fullmatch(clean_text(value)) if isinstance(value, str) else None
    if found is None:
        raise _bad_price(value)
    sign = found["after"] or found["before"]
    currency = parse_currency(sign) if sign else currency
    return _cents(_amount(found["amount"], value), currency, value, exact=True), currency


def parse_cents(value: object) -> int | None:
    """A whole number of cents, taken as it is; None for a blank. Raises ``InputError`` for anything else."""
    if is_blank(value):
        return None
    try:
        cents = decimal.Decimal(str(value).strip())
    except decimal.InvalidOperation:
        raise _bad_price(value) from None
    whole = not isinstance(value, bool) and cents.is_finite() and cents == cents.to_integral_value()
    if not whole or not 0 <= cents < MAX_PRICE_CENTS:
        raise _bad_price(value)
    return int(cents)


def parse_currency(value: object) -> str | None:
    """An ISO 4217 code from a code or a symbol; None for a blank. Raises ``InputError`` for anything else."""
    if is_blank(value):
        return None
    code = str(value).strip().upper()
    code = _SYMBOLS.get(code, code)
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise InputError(f"{str(value)[:40]!r} is no currency.", remedy="Use an ISO 4217 code such as EUR.")
    return code


def _amount(digits: str, value: object) -> decimal.Decimal:
    text = re.sub(r"\s", " ", digits).strip()
    last = max(text.rfind("."), text.rfind(","))
    mark = text[last] if last >= 0 else ""
    if mark and len(set(text) & set(".,")) == 1 and (text.count(mark) > 1 or mark == ","):
        grouped = _GROUPED.fullmatch(text.lstrip("-")) is not None
        if text.count(mark) > 1 and not grouped:
            raise _bad_price(value)
        mark = "" if grouped else mark
    whole, _, fraction = text.rpartition(mark) if mark else (text, "", "")
    whole = whole.lstrip("-")
    if (not whole.isdigit() and not _GROUPED.fullmatch(whole)) or not (fraction.isdigit() or not mark):
        raise _bad_price(value)
    sign = "-" if text.startswith("-") else ""
    return decimal.Decimal(f"{sign}{re.sub(r'[^0-9]', '', whole)}.{fraction or '0'}")


def _cents(amount: decimal.Decimal, currency: str | None, value: object, *, exact: bool) -> int:
    if not amount.is_finite() or not 0 <= amount < MAX_PRICE_CENTS:
        raise _bad_price(value)
    cents = amount.scaleb(_N_DECIMALS.get(currency or "", 2))
    if exact and cents != cents.to_integral_value():
        raise _bad_price(value)
    return int(cents.to_integral_value(decimal.ROUND_HALF_UP))


def _bad_price(value: object) -> InputError:
    return InputError(f"{str(value)[:60]!r} is no price.", remedy=_REMEDY)
