"""Prices as objects, and lists of them: which of the amounts that an API answers with is what a shopper pays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.currencies import CODES, parse_currency
from vitrina.search.types.currencies import n_decimals

_KEYS = (
    "discounted", "centamount", "unitamount", "amount", "value", "finalprice", "calculatedamount", "discountedprice",
    "price", "current", "saleprice", "sale", "lowprice", "min", "minprice", "minvalue", "minvariantprice",
    "minimumprice", "regularprice", "pricerange", "sellingprice", "discountpricewithvat", "normalpricewithvat",
    "gross", "main", "retail", "regular", "base", "default", "raw", "start", "unitprice", "totalprice", "net",
)  # fmt: skip
"""What an amount is called in an object, the surest first, in lower case and without signs."""

_CURRENCIES = ("currency", "currencycode", "pricecurrency", "currencyiso", "currencyid")
_MINOR = ("currencyminorunit", "minorunit", "minorunits", "fractiondigits", "precision")
_GROUPS = ("customergroup", "customergroupid", "group", "usergroup", "companyid")
_FROM = ("minquantity", "minimumquantity", "minqty", "quantitystart")
_KINDS = ("usetype", "type", "kind", "pricetypename", "pricetype", "name", "label", "description")
_USUAL_KINDS = frozenset({"default", "final", "final price", "precio final", "preço final", "prix final", "endpreis"})
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Amount:
    """The cell with the amount that counts in an object, and the currency that goes with it; with ``n_digits`` it is a
    whole number of the unit behind so many decimals."""

    cell: object
    currency: str | None
    n_digits: int | None = None


def amount_of(value: Mapping[str, object], currency: str | None) -> Amount | None:
    """The amount of an object such as ``{"amount": "25.00", "currencyCode": "EUR"}``; None where no key is one's.
    ``currency`` is what the row says elsewhere."""
    if len(value) == 1 and isinstance(only := next(iter(value.values())), (list, tuple)):
        return Amount(only, currency)  # <Prices><ItemPrice>...
    if value and all(str(each).upper() in CODES for each in value):  # {"GBP": 9.5, "EUR": 11}
        by_code = {str(each).upper(): cell for each, cell in value.items()}
        code = currency if currency in by_code else next(iter(by_code))
        return Amount(by_code[code], code)
    named = _named(value)
    if not isinstance(named.get("discounted"), Mapping):  # commercetools
        named.pop("discounted", None)
    key = next((key for key in _KEYS if not is_blank(named.get(key))), "")
    found, currency = named.get(key), parse_currency(_code(named)) or currency
    if not key:
        return Amount(None, currency) if any(each in named for each in _KEYS) else None
    if isinstance(found, (list, tuple)):
        return None
    minor = next((named[key] for key in _MINOR if key in named), None)
    if str(named.get("divisor")) in ("100", "1000", "1") and str(found).isdecimal():  # Etsy
        minor = str(named["divisor"]).count("0")
    if key in ("centamount", "unitamount") or (minor is not None and str(found).isdecimal()):
        return Amount(found, currency, int(str(minor)) if str(minor).isdecimal() else n_decimals(currency))
    return Amount(found, currency)  # above: commercetools; WooCommerce's store API


def payable(prices: Sequence[object], currency: str | None) -> list[object]:
    """Those of a list of prices that a shopper may pay for one piece, in one currency: that of the row, or else the
    first one's. Those for a group of customers or from some quantity on only count where there are no others, and where
    prices are of several kinds the default or final one does."""
    found = [each for each in prices if not is_blank(each)]
    for is_open in (_is_for_all, _is_for_one, _is_default):
        found = [each for each in found if is_open(each)] or found
    codes = [_currency_in(each) for each in found]
    own = currency if currency in codes else next(iter(codes), None)
    return [each for each, code in zip(found, codes, strict=True) if code == own]


def _named(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        return {}
    return {re.sub(r"[^a-z]", "", str(key).casefold()): cell for key, cell in value.items()}


def _code(named: Mapping[str, object]) -> object:
    """What an object says of its currency; a key of a database, as Shopware has it, says nothing."""
    found = next((named[key] for key in _CURRENCIES if key in named), None)
    if isinstance(found, Mapping):
        found = next((found[key] for key in ("code", "isoCode", "iso") if key in found), None)
    is_key = "currencyid" in named and len(str(found)) > len("EUR")
    return None if is_key else found


def _is_for_all(price: object) -> bool:
    named = _named(price)
    return all(is_blank(named.get(key)) for key in _GROUPS)


def _is_for_one(price: object) -> bool:
    quantities = [found for key, found in _named(price).items() if key in _FROM and isinstance(found, (int, float))]
    return all(quantity <= 1 for quantity in quantities)


def _is_default(price: object) -> bool:
    named = _named(price)
    return any(str(named.get(key)).strip().casefold() in _USUAL_KINDS for key in _KINDS)


def _currency_in(price: object, depth: int = 0) -> str | None:
    """The currency of a price in a list, or of the amount in it, as a code or as a database's key of it."""
    named = _named(price)
    found = next((named[key] for key in _CURRENCIES if isinstance(named.get(key), str)), None) or _code(named)
    if found is None and depth < _MAX_DEPTH:
        inner = (_currency_in(each, depth + 1) for each in named.values() if isinstance(each, Mapping))
        return next((code for code in inner if code), None)
    return None if found is None else str(found).upper()
