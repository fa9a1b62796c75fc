"""What databases, search engines and APIs wrap products in, taken off: connections, envelopes, types beside values."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vitrina.indexer.sources.column_names import folded, name_table
from vitrina.indexer.sources.minor_units import with_decimals

Cells = dict[str, object]

_MAX_DEPTH = 12
_ENVELOPES = ("_source", "attributes", "fields", "node", "document", "product", "Item", "value", "doc", "data")
"""Keys under which a product stands where nothing else of its object is the product's own."""

_BESIDE = frozenset(
    {
        "_id", "_index", "_type", "_score", "_version", "_rev", "_highlightResult", "_snippetResult", "_rankingInfo",
        "sort", "highlight", "highlights", "id", "type", "sys", "metadata", "meta", "cursor", "links",
        "relationships", "documentId", "createTime", "updateTime", "createdTime", "modifiedTime", "createdAt",
        "updatedAt", "name", "key", "score", "contentType", "found", "text_match", "text_match_info",
    }
)  # fmt: skip
_OPENED = frozenset({*_ENVELOPES, "masterData", "translated", "item_data", "details", "info", "general"})
_KEYS = ("_id", "id", "key")
_ACTIONS = frozenset({"index", "create", "update"})

_TYPES = frozenset(
    {
        "S", "N", "BOOL", "L", "M", "SS", "NS", "NULL", "stringValue", "doubleValue", "integerValue", "booleanValue",
        "arrayValue", "mapValue", "timestampValue", "nullValue", "referenceValue",
    }
)  # fmt: skip
"""The types that DynamoDB and Firestore write around each value."""

_INSIDE = (
    '"edges"', '"nodes"', '"$', '"priceWithTax"', '"language_tag"', '"price_money"', '"commertialOffer"',
    '"ma_', '"locale"', '"lang"', '"language"', "inor_unit", "inorUnit", '"price_min"',
)  # fmt: skip
"""Of these a text has one if there may be something to take off inside of a product."""


def plain_cells(cells: Cells, text: str | None = None) -> Cells:
    """A product's object without what it is wrapped in: lists in the place of GraphQL's connections, plain values in
    the place of MongoDB's ``{"$oid": ...}`` and of DynamoDB's and Firestore's typed ones. Its ``text``, if that is
    known, tells whether to look inside."""
    if text is None or any(sign in text for sign in _INSIDE):
        cells = _with_cents(cells)
        cells = {key: _plain(cell) if isinstance(cell, (dict, list)) else cell for key, cell in cells.items()}
    cells = _with_first_tier(_with_translations(_with_values(opened(cells))))
    if _are_typed(cells):
        cells = {key: _untyped(cell) for key, cell in cells.items()}
    if any(map(_is_link, cells.values())):
        cells = {key: cell for key, cell in cells.items() if not _is_link(cell)}
    master = cells.get("masterVariant")
    if isinstance(master, dict):
        others = cells.get("variants")
        cells = {key: cell for key, cell in cells.items() if key != "masterVariant"}
        cells["variants"] = [master, *(others if isinstance(others, list) else ())]
    return cells


def _is_link(cell: object) -> bool:
    """Whether an object says no more than where the API is asked for what belongs here, as Lightspeed's do."""
    return isinstance(cell, dict) and cell.keys() == {"resource"} and isinstance(cell["resource"], dict)


def bulk_action(cells: object) -> Cells | None:
    """The key in a line of Elasticsearch's bulk format that says what the next line is; None of any other line."""
    if not isinstance(cells, dict) or len(cells) != 1 or not cells.keys() <= _ACTIONS:
        return None
    (target,) = cells.values()
    if not isinstance(target, dict) or not target.keys() <= _BESIDE | {"routing", "_routing"}:
        return None
    return {"_id": target["_id"]} if "_id" in target else {}


def opened(cells: Cells, depth: int = 0) -> Cells:
    """What stands in an envelope, with the envelope's own key."""
    alone = next(iter(cells.values()), None) if len(cells) == 1 else None
    if isinstance(alone, dict) and depth < _MAX_DEPTH and not _TITLES.isdisjoint(map(str.casefold, alone)):
        return opened(alone, depth + 1)
    if _OPENED.isdisjoint(cells) and not _TITLES.isdisjoint(cells):
        return cells
    current = cells.get("masterData")  # commercetools
    if isinstance(current, dict) and isinstance(current.get("current"), dict):
        return {**{key: cell for key, cell in cells.items() if key != "masterData"}, **current["current"]}
    for name in _ENVELOPES:
        inner = cells.get(name)
        if isinstance(inner, dict) and len(inner) > 1 and cells.keys() - {name} <= _BESIDE and depth < _MAX_DEPTH:
            own = {key: cells[key] for key in _KEYS if key in cells}
            if isinstance(about := cells.get("sys"), dict) and "id" in about:
                own["id"] = about["id"]
            return opened({**own, **inner}, depth + 1)
    for name, inner in cells.items() if not any(_under(cells, key) for key in _TITLES) else ():
        if isinstance(inner, dict) and _is_product(name, inner, cells):
            own = {key: cell for key, cell in cells.items() if key != name and (key not in inner or cell is not None)}
            return {**inner, **own}
    return cells


def _is_product(name: str, inner: Cells, cells: Cells) -> bool:
    """Whether an object has the title and more of what the other cells are about."""
    if not any(isinstance(_under(inner, key), str) for key in _NAMES):
        return False
    if name.casefold() in _WITHIN or _SOLD & inner.keys():
        return True
    titles = name_table("names")["title"]
    is_titled = any(isinstance(cell, str) and folded(key) in titles for key, cell in cells.items())
    return not is_titled and any(_under(inner, key) for key in _SOLD)


def _under(cells: Cells, name: str) -> object:
    """What stands under a name, in whatever letter case."""
    return cells.get(name) or next((cell for key, cell in cells.items() if key.casefold() == name), None)


_TITLES = frozenset({"title", "name"})
_NAMES = _TITLES | {"productname", "product_name", "productshortname"}
_SOLD = frozenset({"sku", "price", "description", "images", "image"})
_WITHIN = (
    "product",
    "attributes",
    "fields",
    "translated",
    "item_data",
    "details",
    "info",
    "basic",
    "general",
    "content",
    "description",
)
"""Keys under which a product's names may stand beside its prices and images."""


def _plain(value: object, depth: int = 0) -> object:
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        return _in_one_language(value) or [_plain(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value))[:1] == "$":
        return _plain(next(iter(value.values())), depth + 1)
    value = _with_cents(value)
    if isinstance(money := value.get("price_money"), dict):  # Square
        value = {**value, "price": {"centAmount": money.get("amount"), "currencyCode": money.get("currency")}}
        del value["price_money"]
    if isinstance(sellers := value.get("sellers"), list) and any(_offer_of(each) for each in sellers):  # VTEX
        value = _with_offer(value, sellers)
    edges, nodes = value.get("edges"), value.get("nodes")
    if isinstance(edges, list) and all(isinstance(each, dict) and "node" in each for each in edges):
        return [_plain(each["node"], depth + 1) for each in edges]
    if isinstance(nodes, list) and value.keys() <= {"nodes", "pageInfo", "totalCount"}:
        return [_plain(each, depth + 1) for each in nodes]
    return {key: _plain(inner, depth + 1) for key, inner in value.items()}


def _with_cents(value: Cells) -> Cells:
    """An object whose price is in cents, with that under a name that says so: of Vendure, whose search answers with the
    lowest and the highest of a product, and of Medusa 1. Where it says how many digits are decimals, they are."""
    price, code = value.get("priceWithTax"), value.get("currencyCode")
    if isinstance(price, dict):
        price = price.get("min", price.get("value"))
    if isinstance(price, int) and isinstance(code, str):
        value = {**value, "price": {"centAmount": price, "currencyCode": code}}
        del value["priceWithTax"]
    if isinstance(value.get("amount"), int) and str(value.get("id")).startswith("ma_"):
        value = {("centAmount" if key == "amount" else key): cell for key, cell in value.items()}
    return with_decimals(value)


def _with_offer(sku: Cells, sellers: list[object]) -> Cells:
    """A SKU with the price of the first seller that has it in stock, or else of the first with a price, in the place of
    all; and with its options by name."""
    offers = [offer for each in sellers if (offer := _offer_of(each)).get("Price")]
    offer = next((each for each in offers if each.get("AvailableQuantity")), next(iter(offers), {}))
    names = sku.get("variations")
    named = [name for name in (names if isinstance(names, list) else ()) if isinstance(name, str)]
    found = {key: cell for key, cell in sku.items() if key not in ("sellers", *named)}
    if named:
        found["options"] = [{"name": name, "values": sku.get(name)} for name in named]
    elif isinstance(names, list):
        found["options"] = names
    if price := offer.get("Price"):
        found |= {"price": offer.get("ListPrice") or price, "sale_price": price}
    return found


def _offer_of(seller: object) -> Cells:
    offer = seller.get("commertialOffer") if isinstance(seller, dict) else None
    return offer if isinstance(offer, dict) else {}


def _with_values(cells: Cells) -> Cells:
    """The cells with what Akeneo keeps under ``values`` among them: ``{"name": [{"locale": "en_US", "data": "Tee"}]}``,
    each in English, or else as the first."""
    held = cells.get("values")
    if not isinstance(held, dict) or not all(isinstance(each, list) and each for each in held.values()):
        return cells
    if not all(isinstance(value, dict) and "data" in value for each in held.values() for value in each):
        return cells
    own = {key: cell for key, cell in cells.items() if key != "values"}
    for name, values in held.items():
        english = (value for value in values if str(value.get("locale", "")).startswith("en"))
        own[name] = next(english, values[0])["data"]
    return own


_TIERED = re.compile(r"tier|break|staffel|scale|volume|prices|pricing")
_FROM = ("quantity", "qty", "break_quantity", "min_quantity", "min_qty", "minimum_quantity", "from", "min")
_EACH = ("price", "unit_price", "value", "amount")


def _with_first_tier(cells: Cells) -> Cells:
    """The cells with the price of the smallest quantity in the place of those of several, written as ``[[1, 0.4],
    [10, 0.3]]`` or as objects with both, where nothing else says the price."""
    known = {name for key, cell in cells.items() if cell not in (None, "", []) and (name := folded(str(key)))}
    for key, cell in cells.items():
        if not isinstance(cell, list) or len(cell) < 2 or not _TIERED.search(name := folded(str(key))):
            continue
        if (price := _first_price(cell)) is not None and known.isdisjoint({*name_table("names")["price"]} - {name}):
            return {**{own: each for own, each in cells.items() if own != key}, "price": price}
    return cells


def _first_price(tiers: list[object]) -> object:
    """The price of the first of tiers that begin at ever larger quantities and cost ever less; None of another list."""
    pairs: list[tuple[object, object, object]] = []
    for each in tiers:
        if isinstance(each, list) and len(each) == 2:
            pairs.append((*each, None))
        elif isinstance(each, dict):
            held = {folded(str(key)): cell for key, cell in each.items()}
            quantity, price = (next((held[key] for key in keys if key in held), None) for keys in (_FROM, _EACH))
            pairs.append((quantity, price, held.get("currency", held.get("currency_code"))))
    quantities = [each for each, _, _ in pairs if type(each) is int]
    prices = [each for _, each, _ in pairs if isinstance(each, (int, float, str)) and not isinstance(each, bool)]
    if not len(quantities) == len(prices) == len(tiers) or sorted({*quantities}) != quantities:
        return None
    numbers = [each for each in prices if not isinstance(each, str)]
    if numbers != sorted(numbers, reverse=True):
        return None
    return prices[0] if pairs[0][2] is None else {"amount": prices[0], "currency": pairs[0][2]}


_LANGUAGE = re.compile(r"[a-z]{2}(?:[_-][A-Za-z]{2})?")
_TRANSLATIONS = ("translations", "i18n", "locales", "localizations")
_TOLD = ("locale", "lang", "language", "languageCode", "language_code", "locale_code")


def _with_translations(cells: Cells) -> Cells:
    """The cells with those among them that stand under their languages, ``{"translations": {"en": {"name": "Tee"}}}``,
    or say which they are in: in English, or else the first, under their own names, and in others as ``name_fr``."""
    name = next((name for name in _TRANSLATIONS if isinstance(cells.get(name), (dict, list))), "")
    held = cells.get(name)
    if isinstance(held, list):
        told = ((next((str(each[key]) for key in _TOLD if key in each), ""), each) for each in held if _is_object(each))
        held = {language: {key: value for key, value in each.items() if key not in _TOLD} for language, each in told}
    if not isinstance(held, dict) or not held or not all(map(_LANGUAGE.fullmatch, held)):
        return cells
    if not all(isinstance(each, dict) for each in held.values()):
        return cells
    chosen = next((language for language in held if language.startswith("en")), next(iter(held)))
    own = {key: cell for key, cell in cells.items() if key != name}
    for language, inner in held.items():
        for key, value in inner.items():
            if key not in _KEYS:
                own.setdefault(key if language == chosen else f"{key}_{language.replace('-', '_').lower()}", value)
    return own


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _in_one_language(values: list[object]) -> list[object]:
    """The English values of a list of ``{"language_tag": "en_US", "value": ...}``, as Amazon and others write them, or
    those of the first one's language, or those of no language; an empty list for any other."""
    objects = [each for each in values if isinstance(each, dict) and "value" in each]
    told = [next((str(each[key]) for key in ("language_tag", *_TOLD) if key in each), "") for each in objects]
    if len(objects) < len(values) or not any(told):
        return [each["value"] for each in objects] if objects and all(len(each) == 1 for each in objects) else []
    chosen = next((tag for start in ("en_US", "en") for tag in told if tag.startswith(start)), told[0])
    return [each["value"] for each, tag in zip(objects, told, strict=True) if tag == chosen]


def _are_typed(cells: Cells) -> bool:
    for key, cell in cells.items():
        if key not in _KEYS and not (isinstance(cell, dict) and _is_typed(cell)):
            return False
    return bool(cells)


def _is_typed(value: object) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and value.keys() <= _TYPES


def _untyped(value: object, depth: int = 0) -> object:
    """A value without its type; numbers as numbers."""
    if not isinstance(value, Mapping) or not _is_typed(value) or depth > _MAX_DEPTH:
        return value
    ((name, inner),) = value.items()
    if name in ("L", "arrayValue"):
        values = inner.get("values", []) if isinstance(inner, Mapping) else inner
        return [_untyped(each, depth + 1) for each in values] if isinstance(values, list) else None
    if name in ("M", "mapValue"):
        held = inner.get("fields", inner) if isinstance(inner, Mapping) else {}
        return {key: _untyped(each, depth + 1) for key, each in held.items()}
    return None if name in ("NULL", "nullValue") else inner


_LINKED_DEPTH = 4


def linked_products(document: object) -> list[Cells] | None:
    """The products of an answer that lists beside them what they link to, each with that in the place of its links: by
    JSON:API under ``included``, by Contentful under ``includes``. None of any other document."""
    if not isinstance(document, dict):
        return None
    products = document.get("data", document.get("items"))
    included, includes = document.get("included"), document.get("includes")
    lists = [included] if isinstance(included, list) else [*includes.values()] if isinstance(includes, dict) else []
    beside = [each for part in lists if isinstance(part, list) for each in part if isinstance(each, dict)]
    if not beside or not isinstance(products, list):
        return None
    known = {key: each for each in (*beside, *products) if isinstance(each, dict) and (key := _identity(each))}
    return [_linked(each, known) for each in products if isinstance(each, dict)]


def _identity(value: Cells) -> str:
    """The kind and the id of an object, or of what a link leads to."""
    about = value.get("sys", value)
    if not isinstance(about, dict):
        return ""
    return f"{about.get('linkType', about.get('type'))}:{about['id']}" if {"type", "id"} <= about.keys() else ""


def _linked(value: Cells, known: Mapping[str, Cells], within: tuple[str, ...] = ()) -> Cells:
    """An object's own cells, and under the names of its links what they lead to; ``within`` are the objects that led
    here, to which no link goes back."""
    about = value.get("sys", value)
    held = value.get("attributes", value.get("fields"))
    links = value.get("relationships")
    found: Cells = {"id": about.get("id") if isinstance(about, dict) else None}
    found |= held if isinstance(held, dict) else {}
    for name, link in links.items() if isinstance(links, dict) else ():
        found.setdefault(str(name), link.get("data") if isinstance(link, dict) else None)
    followed = {name: _followed(cell, known, (*within, _identity(value))) for name, cell in found.items()}
    return {name: cell for name, cell in followed.items() if cell is not None and cell != []}


def _followed(value: object, known: Mapping[str, Cells], within: tuple[str, ...]) -> object:
    if isinstance(value, list):
        return [each for part in value if (each := _followed(part, known, within)) is not None]
    if not isinstance(value, dict) or not (key := _identity(value)) or value.keys() - {"id", "type", "meta", "sys"}:
        return value
    is_new = key in known and key not in within and len(within) < _LINKED_DEPTH
    return _linked(known[key], known, within) if is_new else None
