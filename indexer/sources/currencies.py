"""Currencies: the symbols that shops write for them, their smallest units, and how their countries write numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision, list_currencies

from vitrina.indexer.sources.cells import clean_text, is_blank
from vitrina.search.types.currencies import n_decimals
from vitrina.search.types.errors import InputError

CODES = frozenset(list_currencies())
"""Every ISO 4217 code, those of the past too."""

_WHOLE_IN_SHOPS = frozenset({"COP", "HUF", "IDR", "TZS"})
"""Currencies with a smallest unit that no shop writes, besides those of which CLDR says so."""

_TABLE = """
AED د.إ درهم Dhs Dh|AFN ؋|ALL Lekë|AMD ֏|AOA Kz|ARS AR$ $AR $|AUD A$ AU$ AUD$ $AU $A $|AWG Afl|AZN ₼
BAM KM КМ|BBD Bds$ $|BDT ৳ Tk|BGN лв|BHD د.ب BD|BIF FBu|BMD BM$ $BM $|BND $BN $|BOB Bs|BRL R$ BR$|BSD BS$ $|BTN Nu
BWP P|BYN Br|BZD BZ$ $BZ $|CAD C$ CA$ CAN$ $CA KA$ $|CDF FC|CHF SFr Fr Franken|CLP CL$ $CL $|CNY CN¥ RMB 元 ¥CN ¥
COP COL$ $CO $|CRC ₡|CUP $|CZK Kč Кч Kc|DJF Fdj|DKK Dkr kr|DOP RD$|DZD د.ج DA|EGP ج.م EG£ LE £|ERN Nfk|ETB ብር Br
EUR € Euro Euros|FJD FJ$ $FJ $|FKP £FK £|GBP £ GB£ UK£ £GB|GEL ₾|GHS GH₵ ₵|GIP £GI £|GMD D|GNF FG|GTQ Q|GYD $
HKD HK$ $HK $|HNL L|HTG G|HUF Ft|IDR Rp|ILS ₪ NIS|INR ₹ Rs|IQD د.ع|IRR ﷼ ریال ر.إ|ISK Ikr kr|JMD JM$ J$ $
JOD د.أ JD
JPY JP¥ 円 ¥|KES KSh|KGS сом|KHR ៛|KMF CF|KRW ₩ 원 KR₩|KWD د.ك KD|KYD $|KZT ₸|LAK ₭|LBP ل.ل £LB £|LKR රු Rs
LRD $|LSL M|LYD د.ل|MAD د.م DH|MDL leu lei L|MGA Ar|MKD ден den|MMK K|MNT ₮|MOP MOP$|MRU UM أ.م|MUR Rs|MVR Rf ރ|MWK MK
MXN MX$ MEX$ $MX $|MYR RM|MZN MTn|NAD N$ $NA $|NGN ₦|NIO C$|NOK Nkr kr|NPR नेरू रू Rs|NZD NZ$ NZD$ $NZ $ZN $|OMR ر.ع
PAB B/|PEN S/|PGK K|PHP ₱ P|PKR Rs ر|PLN zł zl зл|PYG ₲ Gs|QAR ر.ق QR|RON lei leu|RSD дин din|RUB ₽ руб р|RWF RF
SAR ر.س ﷼ SR
SBD SI$ $SB $|SCR SR Rs|SDG ج.س £|SEK Skr kr|SGD S$ SG$ $SG $|SHP £|SLE Le|SOS S|SRD $SR $|SSP £|STN Db|SYP ل.س LS £
SZL E|THB ฿ บาท TH฿ Baht|TMT ТМТ|TND د.ت DT|TOP T$|TRY ₺ TL Тл|TTD TT$ $TT $|TWD NT$ NTD $|TZS TSh|UAH ₴ грн|UGX USh
USD $ US$ $US USD$ U$S U$ $SU щ.д dollars dollar|UYU $UY $|UZS soʻm сўм|VES Bs.S Bs|VND ₫ đ VNĐ|VUV VT|WST WS$ $WS
XAF FCFA|XCD EC$ $EC $|XCG Cg ƒ|XOF FCFA CFA|XPF CFPF CFP FCFP|YER ر.ي|ZAR R|ZMW K|ZWG ZiG
"""
"""Each currency's symbols: those of babel (CLDR) in any of its locales, and what shops write besides."""

_USUAL = {"$": "USD", "¥": "JPY", "£": "GBP", "rs": "INR", "r": "ZAR", "lei": "RON", "leu": "RON", "c$": "CAD"}
_USUAL |= {"﷼": "IRR", "bs": "BOB", "dh": "AED", "br": "BYN"}
"""The currency that a symbol of several is taken for where nothing else says which."""

_NOT_WORDS = frozenset(str.split("all ang bam bob cad cup gel lak mad mop pen shp sos top try"))
"""ISO 4217 codes that are words as well, so that only their capitals are codes."""


def symbol_key(symbol: str) -> str:
    """A symbol as it is compared: lower case, without blanks and points (``Rs.`` and ``rs``)."""
    return re.sub(r"[\s.]", "", symbol).casefold()


def _by_symbol() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in _TABLE.replace("\n", "|").strip("|").split("|"):
        code, *symbols = row.split()
        for key in map(symbol_key, symbols):
            found[key] = (*found.get(key, ()), code)
    return found


_CURRENCIES_OF = _by_symbol()

_TOKEN = re.compile(r"""[SB]/\.?(?=[\s\d])|[^\s\d,+\-/:;()\[\]*~|!"'<>=#&?@\x01]+""")
_PIECE = re.compile(r"[^\W\d_]+\.?|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A currency's symbol or code in a text, and its place there."""

    text: str
    start: int
    end: int


def find_symbols(text: str, row_currency: str | None) -> list[Symbol]:
    """The currencies' symbols and codes in a text, also of two words (``US $``), for a row of one currency or none."""
    tokens = [Symbol(found.group(), found.start(), found.end()) for found in _TOKEN.finditer(text)]
    found: list[Symbol] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if after is not None and text[token.end : after.start].isspace():
            pair = Symbol(text[token.start : after.end], token.start, after.end)
            if symbol_key(pair.text) in _CURRENCIES_OF:
                found.append(pair)
                at += 2
                continue
        pieces = [token]
        if not _is_symbol(token.text, row_currency):
            pieces = [Symbol(one.group(), token.start + one.start(), token.start + one.end())
                      for one in _PIECE.finditer(token.text)]  # fmt: skip
        found += [
            piece
            for piece in pieces
            if _is_symbol(piece.text, row_currency)
            or (piece.text in _BEFORE_AMOUNTS and text[piece.end : piece.end + 1].isdigit())
        ]
        at += 1
    return found


_BEFORE_AMOUNTS = frozenset("KLPQ")
"""Capitals that stand for a currency right before an amount: kwacha, kina or kyat; lempira or leu; pula or peso;
quetzal. ``30K`` are thousands."""

_RENAMED = {"rur": "rub"}
"""Codes that feeds still write for currencies that were renamed."""


def currency_of(symbol: str, row_currency: str | None) -> str | None:
    """The currency that a symbol or a code stands for. ``row_currency`` is what the row says elsewhere, which decides
    where several currencies share the symbol. None if that is not known.
    """
    key = symbol_key(symbol)
    key = _RENAMED.get(key, key)
    if len(key) == 3 and key.upper() in CODES and (key not in _NOT_WORDS or symbol.isupper()):
        return key.upper()
    shared = _CURRENCIES_OF.get(key, ())
    if row_currency in shared or len(shared) == 1:
        return row_currency if row_currency in shared else shared[0]
    return _USUAL.get(key)


def is_other_dollar(text: str, code: str | None, decimal_mark: str | None) -> bool:
    """Whether the dollars of a text are rather another country's, as in ``$136,00``, which no American writes."""
    mark = decimal_mark or pesos_mark(text) or ("," if _COMMA_AS_MARK.search(text) else None)
    return is_bare_dollar(text, code) and mark == ","


def is_bare_dollar(text: str, code: str | None) -> bool:
    """Whether nothing but ``$`` says that a text is in US dollars, which in Spanish is rather the sign of pesos."""
    return code == "USD" and _BARE_DOLLAR.search(text) is not None and "us" not in text.replace("$", "").casefold()


def pesos_mark(text: str) -> Literal[","] | None:
    """The decimal mark of ``$25.000`` and of ``u$s 25.000``, as Argentines write US dollars, whose points group
    thousands; None of any other text."""
    return "," if _PESOS.fullmatch(text.strip()) else None


_BARE_DOLLAR = re.compile(r"(?<![A-Za-z])\$")
_PESOS = re.compile(r"(?:[uU]\$[sS] ?|\$ ?)[1-9]\d{0,2}(?:\.\d{3})+(?:,\d\d)?|[1-9]\d{0,2}(?:\.\d{3})+(?:,\d\d)? ?\$")
_COMMA_AS_MARK = re.compile(r"\d,\d{1,2}(?![\d.,]*\d)")


def parse_currency(value: object) -> str | None:
    """An ISO 4217 code from a code, a symbol or an English name; None for a blank. Raises ``InputError`` otherwise."""
    if is_blank(value):
        return None
    text = clean_text(str(value))
    code = currency_of(text, None) or _names().get(text.casefold().removesuffix("s"))
    if code is None:
        raise InputError(f"{str(value)[:40]!r} is not a currency.", remedy="Use an ISO 4217 code such as EUR.")
    return code


@cache
def _names() -> Mapping[str, str]:
    names = Locale.parse("en").currencies
    return {name.casefold(): code for code, name in names.items()} | {"euro": "EUR", "dollar": "USD"}


def currency_in_name(name: str) -> str | None:
    """The currency in the name of a price's column, as in ``Preis in €`` or ``Price (Rs.)``."""
    bracketed = _BRACKETED_CODE.search(name)
    if bracketed and bracketed[1] in CODES and bracketed[1].casefold() not in _NOT_WORDS:
        return bracketed[1]
    symbols = find_symbols(name, None)
    for found in sorted(symbols, key=lambda each: each.text not in CODES):  # "$HKD"
        key = symbol_key(found.text)
        if len(symbols) > 1 and found.text in CODES and found.text.casefold() not in _NOT_WORDS:
            return found.text
        if not (key.isascii() and key.isalpha()) or key in _IN_NAMES:
            return currency_of(found.text, None)
    return None


_IN_NAMES = frozenset({"rs", "rp", "tl", "kc", "zl", "lei", "rm", "inr", "usd", "eur", "gbp", "euro"})
"""Symbols of letters that no other word of a column's name is."""

_BRACKETED_CODE = re.compile(r"[(\[]([A-Z]{3})[)\]]")


def _is_symbol(text: str, row_currency: str | None) -> bool:
    """Whether a text is a currency: single letters are so only where the row's own currency has that symbol."""
    key = symbol_key(text)
    if key in _CURRENCIES_OF:
        return (
            len(key) > 1 or not key.isalpha() or not key.isascii() or key == "r" or row_currency in _CURRENCIES_OF[key]
        )
    return len(key) == 3 and key.upper() in CODES and (key not in _NOT_WORDS or text.isupper())


def likeliest(symbol: str) -> str | None:
    """One of the currencies that share a symbol, if the countries of all write numbers alike, as with ``kr``."""
    shared = _CURRENCIES_OF.get(symbol_key(symbol), ())
    return shared[0] if shared and all(map(groups_by_point, shared)) else None


@cache
def groups_by_point(currency: str | None) -> bool:
    """Whether a point before three digits groups thousands where this currency is written beside the amount, because
    its country writes decimals after a comma, or none at all.
    """
    if currency is None:
        return False
    if is_whole(currency):
        return True
    try:
        locale = Locale.parse(f"und_{'DE' if currency == 'EUR' else currency[:2]}")
    except (UnknownLocaleError, ValueError):
        return False
    symbols = locale.number_symbols.get("latn", locale.number_symbols)
    return bool(symbols.get("decimal") == ",")


@cache
def is_whole(currency: str | None) -> bool:
    """Whether no shop writes decimals in this currency: by ISO 4217, or by custom (CLDR), as with rupiah and dinars."""
    if currency is None or n_decimals(currency) == 0:
        return currency is not None
    return currency in _WHOLE_IN_SHOPS or get_currency_precision(currency) == 0
