"""Captions by templates over a catalog's own fields, such as ``{colour} {article} for {gender}``."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch

from vitrina.evaluation.label_queries import QueryTemplate, fields_of, unknown_field
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import AttributeValue, Item
from vitrina.tuning.rows import TuningRow

ROLES: Mapping[str, tuple[str, ...]] = {
    "kind": ("article", "article_type", "articletype", "product_type", "type", "kind", "subcategory", "category"),
    "colour": ("colour", "color", "base_colour", "basecolour", "base_color"),
    "material": ("material", "fabric"),
    "pattern": ("pattern",),
    "brand": ("brand", "manufacturer"),
    "gender": ("gender", "sex"),
    "usage": ("usage", "occasion"),
    "season": ("season",),
}
"""What shops call the fields that phrases are made of, the first that the catalog has."""

PHRASES = (
    "{colour} {kind}",
    "{kind} for {gender}",
    "{colour} {kind} for {gender}",
    "{pattern} {kind}",
    "{material} {kind}",
    "{brand} {kind}",
    "{usage} {kind}",
    "{season} {kind}",
    "{colour} {material} {kind}",
)
"""How shoppers join them."""

MAX_VALUE_CHARS = 40
MIN_SHARED = 2.0
"""A field whose values are this long at most, and this many rows each on average at least, is one that shoppers name;
others are serial numbers or prose."""

CAPTIONS_A_ROW = 3
"""Captions drawn for each row of a batch, each by another template."""

MAX_OF_A_TEMPLATE = 8
"""Captions of one row by one template at most, where fields have several values."""

_NONE = -1


@dataclass(frozen=True, slots=True)
class BatchCaptions:
    """The captions of n products: m distinct texts, and which of them are true of which product; bool, shape (n, m)."""

    texts: list[str]
    matches: torch.Tensor


class CaptionWriter(Protocol):
    """Writes captions for products, which are named by their positions."""

    def write(self, indices: torch.Tensor, rng: random.Random) -> BatchCaptions:
        """Caption the products at ``indices``, int64, shape (n,). All randomness comes from ``rng``."""


class CaptionTable:
    """Every caption of some rows, by template, and which rows it is true of.

    A caption is true of each row that it fits, whichever it was written for: of two identical black T-shirts,
    neither is a wrong answer to "black T-shirt". Texts that differ in case alone are one.
    """

    def __init__(self, rows: Sequence[TuningRow], templates: Sequence[QueryTemplate]) -> None:
        self.texts: list[str] = []
        self.kinds: list[str] = []
        ids: dict[str, int] = {}
        self.by_template: list[list[list[int]]] = []
        for row in rows:
            written = [(template, captions(template, row.item)) for template in templates]
            for template, texts in written:
                for text in texts:
                    if ids.setdefault(text.casefold(), len(self.texts)) == len(self.texts):
                        self.texts.append(text)
                        self.kinds.append(template.name)
            self.by_template.append([[ids[text.casefold()] for text in texts] for _, texts in written if texts])
        self.of_row = [sorted({at for group in groups for at in group}) for groups in self.by_template]
        width = max(map(len, self.of_row), default=0)
        padded = [true + [_NONE] * (width - len(true)) for true in self.of_row]
        self._true = torch.tensor(padded, dtype=torch.int32).reshape(len(rows), width)

    def matches(self, indices: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
        """The truth of captions, named by their places in ``texts``, for rows; bool, shape (len(indices), len(ids))."""
        return (self._true[indices][:, :, None] == torch.tensor(ids, dtype=torch.int32)).any(dim=1)

    def rows_by_text(self) -> dict[int, list[int]]:
        """The rows that each caption is true of, by its place in ``texts``."""
        rows: dict[int, list[int]] = defaultdict(list)
        for at, true in enumerate(self.of_row):
            for caption in true:
                rows[caption].append(at)
        return rows


class TemplateWriter:
    """Draws captions for the rows of a batch, each by another template."""

    def __init__(self, table: CaptionTable, captions_a_row: int = CAPTIONS_A_ROW) -> None:
        self._table = table
        self._captions_a_row = captions_a_row

    def write(self, indices: torch.Tensor, rng: random.Random) -> BatchCaptions:
        """Caption the rows at ``indices``; a text that fits several of them comes once."""
        drawn = list(dict.fromkeys(at for index in indices.tolist() for at in self._draw(index, rng)))
        return BatchCaptions([self._table.texts[at] for at in drawn], self._table.matches(indices, drawn))

    def _draw(self, index: int, rng: random.Random) -> list[int]:
        groups = self._table.by_template[index]
        return [rng.choice(group) for group in rng.sample(groups, min(self._captions_a_row, len(groups)))]


def captions(template: QueryTemplate, item: Item) -> list[str]:
    """The captions that a template makes of an item; none where the item lacks one of its fields."""
    return list(islice((text for text in template.values(item) if text), MAX_OF_A_TEMPLATE))


def templates_for(rows: Sequence[TuningRow], asked: Sequence[str]) -> list[QueryTemplate]:
    """The templates asked for, or those that the catalog's fields suggest.

    Raises QueryError for a malformed template or a field that no row has, InputError where there is nothing to suggest.
    """
    known = {field for row in rows for field in fields_of(row.item)}
    if asked:
        templates = [QueryTemplate(name) for name in dict.fromkeys(asked)]
        for field in (field for template in templates for field in template.fields):
            if field not in known:
                raise unknown_field(field, known)
        return templates
    facets = facets_of([row.item for row in rows])
    own = [field for field in ("title", "description") if field in known]
    if not (facets or own):
        raise InputError(
            "The rows have no words to make captions of: no title, no description, and no attribute that rows share.",
            remedy="Index the catalog with its texts, or say what to make captions of: --caption '{field}'.",
        )
    return [QueryTemplate(name) for name in (*facets, *phrases(facets), *own)]


def facets_of(items: Sequence[Item]) -> list[str]:
    """The attributes whose values are words that rows share, in the catalog's order."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        for field, value in item.attributes.items():
            values[field].update(words(value))
    return [field for field, counts in values.items() if is_facet(counts)]


def words(value: AttributeValue) -> Iterator[str]:
    """The texts among a value; numbers and flags say nothing by themselves."""
    return (each.casefold() for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, str))


def is_facet(counts: Counter[str]) -> bool:
    if not counts or counts.total() < MIN_SHARED * len(counts):
        return False
    return sum(len(value) * n for value, n in counts.items()) / counts.total() <= MAX_VALUE_CHARS


def phrases(facets: Sequence[str]) -> list[str]:
    """The phrases whose fields the catalog has, with its own names for them."""
    named = {role: field for role in ROLES if (field := field_of(role, facets)) is not None}
    return [
        phrase.format_map({role: f"{{{field}}}" for role, field in named.items()})
        for phrase in PHRASES
        if all(field in named for field in QueryTemplate(phrase).fields)
    ]


def field_of(role: str, facets: Sequence[str]) -> str | None:
    """The catalog's name for what a phrase calls ``role``."""
    spelt = {field.casefold().replace(" ", "_").replace("-", "_"): field for field in reversed(facets)}
    return next((spelt[name] for name in ROLES[role] if name in spelt), None)
