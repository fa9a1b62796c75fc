"""The tally of an audit: what was found so far, and what could not be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from search.reranking.auditing.audit import Audited, Contradiction, Outcome


class Tally:
    """Counts items by what became of them, and by field how many were ``checked``; names those that were to be looked
    at and could not be."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self.checked: Counter[str] = Counter()
        self.outcomes: Counter[Outcome] = Counter()
        self.skus: dict[Outcome, list[str]] = {Outcome.UNREADABLE: [], Outcome.FAILED: []}
        self._found: list[Contradiction] = []

    def add(self, audited: Audited) -> None:
        """One more item."""
        self.outcomes[audited.outcome] += 1
        self.checked.update(audited.checked)
        if audited.outcome in self.skus:
            self.skus[audited.outcome].append(audited.sku)
        self._found += audited.contradictions

    @property
    def n_items(self) -> int:
        """Those looked at and the others."""
        return self.outcomes.total()

    def contradictions(self, field: str | None = None) -> list[Contradiction]:
        """All, or those in one field, the surest first."""
        found = [each for each in self._found if field in (None, each.field)]
        return sorted(found, key=lambda each: (-each.sureness, each.sku, each.field))
