"""The tally of an audit: what was found so far, and what could not be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from search.reranking.auditing.audit import Audited, Contradiction, Outcome

MAX_NAMED = 20
"""Items that a sentence names; of more it says how many."""

SAID: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.NO_PICTURE: "without a picture",
        Outcome.NO_VALUE: "without a value in these fields",
        Outcome.UNREADABLE: "with a picture that cannot be read",
        Outcome.FAILED: "about which the reranker gave no answer",
    }
)
NAMED = (Outcome.UNREADABLE, Outcome.FAILED)
"""Items that were to be looked at and could not be."""


class Tally:
    """Counts items by what became of them, and by field how many were ``checked``; keeps what was found."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self.checked: Counter[str] = Counter()
        self.outcomes: Counter[Outcome] = Counter()
        self._skus: dict[Outcome, list[str]] = {outcome: [] for outcome in NAMED}
        self._found: list[Contradiction] = []

    def add(self, audited: Audited) -> None:
        """One more item."""
        self.outcomes[audited.outcome] += 1
        self.checked.update(audited.checked)
        self._found += audited.contradictions
        if audited.outcome in self._skus:
            self._skus[audited.outcome].append(audited.sku)

    @property
    def n_items(self) -> int:
        """Those looked at and the others."""
        return self.outcomes.total()

    def contradictions(self, field: str | None = None) -> list[Contradiction]:
        """All, or those in one field, the surest first."""
        found = [each for each in self._found if field in (None, each.field)]
        return sorted(found, key=lambda each: (-each.sureness, each.sku, each.field))

    def sentences(self) -> list[str]:
        """For people: how many items were looked at, and how many were not and why, with the names of those that could
        not be."""
        looked = f"{self.outcomes[Outcome.LOOKED]:,} of {self.n_items:,} items were looked at."
        return [looked, *(self._not_looked(outcome) for outcome in SAID if self.outcomes[outcome])]

    def _not_looked(self, outcome: Outcome) -> str:
        n, skus = self.outcomes[outcome], self._skus.get(outcome, [])
        more = f" and {n - MAX_NAMED:,} more" if len(skus) > MAX_NAMED else ""
        names = f": {', '.join(skus[:MAX_NAMED])}{more}" if skus else ""
        return f"{n:,} {'item' if n == 1 else 'items'} {SAID[outcome]}{names}."
