"""Which rows of an unknown table are one product, told by names and values: those that name their product by its key,
those of one group, and those with one key."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TypeVar

from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded, has_word
from vitrina.indexer.sources.column_values import are_unused
from vitrina.indexer.sources.columns import Columns
from vitrina.indexer.sources.dialects.dialect import CatalogDialect, Join, Kinds, Pair, PairList, Variants

T = TypeVar("T", Join, Kinds, Variants)
Cells = Mapping[str, object]
Rows = Sequence[Cells]

_PARENT = re.compile(
    r"(?:.*_)?(?:parent|vater|hauptartikel|hoofdartikel|padre|pere|genitore|rodzic|родител\w*|main_product|variant_of|master(?=_))"
    r"(?:_?(?:sku|id|nr|no|code|number|nummer|key|ref|item|product|produkt|article|artikel|artikelnummer|asin|handle|unique))*"
    r"|id_(?:padre|parent)|.*(?:父|親商品).*"
)
_GROUP = re.compile(
    r"(?:item|product|produkt|variant|variation|style|article|artikel|model|sku)_?group(?:_?(?:id|no|nr|code|number|key))?"
    r"|group_?(?:id|no|nr|code|number|key)|(?:style|model|family)_?(?:id|no|nr|code|number|sku|kodu)|(?:product|item|listing)_?(?:id|handle|slug)|id|handle|slug|variant_(?:parent|family)"
)
_SAID = re.compile(
    r"item_?group_?id|(?:variant|variation|sku)_?group.*|.*(?:parent|vater)_?(?:sku|asin|artikel|item|product|handle).*"
)
"""Names that say that rows of one group are variants, whatever their titles say."""

MAX_OPTION_CHARS = 25
"""What is longer is no list of sizes or colours but a text."""

_NO_PARENT = frozenset({"0", "-1", "none", "null", "root"})
"""What a product that is no variant has for its parent."""

PAIRS = tuple(
    Pair(name=name, value=value)
    for name, value in (
        ("option{n}_name", "option{n}_value"),
        ("option_{n}_name", "option_{n}_value"),
        ("option_name_{n}", "option_value_{n}"),
        ("attribute_{n}_name", "attribute_{n}_value"),
        ("variation_name_{n}", "variation_value_{n}"),
        ("variationsname_{n}", "variationswertname_{n}"),
        ("variationsname_{n}", "variationswert_{n}"),
        ("attribut_{n}_name", "attribut_{n}_wert"),
        ("variation_theme_{n}", "variation_value_{n}"),
    )
)


def grouped_dialect(dialect: CatalogDialect, columns: Columns, rows: Rows) -> CatalogDialect:
    """The dialect with what joins the rows of one product, told by a sample of them; the dialect itself where nothing
    does. Only names that say it, or titles that are the same, make rows one product."""
    if len(rows) < 2:
        return dialect
    names = list(dict.fromkeys(column for row in rows for column in row))
    dialect = dialect.model_copy(update={"lists": (*dialect.lists, *_lists_of_pairs(names, columns, rows))})
    if columns.keyed_by == "row":
        return dialect.model_copy(update={"split": {**dialect.split, **_lists_of_options(names, rows)}})
    for column in names:
        if _PARENT.fullmatch(folded(column)) and (key := _key_named_by(column, names, columns, rows)) is not None:
            kinds = _as_they_are(
                Kinds(column=(), variant=rf"^(?!(?:{'|'.join(sorted(_NO_PARENT))})$)."), column=_folded([column])
            )
            join = _as_they_are(Join(by="parent", kinds=kinds, names=(f"{{{key}}}",)), column=_folded([column]))
            return _with_join(dialect, join, columns, rows, _groups(column, rows))
    sku = next((each for each in columns.fields["sku"] if not are_unused(rows, (each,))), columns.fields["sku"][0])
    if (translated := _translations(sku, names, rows)) is not None:
        told = translated.kinds.column if translated.kinds else ()
        return dialect.model_copy(update={"join": translated, "ignore": (*dialect.ignore, *map(re.escape, told))})
    for column in names:
        key = folded(column)
        if column != sku and (_GROUP.fullmatch(key) or _PARENT.fullmatch(key)):
            groups = _groups(column, rows)
            if groups and (_SAID.fullmatch(key) or _are_titled_alike(groups, columns)):
                return _with_join(
                    dialect, _as_they_are(Join(by="group"), column=_folded([column])), columns, rows, groups
                )
    dialect = dialect.model_copy(update={"split": {**dialect.split, **_lists_of_options(names, rows)}})
    groups = _groups(sku, rows)
    if groups and _are_titled_alike(groups, columns) and any(map(_differ, groups)):
        return _with_join(dialect, _as_they_are(Join(by="group"), column=_folded([sku])), columns, rows, groups)
    keys = (*columns.fields["sku"], *columns.fields.get("title", ()))
    more = [row for row in rows if _continues(row, keys)]
    prices = columns.fields.get("price", ())
    if more and more[0] is not rows[0] and all(is_blank(row.get(price)) for row in more for price in prices):
        join = _as_they_are(Join(by="group"), column=_folded([sku]), continued=_folded(keys))
        return dialect.model_copy(update={"join": join, "variants": Variants()})
    return dialect


def _translations(sku: str, names: Sequence[str], rows: Rows) -> Join | None:
    """What joins rows of one key that say in which language they are: all others are translations of those in English,
    or else in the first row's language. None where there are no such rows."""
    for column in names if _groups(sku, rows) else ():
        codes = [text for row in rows if (text := _text(row.get(column)))]
        if _LANGUAGE.fullmatch(folded(column)) and len(codes) == len(rows) and all(map(_CODE.fullmatch, codes)):
            own = next((code for code in codes if code.lower().startswith("en")), codes[0])
            kinds = _as_they_are(Kinds(column=(), translation=rf"^(?!{re.escape(own)}$)."), column=_folded([column]))
            return Join(by="parent", names=(f"{{{sku}}}",), kinds=kinds) if len({*codes}) > 1 else None
    return None


_LANGUAGE = re.compile(
    r"locale|lang|language|(?:lang|language|locale)_?(?:code|id)|sprache|langue|idioma|lingua|taal|jezyk|jazyk"
)
_CODE = re.compile(r"[a-zA-Z]{2}(?:[_-][a-zA-Z]{2,4})?")


def _continues(row: Cells, keys: Sequence[str]) -> bool:
    """Whether a row has neither a key nor a title, and so more to say of the one before it."""
    return bool(row) and all(is_blank(row.get(key)) for key in keys)


def _lists_of_options(names: Sequence[str], rows: Rows) -> dict[str, str]:
    """The columns of options with several values in one cell, as ``S/M/L``, and what stands between these."""
    found: dict[str, str] = {}
    for column in names:
        if has_word(folded(column), "words", "option"):
            texts = [text for row in rows if (text := _text(row.get(column)))]
            marks = [mark for mark in "|/;" if max((text.count(mark) for text in texts), default=0) > 1]
            if not marks and any(text.count(",") > 1 for text in texts) and all(map(_SIZES.fullmatch, texts)):
                marks = [","]
            pattern = rf"\s*[{''.join(marks)}]\s*"
            if marks and all(len(each) <= MAX_OPTION_CHARS for text in texts for each in re.split(pattern, text)):
                found[re.escape(folded(column))] = pattern
    return found


_SIZES = re.compile(r"[\w/½-]+(?:, [\w/½-]+)*|(?!\d+,\d+$)[\w/½-]+(?:,[\w/½-]+)*")
"""Sizes with commas between them, and no decimal comma among them."""


def _lists_of_pairs(names: Sequence[str], columns: Columns, rows: Rows) -> list[PairList]:
    """The columns with several names and values in one cell, as ``Colour:Red|Size:M`` or ``Colour=Red;Size=M``: in
    nearly all of their rows."""
    used = {*(each for found in columns.fields.values() for each in found), *columns.images}
    found = []
    for column in names:
        texts = [text for row in rows if column not in used and (text := _text(row.get(column)))]
        signs = [sign for sign in ":=" if any(sign in text for text in texts)]
        for sign, mark in product(signs, "|;\n,"):
            cells = [text.strip(f"{mark} ").split(mark) for text in texts]
            are_pairs = sum(all(map(_PAIRS[sign].match, parts)) for parts in cells) >= 0.9 * len(texts)
            if are_pairs and any(len(parts) > 1 for parts in cells):
                between = re.escape(mark)
                pattern = rf"(?:^|{between})\s*(?P<name>[^{sign}{between}]+?)\s*{sign}(?P<value>[^{between}]*)"
                found.append(PairList(column="x", pattern=pattern).model_copy(update={"column": column}))
                break
    return found


_PAIRS = {
    ":": re.compile(r"\s*[^\W\d_][^:<>{}\"]{0,50}:(?!//)\s*[^\s<>{}]"),
    "=": re.compile(r"\s*[^\W\d_][^:=?&<>{}\"]{0,50}=\s*[^\s<>{}=\"]"),
}


def _n_filled(column: str, rows: Rows) -> int:
    return sum(bool(_text(row.get(column))) for row in rows)


def _key_named_by(parent: str, names: Sequence[str], columns: Columns, rows: Rows) -> str | None:
    """The column whose values the rows name as their parents: at least half of those that are named are there, and half
    of their rows have no title of their own, or one that begins alike."""
    children = [(value, row) for row in rows if (value := _text(row.get(parent))) and value.lower() not in _NO_PARENT]
    named = {value for value, _ in children}
    title = next(iter(columns.fields.get("title", ())), "")
    for column in names if named else ():
        by_key = {value: row for row in rows if column != parent and (value := _text(row.get(column)))}
        if len(by_key) < _n_filled(column, rows) or 2 * len(named & by_key.keys()) < len(named):
            continue
        pairs = [(_text(row.get(title)), _text(by_key[value].get(title))) for value, row in children if value in by_key]
        n_alike = sum(not own or own.startswith((above.split() or ["-"])[0]) for own, above in pairs)
        if 2 * n_alike >= len(pairs):
            return column
    return None


def _groups(column: str, rows: Rows) -> list[Rows]:
    """The rows that have the same value in a column, where several have it."""
    found: dict[str, list[Cells]] = defaultdict(list)
    for row in rows:
        if (value := _text(row.get(column))) and value.lower() not in _NO_PARENT:
            found[value].append(row)
    return [each for each in found.values() if len(each) > 1]


def _are_titled_alike(groups: Sequence[Rows], columns: Columns) -> bool:
    """Whether in nearly all groups the rows have one title, or none but the first."""
    title = next(iter(columns.fields.get("title", ())), None)
    if title is None:
        return False
    n_alike = sum(len({_text(row.get(title)) for row in group} - {""}) == 1 for group in groups)
    return 10 * n_alike >= 9 * len(groups)


def _differ(group: Rows) -> bool:
    """Whether the rows of a group say different things, and not only more or less, as the same row twice may."""
    columns = {column for row in group for column in row}
    return any(len({repr(row[column]) for row in group if not is_blank(row.get(column))}) > 1 for column in columns)


def _with_join(
    dialect: CatalogDialect, join: Join, columns: Columns, rows: Rows, groups: Sequence[Rows]
) -> CatalogDialect:
    """The dialect with the columns in which variants differ as their options, and fields as their roles."""
    fields, names = columns.fields, list(dict.fromkeys(column for row in rows for column in row))
    used = {*(each for found in fields.values() for each in found), *columns.images}
    free = [column for column in names if column not in used and folded(column) not in join.column]
    differing = [column for column in free if _differs(column, groups)]
    counted = free if join.by == "parent" else differing  # what a product's own row does not say, its variants' do
    paired = {each.value.format(n=n) for each in PAIRS for n in range(1, 10) if each.name.format(n=n) in _folded(names)}
    options = tuple(each for each in _folded(counted) if has_word(each, "words", "option") and each not in paired)
    own = [column for column in fields["sku"] if folded(column) not in join.column]
    are_own = own[:1] == [*fields["sku"][:1]] and not any(_repeats(own[0], group) for group in groups)
    skus = own[:1] if are_own else [*_other_keys(differing, rows), *own][:1]
    titles = () if options else tuple(each for each in fields.get("title", ()) if _differs(each, groups))
    variants = _as_they_are(
        Variants(),
        sku=_folded(skus),
        price=_folded(fields.get("price", ())),
        price_cents=_folded(fields.get("price_cents", ())),
        sale_price=_folded(fields.get("sale_price", ())),
        currency=_folded(fields.get("currency", ())),
        identifiers=dialect.variants.identifiers,
        image=_folded(columns.images),
        url=_folded(fields.get("url", ())),
        title=_folded(titles),
        options=options,
        when=() if options or skus or join.by == "parent" else ("-",),
    )
    told = {*join.column, *_folded(skus)} - {*_folded(fields["sku"])}
    ignored = map(re.escape, sorted(told))
    update = {"join": join, "variants": variants, "pairs": PAIRS, "ignore": (*dialect.ignore, *ignored)}
    return dialect.model_copy(update=update)


def _differs(column: str, groups: Sequence[Rows]) -> bool:
    """Whether a column tells the rows of some group apart."""
    return any(len({_text(row.get(column)) for row in group} - {""}) > 1 for group in groups)


def _repeats(column: str, group: Rows) -> bool:
    """Whether a column has one value in several rows of a group."""
    values = [value for row in group if (value := _text(row.get(column)))]
    return len(set(values)) < len(values)


def _as_they_are(part: T, **update: tuple[str, ...]) -> T:
    """A part of a dialect with names that are folded already, and in which points are no paths (``std._vk_brutto``)."""
    return part.model_copy(update=update)


def _folded(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(folded, names))


def _other_keys(names: Sequence[str], rows: Rows) -> list[str]:
    """The columns in which each row has another value and whose names have a word of a key, those of skus first."""
    words = ("sku", "id", "code", "number", "nr", "ean", "gtin", "barcode")
    unique = [column for column in names if len({_text(row.get(column)) for row in rows} - {""}) == len(rows)]
    return [column for word in words for column in unique if word in folded(column)]


def _text(cell: object) -> str:
    return "" if is_blank(cell) or isinstance(cell, (list, tuple, dict)) else str(cell).strip()
