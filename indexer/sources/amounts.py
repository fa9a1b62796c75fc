"""The amounts in the text of a price, and which of them are prices of the product."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from vitrina.indexer.sources.currencies import Symbol, currency_of

_WITHOUT_BLANKS = "\u2e80"  # from here on come scripts that are written without blanks between words
_PERCENTAGE = re.compile(r"\(-?\d+(?:[.,]\d+)? ?% ?(?:off|discount|rabatt)\)|\d+(?:[.,]\d+)? ?%", re.IGNORECASE)

AMOUNT = re.compile(
    r"(?<!\d)(?<!\d[.,'])(?:\d{1,3}(?: \d{3})+(?!\d)(?:[.,\x01]\d+)?|\d+(?:[.,'\x01]\d+)*"
    r"|(?:^|(?<=[\s$€£¥₹(:]))[.,]\d{1,2}(?![.,]))(?!\d)"
    r"(?P<exponent>[eE]\+?\d{1,2}(?![\w.,]))?(?P<whole>\s?[.,:]\s?-+)?"
)
_SCALES = "k|m|mn|mio|mln|million|millions|b|bn|thousand|tsd|tausend|mille|lakhs?|lacs?|crores?|cr|тыс|млн"
_REFUSED = re.compile(
    rf"\b(?:off|save|saves|discount|rabatt|coupon|deposit|over|above|below|under|minimum|shipping|months?|mo|mth|monat|mtl|mois|mes|mese|versand|{_SCALES})\b"
    r"|[千万億兆萬亿만억½¼¾]",
    re.IGNORECASE,
)
_QUALIFIERS = frozenset(
    str.split(
        "a ab abt approx apiece at aus bis btw by c ca circa da dal de dès des desde each ea excl exc "
        "exclusive fra from für gst hasta hors ht inc incl inclusive inkl iva jusqu jusqua les mehrwertsteuer "
        "moms mrp msrp mwst mva net netto now od only ono op or à partir pair par pc pcs per piece pieces "
        "preis price prices prix precio prezzo pro retail rrp sale set special st stk stück starting starts "
        "tax taxes to tva ttc unit until up uvp vanaf vat vb von was zt от до за шт "
        "cena cene ceny cijena цена цената ціна hinta pris prisen prijs preço preco τιμή ár fiyat"
    )
)
"""Words around an amount that change nothing about it; any other word needs a currency in the text."""

_BESIDE = re.compile(
    r"[+=]|\b(?:incl|inkl|inc|inclusive|including|excl|exkl|zzgl|plus|pfand|deposit|tax|vat|mwst|ust|gst|tva|iva|moms|btw|ht|ttc"
    r"|netto?|per|je|pro)\b",
    re.IGNORECASE,
)
"""Between two amounts this says that the second is a part of the first, comes to it, or is what a measure costs."""

_PER = re.compile(r"[\s)]*(?:/|per\b|je\b|pro\b|ht\b|net\b|netto\b|excl|exkl|zzgl)", re.IGNORECASE)
"""After an amount in brackets this says that it is another sort of price than the one before."""

_RANGE = frozenset({"-", "--", "~", "to", "bis", "à", "a", "hasta", "until", "до", "fino", "→"})
_PUNCTUATION = re.compile(r"[-\s.,+/:;()\[\]{}*~|!\"'<>=#&?@•·→≈²³\x01]+")


@dataclass(frozen=True, slots=True)
class AmountInText:
    """An amount found in a text, with the ends of its place there, and whether a currency stands right beside it."""

    text: str
    exponent: str
    is_whole: bool
    start: int
    end: int
    has_symbol: bool


def certain_mark(text: str) -> Literal[".", ","] | None:
    """The decimal mark of an amount; None where it has none, or one that could group thousands as well."""
    last = max(text.rfind("."), text.rfind(","))
    if last < 0 or text.count(text[last]) > 1:
        return None
    is_mixed = "." in text and "," in text
    if not is_mixed and len(text) - last - 1 not in (1, 2) and text[:last] != "0":
        return None
    return "." if text[last] == "." else ","


def amounts_in(text: str, symbols: Sequence[Symbol]) -> list[AmountInText]:
    """The amounts of a text, without percentages."""
    starts, ends = {found.start for found in symbols}, {found.end for found in symbols}
    amounts = []
    for found in AMOUNT.finditer(text):
        after = found.end() + len(text[found.end() :]) - len(text[found.end() :].lstrip(" "))
        before = len(text[: found.start()].rstrip(" -"))
        if text[after : after + 1] == "%":
            continue
        has_symbol = after in starts or before in ends
        digits = found.group()[: len(found.group()) - len(found["exponent"] or "") - len(found["whole"] or "")]
        amounts.append(
            AmountInText(digits, found["exponent"] or "", bool(found["whole"]), found.start(), found.end(), has_symbol)
        )
    return amounts


def comparable(text: str, amounts: Sequence[AmountInText], symbols: Sequence[Symbol]) -> list[AmountInText]:
    """Those amounts of a text that are prices; none if words or signs are left over that no price has."""
    letters = list(_PERCENTAGE.sub(lambda found: " " * len(found.group()), text))
    for start, end in (*((each.start, each.end) for each in amounts), *((found.start, found.end) for found in symbols)):
        letters[start:end] = " " * (end - start)
    rest = "".join(letters)
    words = [word for word in _PUNCTUATION.sub(" ", rest).casefold().split() if word != "%"]
    unknown = [word for word in words if word not in _QUALIFIERS]
    if any(not _is_word(word) for word in words) or (unknown and not symbols) or _REFUSED.search(rest):
        return []
    if _has_suffix(rest, amounts) or _is_split(text, amounts):
        return []
    if len(amounts) > 1 and not (not unknown and all(map(_is_range, _gaps(rest, amounts)))):
        if any(each.has_symbol for each in amounts):
            return [each for each in amounts if each.has_symbol]
        gaps = set(_gaps(rest, amounts))
        is_list = not words and gaps <= {"", ",", ";", "|", "/"}
        if "/" in gaps and not all(certain_mark(each.text) for each in amounts):
            return []  # a date, or a fraction
        return list(amounts) if is_list and len(amounts) <= 4 else []
    return list(amounts) if len(amounts) <= 2 or any(each.has_symbol for each in amounts) else []


def first_alone(text: str, chosen: Sequence[AmountInText], symbols: Sequence[Symbol], currency: str | None) -> str:
    """The text of the first of several amounts where another one is no other price of the same: its tax or deposit,
    what a measure costs, or the price in another currency. Empty where they are alike, as a range or an old price."""
    first, second, *_ = chosen
    behind = (each.end for each in symbols if each.end <= second.start and _is_at(text, first, each))
    end = max([first.end, *behind])
    start = min(
        (each.start for each in symbols if each.start >= end and _is_at(text, second, each)), default=second.start
    )
    is_bracketed = "(" in text[end:start] and _PER.match(text[second.end :].lstrip("€$£ "))
    codes = [
        {currency_of(each.text, currency) for each in symbols if _is_at(text, amount, each)}
        for amount in (first, second)
    ]
    is_other = all(len(each) == 1 for each in codes) and codes[0] != codes[1] and None not in codes[0] | codes[1]
    return text[:end] if is_other or is_bracketed or _BESIDE.search(text[end:start]) else ""


def _is_at(text: str, amount: AmountInText, symbol: Symbol) -> bool:
    """Whether a symbol stands right before or after an amount."""
    before, after = text[symbol.end : amount.start], text[amount.end : symbol.start]
    return (symbol.end <= amount.start and not before.strip()) or (symbol.start >= amount.end and not after.strip())


def _is_word(word: str) -> bool:
    return all(unicodedata.category(sign)[0] in "LM" for sign in word)


def _is_split(text: str, amounts: Sequence[AmountInText]) -> bool:
    """Whether only blanks stand between two amounts that are not written alike: rather groups of one amount."""
    pairs = pairwise(amounts)
    return any(
        text[one.end : other.start].isspace() and not (certain_mark(one.text) and certain_mark(other.text))
        for one, other in pairs
    )


def _has_suffix(rest: str, amounts: Sequence[AmountInText]) -> bool:
    """Whether letters that are no currency are written right at an amount, as in ``12cm``."""
    ends = [rest[each.end : each.end + 1] for each in amounts] + [rest[: each.start][-1:] for each in amounts]
    return any(sign.isalpha() and sign < _WITHOUT_BLANKS for sign in ends)


def _gaps(rest: str, amounts: Sequence[AmountInText]) -> list[str]:
    return [rest[one.end : other.start].strip().casefold() for one, other in pairwise(amounts)]


def _is_range(gap: str) -> bool:
    return gap in _RANGE


def is_negative(text: str, first: AmountInText, symbols: Sequence[Symbol]) -> bool:
    """Whether a minus stands before the first amount, or accountants' brackets around it."""
    before = text[: first.start]
    for found in symbols:
        if found.end <= first.start:
            before = before.replace(found.text, "", 1)
    is_bracketed = text.startswith("(") and text.endswith(")")
    return before.strip() in ("-", "(-", "- -") or is_bracketed
