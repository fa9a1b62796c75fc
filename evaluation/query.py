"""A judged query: what is asked, and which items would be right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evaluation.metrics import Grades, n_relevant
from search.errors import InputError


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query by ``text``, by the picture ``image``, by both, or by the photo of the item ``sku``.

    ``id`` names the query in every run it is part of; ``kind`` names the set it is averaged with. ``judged`` may be
    shared between queries. An item that asks never counts as found: ``grades`` leaves it out.
    """

    id: str
    kind: str
    judged: Grades
    text: str = ""
    image: Path | None = None
    sku: str = ""

    @property
    def grades(self) -> Grades:
        """The judged items that can be found."""
        if self.sku not in self.judged:
            return self.judged
        return {sku: grade for sku, grade in self.judged.items() if sku != self.sku}


def sample(queries: Sequence[JudgedQuery], n_queries: int, seed: int) -> list[JudgedQuery]:
    """At most ``n_queries`` of each kind, drawn without regard to their order in the file, in their order."""
    rng = np.random.default_rng(seed)
    kept: list[JudgedQuery] = []
    for of_kind in by_kind(queries).values():
        chosen = rng.choice(len(of_kind), min(n_queries, len(of_kind)), replace=False)
        kept += [of_kind[at] for at in sorted(chosen)]
    return kept


def by_kind(queries: Sequence[JudgedQuery]) -> dict[str, list[JudgedQuery]]:
    """The queries of each kind, in their order."""
    kinds: dict[str, list[JudgedQuery]] = defaultdict(list)
    for query in queries:
        kinds[query.kind].append(query)
    return kinds


def held(queries: Sequence[JudgedQuery], catalog_skus: Collection[str]) -> tuple[list[JudgedQuery], list[str]]:
    """What can be measured on a catalog that holds these skus, and a sentence on each thing left out.

    Skus that the catalog lacks are taken out of the judgements: what is measured is the search, not the stock. Queries
    that nothing in the catalog answers are left out. Raises InputError where no query is left.
    """
    wanted = judged_skus(queries)
    missing = sorted(wanted - set(catalog_skus))
    found = list(_within(queries, frozenset(catalog_skus)) if missing else queries)
    answerable = [query for query in found if n_relevant(query.grades)]
    if not answerable:
        raise _nothing_to_measure(len(wanted), missing)
    notes = []
    if missing:
        notes.append(
            f"{len(missing):,} of {len(wanted):,} judged skus are not in the catalog and were left out: "
            f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}."
        )
    if len(answerable) < len(queries):
        notes.append(
            f"{len(queries) - len(answerable):,} of {len(queries):,} queries have no relevant item in the catalog and "
            "were left out."
        )
    return answerable, notes


def judged_skus(queries: Sequence[JudgedQuery]) -> set[str]:
    """Every sku that some query judges."""
    shared: Mapping[int, Grades] = {id(query.judged): query.judged for query in queries}
    return set().union(*shared.values())


def _within(queries: Sequence[JudgedQuery], skus: frozenset[str]) -> Iterator[JudgedQuery]:
    shared: dict[int, Grades] = {}
    for query in queries:
        key = id(query.judged)
        if key not in shared:
            shared[key] = {sku: grade for sku, grade in query.judged.items() if sku in skus}
        yield replace(query, judged=shared[key])


def _nothing_to_measure(n_judged: int, missing: Sequence[str]) -> InputError:
    if n_judged and len(missing) == n_judged:
        return InputError(
            f"None of the {n_judged:,} judged skus is in the catalog, such as {missing[0]!r:.200}.",
            remedy="Check that --home is the catalog the judgements were made for, and that skus are spelt alike.",
        )
    return InputError(
        "No query has a relevant item in the catalog.",
        remedy="Judge at least one sku of each query with a grade of 1 or more.",
    )
