"""Queries made from a catalog's own fields: a value asks for its items, or an item's image for similar items.

The first is the protocol of the published KAGL figures (marqo-FashionCLIP, LEADERBOARD.md): "Navy Blue" is a query, and
every item of that colour is relevant.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from string import Formatter

from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.metrics import Grades
from vitrina.search.types.errors import QueryError
from vitrina.search.types.item import AttributeValue, Item, Scalar
from vitrina.search.types.query import MAX_TEXT_CHARS

NAMING = frozenset({"sku", "title", "description"})
"""Fields that name one item: their values make queries however few items share one."""


@dataclass(frozen=True, slots=True)
class QueryTemplate:
    """A field's name (``colour``), or words around fields: ``{colour} {article} for {gender}``."""

    name: str

    def __post_init__(self) -> None:
        try:
            fields = self.fields
        except ValueError as error:
            raise self._malformed(str(error)) from error
        if not all(fields):
            raise self._malformed("a field has no name")

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that an item must have."""
        return tuple(field for _, field in self._parts() if field is not None)

    def values(self, item: Item) -> Iterator[str]:
        """Each text that an item makes; several if a field has several values, none if one is empty."""
        pieces = [
            [literal] if field is None else [literal + value for value in values_of(item, field)]
            for literal, field in self._parts()
        ]
        return (" ".join("".join(parts).split())[:MAX_TEXT_CHARS] for parts in product(*pieces))

    def _parts(self) -> list[tuple[str, str | None]]:
        if "{" not in self.name:
            return [("", self.name)]
        return [(literal, field) for literal, field, _, _ in Formatter().parse(self.name)]

    def _malformed(self, reason: str) -> QueryError:
        return QueryError(
            f"The template {self.name!r:.200} cannot be read: {reason}.",
            remedy="Write a field's name, or as in: '{colour} {article} for {gender}'",
        )


def label_queries(items: Iterable[Item], templates: Sequence[QueryTemplate], min_rows: int) -> list[JudgedQuery]:
    """A query for each value of each template that at least ``min_rows`` items have, in the items' order.

    Values compare without regard to case and are searched as first spelt. A title, description or sku names its own
    item, so with one of those ``min_rows`` is 1. Raises QueryError for an unknown field, or a template without a query.
    """
    return [
        JudgedQuery(f"{template.name}: {value.text}", template.name, value.grades, text=value.text)
        for template, values in _grouped(items, templates)
        for value in _common(template, values, 1 if NAMING & set(template.fields) else min_rows)
    ]


def similar_item_queries(items: Iterable[Item], templates: Sequence[QueryTemplate], min_rows: int) -> list[JudgedQuery]:
    """A query by each item's image: the other items that share a value with it are relevant.

    Values that fewer than ``min_rows`` items have make no query; a value of one item alone never does. ``items`` are
    those that have an image. Raises QueryError as ``label_queries`` does.
    """
    queries: list[JudgedQuery] = []
    for template, values in _grouped(items, templates):
        by_sku: dict[str, list[LabelValue]] = defaultdict(list)
        for value in _common(template, values, max(min_rows, 2)):
            for sku in value.grades:
                by_sku[sku].append(value)
        kind = f"like {template.name}"
        queries += [JudgedQuery(f"{kind}: {sku}", kind, _any_of(shared), sku=sku) for sku, shared in by_sku.items()]
    return queries


@dataclass(frozen=True, slots=True)
class LabelValue:
    """A text that items make, as first spelt, with the skus of these items as grades."""

    text: str
    grades: dict[str, int]


def _grouped(
    items: Iterable[Item], templates: Sequence[QueryTemplate]
) -> Iterator[tuple[QueryTemplate, list[LabelValue]]]:
    groups: dict[QueryTemplate, dict[str, LabelValue]] = {template: {} for template in templates}
    known: set[str] = set()
    for item in items:
        known.update(fields_of(item))
        for template, values in groups.items():
            for text in template.values(item):
                values.setdefault(text.casefold(), LabelValue(text, {})).grades[item.sku] = 1
    for template, values in groups.items():
        for field in template.fields:
            if field not in known:
                raise unknown_field(field, known)
        yield template, list(values.values())


def _any_of(values: Sequence[LabelValue]) -> Grades:
    """The items that have any of the values; a single value's own mapping is shared, as it may be large."""
    return values[0].grades if len(values) == 1 else {sku: 1 for value in values for sku in value.grades}


def _common(template: QueryTemplate, values: Sequence[LabelValue], min_rows: int) -> list[LabelValue]:
    common = [value for value in values if len(value.grades) >= min_rows]
    if not common:
        most = max((len(value.grades) for value in values), default=0)
        raise QueryError(
            f"No value of {template.name!r:.200} is shared by {min_rows} items; the commonest is by {most}.",
            remedy=f"Lower --min-rows to {most}, or choose another field." if most else "Choose another field.",
        )
    return common


def fields_of(item: Item) -> dict[str, AttributeValue]:
    """The fields to make queries from: an item's attributes, and its own fields that are not empty."""
    own: Mapping[str, AttributeValue | None] = {
        "sku": item.sku,
        "title": item.title,
        "description": item.description,
        "price_cents": item.price_cents,
        "currency": item.currency,
    }
    return {**item.attributes, **{field: value for field, value in own.items() if value not in (None, "")}}


def values_of(item: Item, field: str) -> list[str]:
    """A field's values as texts; none if the item lacks it."""
    value = fields_of(item).get(field, ())
    return [text for each in (value if isinstance(value, tuple) else (value,)) if (text := as_text(each))]


def as_text(value: Scalar) -> str:
    """A value as a shopper would type it: 2016 for 2016.0."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def unknown_field(field: str, known: set[str]) -> QueryError:
    close = difflib.get_close_matches(field, known, n=3, cutoff=0.5)
    names = ", ".join(close or sorted(known)[:20])
    return QueryError(
        f"No item has a field {field!r:.200}.",
        remedy=f"{'Similar' if close else 'Known'}: {names}." if known else "Index a catalog first.",
        details={"fields": sorted(known)},
    )
