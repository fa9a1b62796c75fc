"""Prices in cents or other minor units, where an object says how many of their digits are decimals."""

from __future__ import annotations

import re
from decimal import Decimal

from vitrina.indexer.sources.column_names import folded, is_called, is_named_as, name_table

Cells = dict[str, object]

_MAX_DEPTH = 12
_MINOR_UNITS = frozenset({"minor_unit", "minor_units", "currency_minor_unit", "minorUnit", "currencyMinorUnit"})
"""How many digits of the prices beside it are decimals, as WooCommerce's store API says it."""

_DIGITS = _MINOR_UNITS | {"fractionDigits", "precision", "divisor"}


_OF_SHOPEE = frozenset({"itemid", "shopid", "price", "price_min", "price_max"})
_OF_ONE_AT_SHOPEE = 100_000
"""Shopee's API counts every currency in hundred-thousandths; none of its prices is finer than a cent."""

_LOWEST_AT_SHOPEE = {"IDR": 1_000, "VND": 1_000, "COP": 100, "CLP": 100}
"""Less than this nothing costs in such a currency: prices that would come to less were divided already."""

_OF_CENTS = re.compile(r"(?<!^)_?(?:in_)?cents?$")
_AMOUNTS = frozenset({"amount", "value"})


def with_decimals(value: Cells) -> Cells:
    """An object's whole prices with as many decimals as it, or its currency, says that they have."""
    if isinstance(code := value.get("currency"), dict) and not _MINOR_UNITS.isdisjoint(code) and "code" in code:
        value = {**value, **{key: code[key] for key in code if key in _MINOR_UNITS}, "currency": code["code"]}
    if value.keys() >= _OF_SHOPEE and _is_of_shopee(value):
        return {key: _paid_at_shopee(key, cell) for key, cell in value.items()}
    digits = next((str(value[key]) for key in value if key in _MINOR_UNITS), "").removesuffix(".0")
    return _scaled(value, int(digits)) if digits in ("0", "1", "2", "3") else value


def _is_of_shopee(value: Cells) -> bool:
    """Whether an object's prices are whole cents in hundred-thousandths, and no amounts that its currency has not."""
    lowest = _LOWEST_AT_SHOPEE.get(str(value.get("currency")).upper(), 0) * _OF_ONE_AT_SHOPEE
    prices = [value[key] for key in ("price", "price_min", "price_max")]
    return all(isinstance(price, int) and price % 1000 == 0 and not 0 < price < lowest for price in prices)


def _paid_at_shopee(key: str, cell: object, depth: int = 0) -> object:
    """A price of Shopee's API in the currency's main unit, also those of the variants in it."""
    if isinstance(cell, list) and depth < _MAX_DEPTH:
        return [_paid_at_shopee(key, each, depth + 1) for each in cell]
    if isinstance(cell, dict) and depth < _MAX_DEPTH:
        return {inner: _paid_at_shopee(inner, each, depth + 1) for inner, each in cell.items()}
    if not key.startswith("price") or not isinstance(cell, int) or isinstance(cell, bool) or cell <= 0:
        return cell
    return f"{Decimal(cell) / _OF_ONE_AT_SHOPEE:f}"


def _scaled(value: Cells, n_digits: int, depth: int = 0) -> Cells:
    """An object's whole prices, and those of the objects in it that don't say it themselves, with so many decimals. One
    that is called ``price_cents`` is known to be in cents, and the ``price`` beside it is not where they differ."""
    found, names = dict(value), name_table("names")
    of_cents = {_OF_CENTS.sub("", name): key for key in value if _OF_CENTS.search(name := folded(key))}
    for key, cell in value.items():
        name = folded(key)
        is_price = is_called("price", name)
        if isinstance(cell, (dict, list)) and depth < _MAX_DEPTH:
            found[key] = _scaled_inside(cell, n_digits, depth, is_price=is_price)
        elif type(cell) not in (int, str) or not str(cell).isdecimal():
            continue
        elif key in of_cents.values():
            stem = _OF_CENTS.sub("", name)
            if is_named_as("price", stem) and stem not in value:
                found[stem] = str(Decimal(str(found.pop(key))).scaleb(-n_digits))
        elif is_price and name not in names["price_cents"] and str(value.get(of_cents.get(name, key))) == str(cell):
            found[key] = str(Decimal(str(cell)).scaleb(-n_digits))
    return found


def _scaled_inside(cell: object, n_digits: int, depth: int, *, is_price: bool) -> object:
    """The objects in a cell, with the number of their decimals if they are prices, else with theirs scaled."""
    if isinstance(cell, list):
        return [_scaled_inside(each, n_digits, depth, is_price=is_price) for each in cell]
    if not isinstance(cell, dict) or not _DIGITS.isdisjoint(cell):
        return cell
    if is_price and not _AMOUNTS.isdisjoint(cell):
        return {**cell, "minor_unit": n_digits}
    return _scaled(cell, n_digits, depth + 1)
