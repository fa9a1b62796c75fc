"""A survey: every requirement of a query held against its candidates, their listings and their pictures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from search.answer import Hit, RerankState
from search.filters import facet_value
from search.requirements.requirement import Requirement
from search.requirements.vocabulary import Vocabulary
from search.reranking.base import Deadline, Probabilities
from search.reranking.blend import MAX_IMAGE_LOG_ODDS
from search.reranking.judging.asking import Asked
from search.reranking.judging.claims import Claims, claim, values_to_try
from search.reranking.judging.listing import NOTHING, Listed, Listing
from search.reranking.judging.looking import Looker
from search.reranking.judging.pictures import key_of
from search.reranking.judging.weighing import compared, conflict, verdict_of
from search.reranking.order import Scores
from search.reranking.verdict import Verdict
from search.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of n hits: their verdicts, what became of each at the hands of the reranker, their ``totals`` to be
    ranked by, shape (n,), and in words to people why not all was done.

    ``conflicts`` are item ids and positions of requirements of which listing and picture say different things.
    """

    verdicts: tuple[tuple[Verdict, ...], ...]
    states: tuple[RerankState, ...]
    totals: Scores
    conflicts: frozenset[tuple[int, int]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """Holds one query's requirements against its hits. With ``listings`` false only pictures count."""

    requirements: tuple[Requirement, ...]
    claims: Claims
    vocabulary: Vocabulary
    looker: Looker
    watch: Stopwatch
    listings: bool = True

    def of(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> Findings:
        """Look at the first ``top`` hits that have a picture, and up all of them in the catalog. Raises nothing of the
        reranker's; blocks until the deadline at most, and some milliseconds for the catalog's part."""
        with self.watch.stage("judge"):
            looked = self._look(hits, top, deadline)
        with self.watch.stage("verdicts"):
            listed = [self._listed(Listing(hit.stored.item)) for hit in hits]
            seen = [self._seen(row) for row in looked.probabilities]
            verdicts = [self._verdicts(*row) for row in zip(listed, seen, strict=True)]
            conflicts = frozenset(
                (hit.stored.id, at)
                for hit, *evidence in zip(hits, listed, seen, strict=True)
                for at, said in enumerate(zip(*evidence, strict=True))
                if not self.requirements[at].is_free and conflict(*said)
            )
            totals = self._totals(hits, looked.probabilities, verdicts, listed, seen)
        return Findings(tuple(verdicts), looked.states, totals, conflicts, looked.note)

    def told_apart(
        self, hits: Sequence[Hit], conflicts: Collection[tuple[int, int]], deadline: Deadline
    ) -> tuple[Hit, ...]:
        """The hits, where listing and picture are in conflict with what the picture looks like instead, of the values
        of the requirement's field. Costs a second look at those hits; what is not done by the deadline stays untold.
        """
        with self.watch.stage("compare"):
            tried = {
                (hit.stored.id, at): self._values_to_try(hit, self.requirements[at], hits)
                for hit in hits
                for at in range(len(self.requirements))
                if (hit.stored.id, at) in conflicts
            }
            if not tried:
                return tuple(hits)
            doubtful = [hit for hit in hits if any(item_id == hit.stored.id for item_id, _ in tried)]
            claims = list(dict.fromkeys(claim(value) for values in tried.values() for value in values))
            answered = self.looker.ask([hit.stored for hit in doubtful], claims, deadline)
            told = {
                hit.stored.id: self._compared(hit, tried, dict(zip(claims, row, strict=True)))
                for hit, row in zip(doubtful, answered.probabilities.tolist(), strict=True)
            }
            return tuple(told.get(hit.stored.id, hit) for hit in hits)

    def _look(self, hits: Sequence[Hit], top: int, deadline: Deadline) -> Asked:
        claims = self.claims.asked
        yes = np.full((len(hits), len(claims)), np.nan, np.float32)
        states = [RerankState.NOT_ASKED] * len(hits)
        shown = {row: hit for row, hit in enumerate(hits[:top]) if key_of(hit.stored) is not None}
        if not shown or not claims:
            note = "None of these hits is to be looked at." if claims else "The query asks for nothing that shows."
            return Asked(yes, tuple(states), note)
        answered = self.looker.ask([hit.stored for hit in shown.values()], claims, deadline)
        for row, answers, state in zip(shown, answered.probabilities, answered.states, strict=True):
            yes[row], states[row] = answers, state
        return Asked(yes, tuple(states), answered.note)

    def _listed(self, listing: Listing) -> list[Listed]:
        """What the catalog says of each requirement."""
        return [listing.on(requirement) if self.listings else NOTHING for requirement in self.requirements]

    def _seen(self, yes: Probabilities) -> list[float | None]:
        """What the picture says of each requirement, in log-odds, from one hit's answers, shape (n claims,)."""
        columns = {asked: column for column, asked in enumerate(self.claims.asked)}
        log_odds = self.looker.blend.image_log_odds(yes)
        of_claims = (self.claims.of.get(requirement) for requirement in self.requirements)
        found = [np.nan if asked is None else float(log_odds[columns[asked]]) for asked in of_claims]
        return [None if np.isnan(each) else each for each in found]

    def _verdicts(self, listed: Sequence[Listed], seen: Sequence[float | None]) -> tuple[Verdict, ...]:
        return tuple(verdict_of(*each) for each in zip(self.requirements, listed, seen, strict=True))

    def _compared(self, hit: Hit, tried: Mapping[tuple[int, int], Sequence[str]], yes: Mapping[str, float]) -> Hit:
        """The hit with its doubtful verdicts told apart; P(yes) by claim, NaN where there was no answer."""
        listing, verdicts = Listing(hit.stored.item), list(hit.verdicts)
        for at, requirement in enumerate(self.requirements):
            values = tried.get((hit.stored.id, at))
            if values is None:
                continue
            shown = self.looker.shown(values, yes)
            verdicts[at] = compared(verdicts[at], named_values(listing, requirement), shown)
        return replace(hit, verdicts=tuple(verdicts))

    def _values_to_try(self, hit: Hit, requirement: Requirement, hits: Sequence[Hit]) -> list[str]:
        field = requirement.field
        others = [value for other in hits for value in Listing(other.stored.item).values(field)]
        own = Listing(hit.stored.item).values(field)
        return values_to_try(own, requirement, others, self.vocabulary.fields.get(field, ()))

    def _totals(
        self,
        hits: Sequence[Hit],
        yes: Probabilities,
        verdicts: Sequence[Sequence[Verdict]],
        listed: Sequence[Sequence[Listed]],
        seen: Sequence[Sequence[float | None]],
    ) -> Scores:
        asked = self.claims.asked
        whole = yes[:, asked.index(self.claims.whole)] if self.claims.whole else np.full(len(hits), np.nan)
        met = np.array([[verdict.probability for verdict in row] for row in verdicts], np.float64)
        scores = np.array([hit.score for hit in hits], np.float64)
        shares = [share_listed(self.requirements, *evidence) for evidence in zip(listed, seen, strict=True)]
        left_open, answered = np.array(shares, np.float64).reshape(len(hits), 2).T
        met = met.reshape(len(hits), len(self.requirements))
        is_free = np.array([each.is_free for each in self.requirements], np.bool_)
        blend = self.looker.blend
        return blend.totals(blend.evidence(scores, whole, met, is_free, left_open, answered))


def share_listed(
    requirements: Sequence[Requirement], listed: Sequence[Listed], seen: Sequence[float | None]
) -> tuple[float, float]:
    """How much of a query a listing leaves open, 0 to 1: what it says nothing of, and what the picture contradicts. And
    what it says of the rest, in log-odds, each requirement having its share, and no more of them than a look may."""
    if not requirements:
        return 1.0, 0.0
    answers = [
        float(np.clip(said.log_odds if requirement.wanted else -said.log_odds, -MAX_IMAGE_LOG_ODDS, MAX_IMAGE_LOG_ODDS))
        for requirement, said, look in zip(requirements, listed, seen, strict=True)
        if said.log_odds and not conflict(said, look)
    ]
    return 1 - len(answers) / len(requirements), sum(answers) / len(requirements)


def named_values(listing: Listing, requirement: Requirement) -> tuple[str, ...]:
    """The values that a listing names, in the requirement's field or, where that is missing, in its texts; folded."""
    mentioned = requirement.values if listing.on(requirement).log_odds > 0 else ()
    return listing.values(requirement.field) or tuple(map(facet_value, mentioned))
