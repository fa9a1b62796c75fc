"""Prices, however a shop writes them, as whole numbers of the currency's smallest unit."""

from __future__ import annotations

import decimal
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from operator import itemgetter
from typing import Literal

from vitrina.indexer.sources.amounts import (
    AMOUNT,
    AmountInText,
    amounts_in,
    certain_mark,
    comparable,
    first_alone,
    is_negative,
)
from vitrina.indexer.sources.cells import clean_text, is_blank
from vitrina.indexer.sources.currencies import (
    CODES,
    Symbol,
    currency_of,
    find_symbols,
    groups_by_point,
    is_other_dollar,
    is_whole,
    likeliest,
    pesos_mark,
)
from vitrina.indexer.sources.price_objects import amount_of, payable
from vitrina.search.types.currencies import n_decimals
from vitrina.search.types.errors import InputError

MAX_PRICE_CENTS = 10**12

DecimalMark = Literal[".", ","]
Price = tuple[int | None, str | None]
"""An amount in the currency's smallest unit, and its ISO 4217 code."""

_REMEDY = "Write a plain amount such as 39.90 or 39.90 EUR, or map a column of whole cents: --map price_cents=COLUMN."
_MAX_CHARS = 200
_EXPLICIT = "\x01"  # Arabic has signs of its own for the decimal mark and for groups
_BLANKS = "\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_DIRECTIONS = "\ufeff\u061c" + "".join(
    map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)
_SIGNS = str.maketrans(
    {
        **dict.fromkeys(_BLANKS, " "),
        **dict.fromkeys(_DIRECTIONS, ""),
        **dict.fromkeys("’‘ʼ′`´＇٬", "'"),
        **dict.fromkeys("‐‑‒–—―−－﹣", "-"),
        **dict.fromkeys("，、،⹁", ","),
        **dict.fromkeys("．。", "."),
        "٫": _EXPLICIT,
        "￥": "¥",
        "＄": "$",
        "￡": "£",
        "￦": "₩",
        "～": "~",
        "〜": "~",
        "／": "/",
        "（": "(",
        "）": ")",
    }
)  # fmt: skip

_SIGN_AS_MARK = re.compile(r"(\d)€(\d\d)(?![\d.,€])")  # 12€99, as the French write it
_REDUCED = (
    r"(?P<paid>(?P<sign>[^\d\s%.,()-]{1,3}\.?)\s?\d[\d.,]*)\s*(?P<before>(?P=sign)\s?\d[\d.,]*?)(?P<gap>[\s(-]*)"
    r"(?P<percent>DIGITS)\s?%(?:\s?(?:off|discount|rabatt))?\)?"
)
_COLON_AS_MARK = re.compile(r"(?<![\d:])(\d{1,6}):(\d\d)(?![\d:])")  # 19:90, as Swedes write it
_SPACED_MARK = re.compile(r"(?<=\d) +([.,]) *(?=\d)")
_FREE = frozenset({"free", "gratis", "kostenlos", "gratuit", "for free"})
_PLAIN = re.compile(
    r"([^\W\d_]{2,4}|[$€£₹])? ?"
    r"(?:(\d{1,12}(?:\.\d\d?)?|\d{1,3}(?:,\d{3})+\.\d\d)|(\d{1,12},\d\d|\d{1,3}(?:\.\d{3})+,\d\d))"
    r" ?([^\W\d_]{2,4}|[$€£₹])?",
    re.ASCII,
)
_PENCE = re.compile(r"(\d{1,3}(?:[.,]\d{1,2})?)\s*(¢|p|ct|cents?)\.?", re.IGNORECASE)
_THOUSANDS_AND_CENTS = re.compile(r"\d{1,3}(?:\.\d{3})+\.\d\d|\d{1,3}(?:,\d{3})+,\d\d")  # 1.299.00: one mark for both
_WESTERN = re.compile(r"\d{1,3}(?:[.,' ]\d{3})+")
_INDIAN = re.compile(r"\d{1,2}(?:[.,' ]\d{2})+[.,' ]\d{3}")


def parse_price(value: object, currency: str | None = None, decimal_mark: DecimalMark | None = None) -> Price:
    """An amount as ``(price_cents, currency)``, for a blank ``(None, currency)``.

    Reads numbers, texts such as ``39,90``, ``1.299,00 €``, ``Rs. 1,29,999/-``, ``19,- €`` or ``from US$ 12.99``, and
    objects with an amount; of a range or of several amounts, the lowest of those for everyone. ``currency`` is what the
    row says elsewhere; a currency written with the amount wins over it, but not a symbol that several currencies share.
    ``decimal_mark`` is what the file's other prices use; without it one comma before three digits groups thousands, and
    so does a point where the country of a currency beside it writes so. Amounts finer than the smallest unit are
    rounded.
    Raises ``InputError`` for what is no price or is negative.
    """
    if isinstance(value, Mapping):
        return _of_object(value, currency, decimal_mark)
    if is_blank(value):
        return None, currency
    if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
        return _cents(decimal.Decimal(str(value)), currency, value), currency
    if isinstance(value, (list, tuple)):
        prices = [parse_price(each, currency, decimal_mark) for each in payable(value, currency)]
        return min((pair for pair in prices if pair[0] is not None), default=(None, currency), key=itemgetter(0))
    if not isinstance(value, str):
        raise _no_price(value)
    cents, code = _of_plain(value, currency) or _of_text(clean_text(value), currency, decimal_mark or pesos_mark(value))
    return cents, None if code != currency and is_other_dollar(value, code, decimal_mark) else code


def parse_cents(value: object) -> int | None:
    """A whole number of cents, taken as it is; None for a blank. Raises ``InputError`` for anything else."""
    if is_blank(value):
        return None
    try:
        cents = decimal.Decimal(str(value).strip())
    except decimal.InvalidOperation:
        raise _no_price(value) from None
    whole = not isinstance(value, bool) and cents.is_finite() and cents == cents.to_integral_value()
    if not whole or not 0 <= cents < MAX_PRICE_CENTS:
        raise _no_price(value)
    return int(cents)


def usual_decimal_mark(values: Iterable[object], *, is_continental: bool = False) -> DecimalMark | None:
    """The decimal mark of prices that show only one; ``is_continental``: in a file with semicolons between cells. Three
    digits behind the point of every price are no decimals, save in dinars and the like, which their currency tells."""
    texts = [_prepared(value) for value in values if isinstance(value, str)]
    amounts = [found.group() for text in texts for found in AMOUNT.finditer(text)]
    marks = {mark for amount in amounts if (mark := certain_mark(amount))}
    n_thousands = sum(re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})", amount) is not None for amount in amounts)
    is_told = any(map(str.isdigit, amounts)) or (is_continental and n_thousands > 1)
    if n_thousands and "." not in marks and (is_told or n_thousands == len(amounts) > 2):
        return ","  # 1.299 beside 499: nobody writes three decimals to some prices and none to others, nor to all
    return marks.pop() if len(marks) == 1 else None


def _of_object(value: Mapping[str, object], currency: str | None, decimal_mark: DecimalMark | None) -> Price:
    """The price of an object, of whichever amount in it counts."""
    found = amount_of(value, currency)
    if found is None:
        raise _no_price(dict(value))
    if found.n_digits is None:
        return parse_price(found.cell, found.currency, decimal_mark)
    amount = decimal.Decimal(parse_cents(found.cell) or 0).scaleb(-found.n_digits)
    return _cents(amount, found.currency, found.cell), found.currency


def _prepared(text: str) -> str:
    """The text in ASCII digits, with one sign for each kind of blank, dash and mark."""
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(sign, sign)) for sign in text.translate(_SIGNS))
    text = _COLON_AS_MARK.sub(r"\1.\2", text) if ":" in text else text
    return _SIGN_AS_MARK.sub(r"\1.\2€", _SPACED_MARK.sub(r"\1", text)) if "€" in text else _SPACED_MARK.sub(r"\1", text)


def _of_plain(text: str, currency: str | None) -> Price | None:
    """The price of a text in one of the usual forms, which are read twenty times as fast; None for any other."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    before, with_point, with_comma, after = found.groups()
    symbol = before or after
    code = currency
    if symbol is not None:
        code = currency_of(symbol, currency)
        if code is None or (before and after):
            return None
    digits = with_point.replace(",", "") if with_point else with_comma.replace(".", "").replace(",", ".")
    return _cents(decimal.Decimal(digits), code, text), code


@lru_cache(maxsize=8192)
def _of_text(original: str, currency: str | None, decimal_mark: DecimalMark | None) -> Price:
    if original.casefold() in _FREE:
        return 0, currency
    text = _prepared(original)
    if len(text) > _MAX_CHARS:
        raise _no_price(original)
    if (pence := _PENCE.fullmatch(text)) is not None:
        return _of_pence(pence, currency, original)
    if "%" in text and (reduced := _of_reduced(text, currency, decimal_mark)) is not None:
        return reduced
    symbols = find_symbols(text, currency)
    code = _currency(symbols, currency)
    amounts = amounts_in(text, symbols)
    chosen = comparable(text, amounts, symbols)
    if len(chosen) > 1 and (head := first_alone(text, chosen, symbols, currency)):
        return _of_text(head, currency, decimal_mark)
    if not chosen or is_negative(text, chosen[0], symbols):
        raise _no_price(original)
    marks = {certain_mark(each.text) for each in amounts} - {None}
    mark = marks.pop() if len(marks) == 1 else decimal_mark
    if code == "JPY" and currency is None and any(certain_mark(each.text) for each in chosen):
        code = "CNY" if all(found.text == "¥" for found in symbols) else code  # yen have no decimals
    writer = code or next((found for each in symbols if (found := likeliest(each.text))), None)
    values = [_value(each, writer, mark, is_written=bool(symbols)) for each in chosen]
    if not all(value is not None for value in values):
        raise _no_price(original)
    return min(_cents(value, code, original) for value in values if value is not None), code


def _of_pence(found: re.Match[str], currency: str | None, original: str) -> Price:
    amount = decimal.Decimal(found[1].replace(",", "."))
    code = "GBP" if found[2].lower() == "p" else currency or ("USD" if found[2] == "¢" else None)
    return _cents(amount.scaleb(-2), code, original), code


def _of_reduced(text: str, currency: str | None, decimal_mark: DecimalMark | None) -> Price | None:
    """The lower price of a text such as ``$40$5020% off``; a percentage that runs on from a price must fit both."""
    patterns = (_REDUCED.replace("DIGITS", each) for each in (r"\d\d", r"\d"))
    for found in filter(None, (re.fullmatch(each, text, re.IGNORECASE) for each in patterns)):
        with suppress(InputError):
            (paid, code), (before, _) = (_of_text(found[name], currency, decimal_mark) for name in ("paid", "before"))
            if paid and before and paid < before:
                is_near = abs(before * (100 - int(found["percent"])) - 100 * paid) <= before
                return (paid, code) if found["gap"] or is_near else None
    return None


def _currency(symbols: Sequence[Symbol], own_currency: str | None) -> str | None:
    """The currency that the symbols of a text say, the plainest of them: a code before ``US$`` before ``$``."""
    found = [(each.text, code) for each in symbols if (code := currency_of(each.text, own_currency))]
    if not found:
        return own_currency
    return max(found, key=lambda pair: (pair[0].strip(".").upper() in CODES, len(pair[0])))[1]


def _value(
    amount: AmountInText, currency: str | None, mark: DecimalMark | None, *, is_written: bool
) -> decimal.Decimal | None:
    """An amount as a number, None if its marks make no sense."""
    text = amount.text
    point = _decimal_point(amount, currency, mark, is_written=is_written)
    whole, fraction = (text[:point], text[point + 1 :]) if point >= 0 else (text, "")
    if not fraction.isdigit() and point >= 0:
        return None
    is_number = not whole or whole.isdigit() or _WESTERN.fullmatch(whole) or _INDIAN.fullmatch(whole)
    if (
        not is_number
        or len(set(whole) - set("0123456789")) > 1
        or (point >= 0 and text[point] in whole and len(fraction) != 2)
    ):
        return None
    digits = re.sub(r"\D", "", whole) or "0"
    return decimal.Decimal(f"{digits}.{fraction or '0'}{amount.exponent.replace('+', '')}")


def _decimal_point(amount: AmountInText, currency: str | None, mark: DecimalMark | None, *, is_written: bool) -> int:
    """Where the decimals of an amount begin, -1 if it has none."""
    text = amount.text
    if _EXPLICIT in text:
        return text.rfind(_EXPLICIT)
    last = max(text.rfind("."), text.rfind(","))
    if last < 0 or amount.is_whole:
        return -1
    if text.count(text[last]) > 1:
        return last if _THOUSANDS_AND_CENTS.fullmatch(text) else -1
    whole, fraction = text[:last], text[last + 1 :]
    is_mixed = any(sign in whole for sign in ".,' ")
    if is_mixed or len(fraction) != 3 or len(whole) > 3 or whole in ("", "0"):
        return last
    if is_whole(currency) or n_decimals(currency) == 3:
        return -1 if is_whole(currency) else last
    if mark is not None:
        return last if text[last] == mark else -1
    return -1 if text[last] == "," or (is_written and groups_by_point(currency)) else last


def _cents(amount: decimal.Decimal, currency: str | None, value: object) -> int:
    if not amount.is_finite() or not 0 <= amount < MAX_PRICE_CENTS:
        raise _no_price(value)
    cents = amount.scaleb(n_decimals(currency))
    return int(cents.to_integral_value(decimal.ROUND_HALF_UP))


def _no_price(value: object) -> InputError:
    return InputError(f"{str(value)[:60]!r} is not a price.", remedy=_REMEDY)
