"""Variants that stand in the row of their product: as objects in a list, or as several skus in one cell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product

from vitrina.indexer.sources.base import VariantRow
from vitrina.indexer.sources.cells import is_blank, parse_literal
from vitrina.indexer.sources.column_values import cell_at
from vitrina.indexer.sources.dialects.dialect import Variants
from vitrina.indexer.sources.dialects.layout import Layout
from vitrina.indexer.sources.dialects.pairs import Cells, split_list
from vitrina.indexer.sources.variant_titles import titled

ROLES = ("sku", "price", "price_cents", "sale_price", "currency", "identifiers", "image", "url")
"""What a variant's cells are read for, besides its options."""

_SEVERAL = frozenset({"identifiers", "image"})
"""The roles of which all columns count, and not the first alone."""

DEFAULT = "Default Title"
"""What Shopify calls the only variant of a product, which has no options."""


def roles_of(layout: Layout, cells: Cells, variants: Variants) -> dict[str, object]:
    """A variant's cells by role."""
    found: dict[str, object] = {}
    for role in ROLES:
        keys = getattr(variants, role)
        if role not in _SEVERAL:
            found[role] = layout.cell(cells, keys)
        else:
            held = (cell_at(cells, column) for column in layout.columns(keys))
            found[role] = [cell for cell in held if not is_blank(cell)] or None
    return {role: cell for role, cell in found.items() if cell is not None}


def named_options(layout: Layout, cells: Cells, variants: Variants, spread: Cells) -> dict[str, object]:
    """A variant's options: those of columns of their own, and those ``spread``; else what its title says."""
    columns = ((column, cells.get(column)) for column in layout.columns(variants.options))
    named = ((name, cells.get(column)) for column, name in layout.options.items())
    options = {**{name: cell for name, cell in (*columns, *named) if not is_blank(cell)}, **spread}
    options = {name: value for name, value in options.items() if value != DEFAULT and not _is_unmeasured(name, value)}
    title = layout.cell(cells, variants.title)
    return options or ({"variant": title} if title is not None and title != DEFAULT else {})


def nested_variants(
    origin: str,
    cells: dict[str, object],
    column: str | None,
    variants: Variants,
    bind: Callable[[Cells], Layout],
    is_shown: Callable[[Cells], bool],
) -> tuple[VariantRow, ...]:
    """The variants that are objects in a column's cell, which is taken out of ``cells``, and that the shop shows; none
    if the objects have neither a sku nor a price nor options."""
    nested = cells.get(column) if column else None
    nested = parse_literal(nested) if isinstance(nested, str) else nested
    objects = nested if isinstance(nested, (list, tuple)) else ()
    found = [
        VariantRow(origin, roles, options)
        for each in objects
        if isinstance(each, Mapping) and is_shown(each)
        for roles, options in [_read(each, cells, variants, bind)]
        if roles.keys() & {"sku", "price", "price_cents", "identifiers"} or options
    ]
    if found and column:
        del cells[column]
        cells.pop("options", None)
        if isinstance(names := cells.get("attributes"), list) and names and all(map(_in_one_language, names)):
            del cells["attributes"]
    return tuple(found)


def _is_unmeasured(name: str, value: object) -> bool:
    """Whether an option is a width or a length that nobody filled in; a dress may have size 0."""
    return name.casefold() in ("width", "length") and _ZERO.fullmatch(str(value)) is not None


_ZERO = re.compile(r"0(?:[.,]0+)?")
_WITHIN = ("product", "node", "item_variation_data", "variant")
_BY_NAME = ("choices", "selected_options", "option_values", "options", "attributes")
"""Keys under which a variant may have an object with its options by their names."""

_TITLES = ("title", "name")
"""The keys of a variant's title. Beside our own ``price_cents`` it is one; elsewhere it may be no more than options."""

_NO_OPTIONS = frozenset({"id", "name", "title", "value", "sku", "price"})
"""The keys of an object that is one option, or the variant itself."""


def _read(
    each: Cells, cells: Cells, variants: Variants, bind: Callable[[Cells], Layout]
) -> tuple[dict[str, object], dict[str, object]]:
    within = next((each[key] for key in _WITHIN if isinstance(each.get(key), Mapping)), None)
    if isinstance(within, Mapping):  # a product, and beside it which variant it is
        each = {**within, **{key: cell for key, cell in each.items() if key not in _WITHIN}}
    inner = bind(each).normal(each)
    layout = bind(inner)
    spread = {
        **dict(_by_name(inner)),
        **layout.spread(inner, "variant"),
        **dict(_numbered(inner, cells.get("options"))),
    }
    spread |= dict(_in_order(inner.get("values"), cells.get("attributes")))
    roles = roles_of(layout, inner, variants)
    if "image" not in roles and (image := _image_of(inner.get("image_id"), cells.get("images"))) is not None:
        roles["image"] = image
    titles = layout.columns((*layout.dialect.fields.get("title", ()), *_TITLES))
    roles |= titled("title" if "price_cents" in inner else "name", inner, titles)
    return roles, named_options(layout, inner, variants, spread)


def _numbered(inner: Cells, product_options: object) -> Iterator[tuple[str, object]]:
    """Shopify's ``option1`` to ``option3`` under the names that the product lists."""
    options: Iterable[object] = product_options if isinstance(product_options, (list, tuple)) else ()
    names = (each.get("name") if isinstance(each, Mapping) else each for each in options)
    for number, name in enumerate(names, 1):
        if isinstance(name, str) and not is_blank(value := inner.get(f"option{number}")):
            yield name, value


def _by_name(inner: Cells) -> Iterator[tuple[str, object]]:
    """The options in an object by their names, as ``{"choices": {"Size": "S"}}``."""
    for key in _BY_NAME:
        if isinstance(held := inner.get(key), Mapping) and held.keys().isdisjoint(_NO_OPTIONS):
            yield from ((str(name), value) for name, value in held.items() if isinstance(value, (str, int, float)))


def _in_order(values: object, names: object) -> Iterator[tuple[str, object]]:
    """The values of a variant under the names that its product lists, both by language, as Nuvemshop has them."""
    if isinstance(values, list) and isinstance(names, list) and len(values) == len(names):
        for name, value in zip(map(_in_one_language, names), map(_in_one_language, values), strict=True):
            if name and value:
                yield name, value


def _in_one_language(texts: object) -> str:
    """The English text of an object with texts by their languages, or else its first; empty for any other."""
    if not isinstance(texts, Mapping) or not all(map(_LANGUAGE.fullmatch, map(str, texts))):
        return ""
    return next((texts[key] for key in ("en", *texts) if isinstance(texts.get(key), str) and texts[key]), "")


_LANGUAGE = re.compile(r"[a-z]{2}(?:[_-][A-Za-z]{2,4})?")


def _image_of(image_id: object, images: object) -> object:
    """The image with this id among a product's images."""
    if image_id is None or not isinstance(images, (list, tuple)):
        return None
    return next((each for each in images if isinstance(each, Mapping) and each.get("id") == image_id), None)


def expanded_variants(
    origin: str, cells: dict[str, object], column: str | None, mark: str, attributes: Cells
) -> tuple[VariantRow, ...]:
    """The variants whose skus stand in one cell, each with one combination of the row's options where their numbers
    agree. The first sku stays the product's."""
    skus = split_list(str(cells.get(column) or ""), mark) if column and mark else ""
    if not isinstance(skus, list) or not column:
        return ()
    cells[column] = skus[0]
    named = [(name, value) for name, value in attributes.items() if isinstance(value, list)]
    names = [name for name, _ in named]
    combined = [dict(zip(names, each, strict=True)) for each in product(*(value for _, value in named))]
    options = combined if len(combined) == len(skus) else [{} for _ in skus]
    return tuple(VariantRow(origin, {"sku": sku}, own) for sku, own in zip(skus, options, strict=True))


def of_single(variant: VariantRow) -> dict[str, object]:
    """What a product's only variant says of the product."""
    found = {name: variant.cells[name] for name in ("price", "sale_price", "currency") if name in variant.cells}
    if "sku" in variant.cells:
        found["variant_sku"] = variant.cells["sku"]
    if "identifiers" in variant.cells:
        found["barcode"] = variant.cells["identifiers"]
    return found


def summed(price: object, surcharge: object) -> float | None:
    """A product's price with a variant's surcharge; None if one of them is no plain number."""
    try:
        return round(float(str(price)) + float(str(surcharge)), 4)
    except ValueError:
        return None


def constant(options: list[dict[str, object]], layout: Layout) -> dict[str, object]:
    """Take out of the rows' options those that do not differ, unless they stand in columns made for options."""
    if layout.pairs:
        return {}
    values: dict[str, list[object]] = {}
    for own in options:
        for name, value in own.items():
            if value not in values.setdefault(name, []):
                values[name].append(value)
    alike = {name: found[0] for name, found in values.items() if len(found) == 1}
    for own in options:
        for name in alike:
            own.pop(name, None)
    return alike


_RULE = re.compile(r"\[(FIXED|ADD|REMOVE)\]\s*([\d.,]+)", re.IGNORECASE)


def ruled_price(rule: object, price: object) -> object:
    """What a variant costs by a rule such as ``[ADD]5``, given the product's price; None if it says no price."""
    found = _RULE.match(str(rule))
    if found is None or found[1].upper() == "FIXED":
        return found[2] if found else None
    return summed(price, found[2] if found[1].upper() == "ADD" else f"-{found[2]}")
