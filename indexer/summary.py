"""What a run read from its source and what it left out, by reason."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vitrina.indexer.sources.base import Record, Rejection
from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.measures import Measure, measured
from vitrina.search.types.item import Item

MAX_REASONS = 200
"""Reasons told apart in one run; a source of more, such as a plug-in's own, has the rest counted together."""

N_EXAMPLES = 3

_PARTICULARS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S*[/\\]\S*|\d[\d,.]*""")


N_SAMPLED = 100
"""Records whose attributes are looked through for a column that was not recognised."""

_IMAGE = re.compile(r"\.(?:jpe?g|jfif|png|gif|webp|avif|heic|bmp|tiff?)(?:\?.*)?$", re.IGNORECASE)
_AMOUNT = re.compile(r"[1-9][\d.,' ]*[.,]\d{1,2}|[$€£₹¥] ?\d[\d.,]*|\d[\d.,]* ?(?:[$€£₹¥]|[A-Z]{3})")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows, or cells of one column, left out for one reason: how many, and the first one with what to do about it.

    ``column`` is None for whole rows.
    """

    column: str | None
    n: int
    origin: str
    reason: str
    remedy: str


def _names_unit(key: str) -> bool:
    """Whether a field is named for a unit of measure, as weight_kg is."""
    return any(isinstance(part, Measure) for part in measured(analyse(f"1 {key.rpartition('_')[2]}")))


def _share_like(field: str, values: Sequence[str]) -> float:
    """The share of values that are like a field's: images' addresses, amounts with a currency or decimals, or phrases
    of some words, each its own."""
    if field == "image":
        return sum(_IMAGE.search(value) is not None for value in values) / len(values)
    if field == "price":
        return sum(_AMOUNT.fullmatch(value) is not None for value in values) / len(values)
    phrases = {value for value in values if 1 < len(value.split()) <= 25 and not _IMAGE.search(value)}
    return len(phrases) / len(values)


class SourceSummary:
    """Counts a source's rows as they pass; its memory does not grow with the source.

    One thread may ``add`` while another counts what it rejects. ``n_rows`` counts the source's own rows, of which a
    record may hold several; ``n_images`` the images that records name, whether they can be used or not;
    ``n_repeated_rows`` those that say the same as an earlier one.
    """

    def __init__(self) -> None:
        self.n_rows = 0
        self.n_titles = 0
        self.n_variants = 0
        self.n_prices = 0
        self.n_images = 0
        self.n_rejected_rows = 0
        self.n_repeated_rows = 0
        self.attributes: set[str] = set()
        self.examples: list[Record] = []
        self._values: dict[str, list[str]] = {}
        self._n_sampled = 0
        self._lock = threading.Lock()
        self._left_out: dict[tuple[str | None, str], LeftOut] = {}

    def add(self, record: Record) -> None:
        """Count what a record holds, and the cells that it is indexed without."""
        item = record.item
        self.n_titles += bool(item.title)
        self.n_variants += len(item.variants)
        self.n_prices += item.price_cents is not None
        self.n_images += len(record.images)
        self.attributes.update(item.attributes)
        if len(self.examples) < N_EXAMPLES:
            self.examples.append(record)
        if self._n_sampled < N_SAMPLED:
            self._sample(item)
        for problem in record.problems:
            self._count(problem.column, record.origin, problem.reason, problem.remedy, 1)

    def reject(self, rejections: Iterable[Rejection]) -> None:
        """Count rejected rows."""
        for rejection in rejections:
            self.n_rejected_rows += rejection.n_rows
            self._count(None, rejection.origin, rejection.reason, rejection.remedy, rejection.n_rows)

    def fail(self, failures: Iterable[Rejection]) -> None:
        """Count images that could not be used."""
        for failure in failures:
            self._count("image", failure.origin, failure.reason, failure.remedy, 1)

    def likely_attribute(self, field: str) -> str | None:
        """The attribute whose first values read most like a title, an image or a price; None if none do."""
        shares = {
            key: _share_like(field, values)
            for key, values in self._values.items()
            if len(values) > 1 and not (field == "price" and _names_unit(key))
        }
        best = max(shares, key=lambda key: shares[key], default=None)
        return best if best is not None and shares[best] >= 0.8 else None

    def _sample(self, item: Item) -> None:
        self._n_sampled += 1
        for key, value in item.attributes.items():
            first = value[0] if isinstance(value, tuple) and value else value
            self._values.setdefault(key, []).append(str(first))

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """What was left out, rows first, the most frequent reason first."""
        with self._lock:
            found = list(self._left_out.values())
        return sorted(found, key=lambda each: (each.column is not None, -each.n))

    def _count(self, column: str | None, origin: str, reason: str, remedy: str, n: int) -> None:
        key = (column, _PARTICULARS.sub("", reason))
        with self._lock:
            if key not in self._left_out and len(self._left_out) >= MAX_REASONS:
                key = (column, "")
            first = self._left_out.get(key) or LeftOut(column, 0, origin, reason, remedy)
            self._left_out[key] = replace(first, n=first.n + n)
