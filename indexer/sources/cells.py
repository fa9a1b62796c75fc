"""Cells: clean text, and prices however a shop writes them."""

from __future__ import annotations

import datetime
import decimal
import html
import re
import unicodedata

from price_parser import Price

from vitrina.search.types.errors import InputError

_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_BLANK = frozenset({"", "nan", "null", "n/a", "#n/a"})
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|&(?:[a-zA-Z]{2,8}|#\d{1,6});")
_LINE_TAGS = frozenset({"br", "p", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN_TAGS = frozenset({"script", "style"})
_TAG_NAME = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\s*\n\s*")


def clean_text(text: str) -> str:
    """The text in Unicode NFC, trimmed, lines ended by ``\\n``, without control characters and lone surrogates.

    Joiners and direction marks stay: emoji and right-to-left text need them.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", _UNWANTED.sub("", text)).strip()


def is_blank(value: object) -> bool:
    """Whether a cell is empty: None, NaN, an empty container, or the words that spreadsheets write for them."""
    if value is None or value != value:
        return True
    if isinstance(value, str):
        stripped = value.strip()
        return len(stripped) <= 4 and stripped.lower() in _BLANK
    return isinstance(value, (list, tuple, dict)) and not value


def plain(value: str | int | float | datetime.date) -> str:
    """One scalar as text; whole floats without ``.0``, since spreadsheets turn codes into floats."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def without_markup(text: str) -> str:
    """The text an HTML fragment shows, block tags as line ends; other text is returned as it is.

    Takes time linear in the text for any input, which ``html.parser`` of Python 3.11 does not.
    """
    if not _MARKUP.search(text):
        return text
    pieces: list[str] = []
    position = 0
    lowered = text.lower()
    while (start := text.find("<", position)) >= 0:
        pieces.append(text[position:start])
        position, gap = _after_tag(text, lowered, start)
        pieces.append(gap)
    pieces.append(text[position:])
    lines = _BLANKS.sub(" ", html.unescape("".join(pieces)))
    return _EMPTY_LINES.sub("\n", lines).strip()


def _after_tag(text: str, lowered: str, start: int) -> tuple[int, str]:
    """Where the text continues after the ``<`` at ``start``, and what replaces the tag."""
    if text.startswith("<!--", start):
        return _after(text, "-->", start + 4), " "
    name = _TAG_NAME.match(text, start + 1)
    if name is None and not text.startswith(("!", "?"), start + 1):
        return start + 1, "<"
    end = _after(text, ">", start)
    tag = name.group(1).lower() if name else ""
    if tag in _HIDDEN_TAGS and text[start + 1] != "/":
        closing = _after(lowered, f"</{tag}", end)
        return _after(text, ">", closing), " "
    return end, "\n" if tag in _LINE_TAGS else " " if tag == "td" else ""


def _after(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


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
_MORE_SYMBOLS = {
    "AU$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "MX$": "MXN",
    "₱": "PHP",
    "₦": "NGN",
    "￥": "JPY",
    "円": "JPY",
    "KČ": "CZK",
    "FT": "HUF",
    "RP": "IDR",
    "TL": "TRY",
    "LEI": "RON",
}
"""Symbols that are read only where price-parser reads the same amount."""

_SHARED_SYMBOLS = frozenset({"KR", "RS"})
"""Symbols of several currencies, read as the column's own currency, or not at all."""

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
    thousands; one point is a decimal point. Raises ``InputError`` for what is not a single amount, is negative, or is
    finer than the currency's smallest unit.
    """
    if is_blank(value):
        return None, currency
    if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool):
        return _cents(decimal.Decimal(str(value)), currency, value, exact=False), currency
    if not isinstance(value, str):
        raise _bad_price(value)
    text = clean_text(value)
    match = _PRICE.fullmatch(text)
    symbol = match and (match["after"] or match["before"]).upper()
    if match is None or symbol in _SHARED_SYMBOLS or symbol in _MORE_SYMBOLS:
        amount, currency = _beside_symbol(text, currency)
    else:
        amount, currency = _amount(match["amount"], value), parse_currency(symbol) if symbol else currency
    return _cents(amount, currency, value, exact=True), currency


def _beside_symbol(text: str, currency: str | None) -> tuple[decimal.Decimal, str]:
    """The amount and currency of a text such as ``US $12.99``, ``Rs. 1,299`` or ``19,- €``, in which price-parser finds
    the symbol. Raises ``InputError`` if other words are left over, or if the parser reads another amount.

    The parser is not used alone, since it reads too much: of 60 spellings, 51 of them prices, it reads 48 rightly and 5
    wrongly (``19.995`` as 19995, ``-5`` as 5); our pattern reads 16 and none wrongly, and with this function 30.
    """
    price = Price.fromstring(text)
    before, _, after = text.partition(price.amount_text or text)
    words = f"{before} {after}".replace(price.currency or "", "", 1)
    symbol = (re.sub(r"[\s.,–-]", "", words) + (price.currency or "")).upper()
    code = currency if symbol in _SHARED_SYMBOLS else (_SYMBOLS | _MORE_SYMBOLS).get(symbol)
    if price.amount_text is None or code is None or "-" in before:
        raise _bad_price(text)
    amount = _amount(price.amount_text, text)
    if amount != price.amount:
        raise _bad_price(text)
    return amount, code


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
        raise InputError(f"{str(value)[:40]!r} is not a currency.", remedy="Use an ISO 4217 code such as EUR.")
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
    return InputError(f"{str(value)[:60]!r} is not a price.", remedy=_REMEDY)
