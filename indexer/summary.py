"""What a run read from its source and what it left out, by reason."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vitrina.indexer.sources.base import Record, Rejection

MAX_REASONS = 200
"""Reasons told apart in one run; a source of more, such as a plug-in's own, has the rest counted together."""

N_EXAMPLES = 3

_PARTICULARS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S*[/\\]\S*|\d[\d,.]*""")


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


class SourceSummary:
    """Counts a source's rows as they pass; its memory does not grow with the source.

    One thread may ``add`` while another counts what it rejects. ``n_rows`` counts the source's own rows, of which a
    record may hold several; ``n_images`` the images that records name, whether they can be used or not.
    """

    def __init__(self) -> None:
        self.n_rows = 0
        self.n_titles = 0
        self.n_prices = 0
        self.n_images = 0
        self.n_rejected_rows = 0
        self.attributes: set[str] = set()
        self.examples: list[Record] = []
        self._lock = threading.Lock()
        self._left_out: dict[tuple[str | None, str], LeftOut] = {}

    def add(self, record: Record) -> None:
        """Count what a record holds, and the cells that it is indexed without."""
        item = record.item
        self.n_titles += bool(item.title)
        self.n_prices += item.price_cents is not None
        self.n_images += len(record.images)
        self.attributes.update(item.attributes)
        if len(self.examples) < N_EXAMPLES:
            self.examples.append(record)
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
