"""What a document names beside its products, such as categories and brands, to which products refer by ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache

import ijson

from vitrina.indexer.sources.column_names import folded, name_table

Cells = dict[str, object]

ID_KEYS = ("id", "_id", "uid", "uuid", "ид", "идзначения", "key", "code")
NAME_KEYS = ("name", "title", "label", "nombre", "nom", "nome", "наименование", "название", "назва", "значение")
PARENT_KEYS = ("parent_id", "parentid", "parent", "id_parent", "parent_category", "parent_category_id")
"""What the id and the name of an object are called, and the id of the one that it is part of: folded."""

_SLUGS = ("slug", "handle")
"""What else products may name an object by."""

_PARTS = frozenset({"children", "childs", "nodes"})
_OF_IDS = re.compile(r"_?(?:ids?|refs?)$")
_OF_PRODUCTS = frozenset(
    {"", "product", "item", "offer", "variant", "sku", "goods", "article", "parent", "item_group", "currency",
     "related"}
)  # fmt: skip
"""What a column of ids may be called that joins products, and names nothing of them, or is read as it is."""

_FIELDS = ("sku", "title", "description", "price", "sale_price", "price_cents", "currency", "url")

_MIN_OPAQUE_CHARS = 16
"""From this length on an id is taken for one of the whole document, as a UUID; Firestore's ids have 20 signs."""

_MIN_ALIKE = 4
_MAX_DEPTH = 8
_MAX_PARENTS = 20
_MAX_COLUMNS = 10_000


class NamedObjects:
    """The names of objects by their kinds and ids, with the ids of those that they are part of."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, tuple[str, str]]] = {}
        self._opaque: dict[str, str] = {}
        self._columns: dict[str, tuple[str, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def add(self, kind: str, key: str, name: str, parent: str = "") -> None:
        """Take in one object. The first of a kind with an id counts."""
        kind = folded(kind)
        key, name = key.strip(), name.strip()
        if not key or not name:
            return
        self._kinds.setdefault(kind, {}).setdefault(key, (name, parent.strip()))
        if len(key) >= _MIN_OPAQUE_CHARS and " " not in key:
            self._opaque.setdefault(key, kind)
        self._columns.clear()

    def named(self, cells: Cells) -> Cells:
        """A product's cells with names in the place of ids: ``category`` for ``categoryId``, with what it is part of
        before it, and ``images`` for ``image_ids``. Long ids are known in any column."""
        if not self._kinds:
            return cells
        found: Cells = {}
        for column, cell in cells.items():
            kind, own = self._columns.get(column) or self._column(column)
            names = self._names(kind, cell) if kind else None
            if names is None:
                found[column] = self._with_names(cell) if own and self._opaque else cell
            elif own == column or own not in map(folded, cells):
                found |= {column: cell, own: names} if own.endswith("group") else {own: names}  # which may join rows
            else:
                found[column] = cell
        return found

    def _column(self, column: str) -> tuple[str, str]:
        """The kind that a column is of, as ``categories`` is that of ``main_category_id``, and what its names are
        called; empty where it is of none, and where it is read as it is."""
        name = folded(column)
        stem = _OF_IDS.sub("", name)
        is_kept = name in ID_KEYS or stem in _OF_PRODUCTS or _is_field(name)
        own = "" if is_kept else column if stem == name else "images" if stem == "image" else stem
        last = stem.rpartition("_")[2]
        named = (kind for each in (stem, last, _whole(last)) for kind in self._kinds if _are_alike(each, kind))
        if len(self._columns) > _MAX_COLUMNS:  # of objects that all have other keys
            self._columns.clear()
        self._columns[column] = next(named, "") if own else "", own
        return self._columns[column]

    def _names(self, kind: str, cell: object) -> object:
        """The names of the ids in a cell, and what texts are beside them; None if it holds none of this kind."""
        if isinstance(cell, list):
            named = [(each, self._names(kind, each)) for each in cell]
            found = [name or each for each, name in named if name is not None or isinstance(each, str)]
            return found if any(name is not None for _, name in named) else None
        if isinstance(cell, Mapping):
            held = {folded(str(key)): each for key, each in cell.items()}
            key = next((held[name] for name in ID_KEYS if is_id(held.get(name))), None)
            return None if key is None or not held.keys().isdisjoint(NAME_KEYS) else self._names(kind, key)
        return self._path(kind, str(cell).strip()) if is_id(cell) and kind else None

    def _path(self, kind: str, key: str) -> str | None:
        """The name of an object behind those of what it is part of: ``Home / Mugs``."""
        known, names, passed = self._kinds.get(kind, {}), [], set[str]()
        while key in known and key not in passed and len(passed) < _MAX_PARENTS:
            passed.add(key)
            name, key = known[key]
            names.append(name)
        return " / ".join(reversed(names)) or None

    def _with_names(self, value: object, depth: int = 0) -> object:
        """A value with names for the long ids in it."""
        if depth > _MAX_DEPTH:
            return value
        if isinstance(value, str):
            kind = self._opaque.get(value.strip())
            return value if kind is None else self._path(kind, value.strip()) or value
        if isinstance(value, list):
            return [self._with_names(each, depth + 1) for each in value]
        if not isinstance(value, Mapping):
            return value
        found = {key: self._with_names(each, depth + 1) for key, each in value.items()}
        key, alone = next(iter(found.items()), ("", None))
        return alone if len(found) == 1 and folded(str(key)) in ID_KEYS and alone != value[key] else found

    def add_object(self, kind: str, value: object, depth: int = 0) -> None:
        """Take in a JSON object that has an id and a name, or of an image the address, and those in it."""
        if not isinstance(value, dict):
            return
        if own := kind_of(value):
            held = value[f"{own}_data"]
            kind, value = own, {**value, **(held if isinstance(held, dict) else {})}
        cells = {folded(str(key)): cell for key, cell in value.items()}
        keys = [each for name in (*ID_KEYS, *_SLUGS) if is_id(each := _alone(cells.get(name)))]
        parent = next((each for name in PARENT_KEYS if is_id(each := _alone(cells.get(name)))), "")
        is_image = _are_alike(kind.casefold().rpartition("_")[2], "images")
        said = ("url", "src", "href") if is_image else NAME_KEYS
        name = next((text for each in said if (text := _in_english(cells.get(each)))), "")
        for key in keys:
            self.add(kind, str(key), name, str(parent))
        for inner, cell in value.items() if depth < _MAX_DEPTH else ():
            is_part = inner in _PARTS or _are_alike(_whole(folded(str(inner))), folded(kind))
            for each in cell if is_part and isinstance(cell, list) and keys else ():
                self.add_object(kind, {"parent": keys[0], **each} if isinstance(each, dict) else None, depth + 1)


def gathered(events: Iterable[tuple[str, str, object]], prefix: str) -> NamedObjects:
    """What the lists beside that of the products at ``prefix`` name, also as objects under their keys; and of a list of
    several kinds, those that are no products. ``events`` are a document's, as ijson reads them with their prefixes."""
    found = NamedObjects()
    container = prefix.removesuffix(".item")
    within, start = f"{container}.", container.rpartition(".")[0]
    start = f"{start}." if start else ""
    builder, place, is_mixed = None, "", prefix.rpartition(".")[2] == "item"
    with suppress(ijson.JSONError, RecursionError, OverflowError):  # reported where the products end
        for at, event, value in events:
            if builder is None:
                if (at != prefix and at.startswith(within)) or event not in ("start_map", "string"):
                    continue
                kind, _, key = at.removeprefix(start).partition(".")
                is_beside = bool(key) and "." not in key and at.startswith(start)
                if event == "string" or not (is_mixed if at == prefix else is_beside):
                    if is_beside and at != prefix and key != "item":
                        found.add(kind, key, str(value))
                    continue
                builder, place = ijson.ObjectBuilder(), at
            builder.event(event, value)
            if event != "end_map" or at != place:
                continue
            if at != prefix:
                found.add_object(kind, builder.value if key == "item" else {"key": key, **builder.value})
            elif not (is_mixed := bool(kind_of(builder.value))) and prefix == "item":
                break
            elif kind_of(builder.value) not in ("", "item"):
                found.add_object("", builder.value)
            builder = None
    return found


def kind_of(value: object) -> str:
    """The kind of an object in a list of several, as ``image`` of ``{"type": "IMAGE", "image_data": ...}``; empty for
    any other object."""
    if not isinstance(value, dict) or not isinstance(kind := value.get("type"), str):
        return ""
    return kind.lower() if f"{kind.lower()}_data" in value else ""


@cache
def _is_field(name: str) -> bool:
    return any(name in name_table("names")[field] for field in _FIELDS)


def is_id(value: object) -> bool:
    """Whether a value may be an id: a text or a whole number."""
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def _alone(value: object) -> object:
    """What an object of one key holds, as MongoDB writes ids; of one with an id, that."""
    if not isinstance(value, Mapping):
        return value
    return next(iter(value.values())) if len(value) == 1 else value.get("id")


def _in_english(value: object) -> str:
    """A text, or that of several languages which is in English, or else the first."""
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("en", *value) if isinstance(value.get(key), str)), "")
    return value if isinstance(value, str) else ""


def _whole(name: str) -> str:
    """What a name is a part of: ``category`` of ``subcategory``."""
    return name.removeprefix("sub").lstrip("_")


def _are_alike(one: str, other: str) -> bool:
    """Whether two names are of one thing, one of them in the plural: ``category`` and ``categories``."""
    if abs(len(one) - len(other)) > 3:
        return False
    n_alike = max(_MIN_ALIKE, min(len(one), len(other)) - 2)
    return one == other or (min(len(one), len(other)) >= _MIN_ALIKE and one[:n_alike] == other[:n_alike])
