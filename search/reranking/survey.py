"""A survey: every requirement of a query held against its candidates, their listings and their pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from search.answer import Hit, RerankState
from search.filters import facet_value
from search.requirements.requirement import Requirement
from search.requirements.vocabulary import Vocabulary
from search.reranking.asking import Asker
from search.reranking.base import Deadline, Probabilities
from search.reranking.blend import Blend
from search.reranking.claims import Claims, claim, values_to_try
from search.reranking.judging import compared, conflict, verdict_of
from search.reranking.listing import NOTHING, Listed, Listing
from search.reranking.odds import probability
from search.reranking.order import Scores
from search.reranking.pictures import Pictures, key_of
from search.reranking.verdict import Verdict
from search.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of n hits: their verdicts, what became of each at the hands of the reranker, their ``totals`` to be
    ranked by, shape (n,), and in words to people why not all was done."""

    verdicts: tuple[tuple[Verdict, ...], ...]
    states: tuple[RerankState, ...]
    totals: Scores
    note: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """P(yes) of n hits, shape (n, n claims), NaN where there is no answer; what became of each, and why not all was
    done."""

    yes: Probabilities
    states: tuple[RerankState, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """Holds one query's requirements against its hits. With ``listings`` false only pictures count."""

    requirements: tuple[Requirement, ...]
    claims: Claims
    vocabulary: Vocabulary
    asker: Asker
    blend: Blend
    pictures: Pictures
    watch: Stopwatch
    listings: bool = True

    def of(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> Findings:
        """Look at the first ``top`` hits that have a picture, and up all of them in the catalog. Raises nothing of the
        reranker's; blocks until the deadline at most, and some milliseconds for the catalog's part."""
        with self.watch.stage("judge"):
            looked = self._look(hits, top, deadline)
        with self.watch.stage("verdicts"):
            listings = [Listing(hit.stored.item) for hit in hits]
            listed = [[self._listed(listing, each) for each in self.requirements] for listing in listings]
            seen = [self._seen(row) for row in looked.yes]
            verdicts = [self._verdicts(*row) for row in zip(listed, seen, strict=True)]
        with self.watch.stage("compare"):
            self._compare(hits, listings, listed, seen, verdicts, deadline)
        return Findings(
            tuple(tuple(row) for row in verdicts), looked.states, self._totals(hits, looked.yes, verdicts), looked.note
        )

    def _look(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> Looked:
        claims = self.claims.asked
        yes = np.full((len(hits), len(claims)), np.nan, np.float32)
        states = [RerankState.NOT_ASKED] * len(hits)
        shown = {row: hit for row, hit in enumerate(hits[:top]) if key_of(hit.stored) is not None}
        if not shown or not claims:
            note = "None of these hits is to be looked at." if claims else "The query asks for nothing that shows."
            return Looked(yes, tuple(states), note)
        answered = self._ask(shown.values(), claims, deadline)
        for row, answers, state in zip(shown, answered.yes, answered.states, strict=True):
            yes[row], states[row] = answers, state
        return Looked(yes, tuple(states), answered.note)

    def _ask(self, hits: Iterable[Hit], claims: Sequence[str], deadline: Deadline) -> Looked:
        """Of hits that all have a picture."""
        stored = {str(key_of(hit.stored)): hit.stored for hit in hits}
        asked = self.asker.judge(
            [str(key_of(hit.stored)) for hit in hits], claims, lambda key: self.pictures.look(stored[key]), deadline
        )
        return Looked(asked.probabilities, asked.states, asked.note)

    def _listed(self, listing: Listing, requirement: Requirement) -> Listed:
        return listing.on(requirement) if self.listings else NOTHING

    def _seen(self, yes: Probabilities) -> list[float | None]:
        """What the picture says of each requirement, in log-odds, from one hit's answers, shape (n claims,)."""
        columns = {asked: column for column, asked in enumerate(self.claims.asked)}
        log_odds = self.blend.image_log_odds(yes)
        of_claims = (self.claims.of.get(requirement) for requirement in self.requirements)
        found = [np.nan if asked is None else float(log_odds[columns[asked]]) for asked in of_claims]
        return [None if np.isnan(each) else each for each in found]

    def _verdicts(self, listed: Sequence[Listed], seen: Sequence[float | None]) -> list[Verdict]:
        return [verdict_of(*each) for each in zip(self.requirements, listed, seen, strict=True)]

    def _compare(
        self,
        hits: Sequence[Hit],
        listings: Sequence[Listing],
        listed: Sequence[Sequence[Listed]],
        seen: Sequence[Sequence[float | None]],
        verdicts: list[list[Verdict]],
        deadline: Deadline,
    ) -> None:
        """Where listing and picture are against each other, try the field's values against the picture."""
        doubtful = [
            (row, at)
            for row in range(len(hits))
            for at, requirement in enumerate(self.requirements)
            if not requirement.is_free and conflict(listed[row][at], seen[row][at])
        ]
        if not doubtful:
            return
        tried = {(row, at): self._values(listings, row, self.requirements[at]) for row, at in doubtful}
        rows = sorted({row for row, _ in doubtful})
        claims = list(dict.fromkeys(claim(value) for values in tried.values() for value in values))
        answered = self._ask([hits[row] for row in rows], claims, deadline)
        shown = probability(self.blend.image_log_odds(answered.yes))
        for (row, at), values in tried.items():
            answers = dict(zip(claims, shown[rows.index(row)].tolist(), strict=True))
            looks = {value: p for value in values if not np.isnan(p := answers[claim(value)])}
            own = named_values(listings[row], self.requirements[at], listed[row][at])
            verdicts[row][at] = compared(verdicts[row][at], own, looks)

    def _values(self, listings: Sequence[Listing], row: int, requirement: Requirement) -> list[str]:
        field = requirement.field
        others = [value for listing in listings for value in listing.values(field)]
        return values_to_try(listings[row].values(field), requirement, others, self.vocabulary.fields.get(field, ()))

    def _totals(self, hits: Sequence[Hit], yes: Probabilities, verdicts: Sequence[Sequence[Verdict]]) -> Scores:
        asked = self.claims.asked
        whole = yes[:, asked.index(self.claims.whole)] if self.claims.whole else np.full(len(hits), np.nan)
        met = np.array([[verdict.probability for verdict in row] for row in verdicts], np.float64)
        scores = np.array([hit.score for hit in hits], np.float64)
        return self.blend.totals(scores, whole, met.reshape(len(hits), len(self.requirements)))


def named_values(listing: Listing, requirement: Requirement, listed: Listed) -> tuple[str, ...]:
    """The values that a listing names, in the requirement's field or, where that is missing, in its texts; folded."""
    mentioned = requirement.values if listed.log_odds > 0 else ()
    return listing.values(requirement.field) or tuple(map(facet_value, mentioned))
