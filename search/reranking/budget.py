"""The budget of a query: how much looking it pays for."""

from __future__ import annotations

from dataclasses import dataclass

from search.errors import QueryError

MAX_TOP = 100
"""Beyond the tenth page of ten nobody looks, and the time grows with every candidate."""

MAX_DEADLINE_MS = 30_000
MAX_EXPLAIN = 20
MAX_EXPLAIN_MS = 60_000

UNHURRIED_S = 600.0
"""For one query that nobody waits for: large models on a CPU take minutes for 20 candidates."""


@dataclass(frozen=True, slots=True)
class Rerank:
    """The best ``top`` candidates of retrieval are looked at within ``deadline_ms``, and may change places with each
    other; the first ``explain`` hits of the page are explained, all of them within ``explain_ms`` more.

    With ``listings`` false what the catalog says of an item is no evidence: how the model does by itself is measured
    so. One that is ``unhurried``, for measuring, has ``UNHURRIED_S`` in place of its deadline. Raises QueryError past a
    limit. A query that is not to be reranked goes without one of these.
    """

    top: int = 20
    deadline_ms: int = 800
    explain: int = 5
    explain_ms: int = 3_000
    listings: bool = True
    unhurried: bool = False

    def __post_init__(self) -> None:
        limits = {
            "top": (1, MAX_TOP),
            "deadline_ms": (1, MAX_DEADLINE_MS),
            "explain": (0, MAX_EXPLAIN),
            "explain_ms": (1, MAX_EXPLAIN_MS),
        }
        for name, (least, most) in limits.items():
            asked = getattr(self, name)
            if isinstance(asked, bool) or not isinstance(asked, int) or not least <= asked <= most:
                raise QueryError(
                    f"The reranking's {name} is {asked!r:.60}.",
                    remedy=f"Give a whole number from {least:,} to {most:,}, or leave it out.",
                    details={"name": name, "least": least, "most": most},
                )

    @property
    def deadline_s(self) -> float:
        """How long looking may take."""
        return UNHURRIED_S if self.unhurried else self.deadline_ms / 1000
