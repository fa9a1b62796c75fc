"""An audit: every item's listing held against its picture, field by field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import numpy as np

from search.catalog.entry import StoredItem
from search.engine import SearchEngine
from search.filters import facet_value
from search.requirements.requirement import Requirement
from search.requirements.spelling import split
from search.requirements.vocabulary import Vocabulary, is_name
from search.reranking.auditing.answers import Answers
from search.reranking.auditing.suggesting import Suggestions
from search.reranking.judging.claims import claim, values_to_try
from search.reranking.judging.listing import Listed, Listing
from search.reranking.judging.odds import log_odds
from search.reranking.judging.pictures import key_of
from search.reranking.judging.weighing import compared, conflict, verdict_of
from search.reranking.stage import RerankStage

READ_AHEAD = 4096
"""Items that are put in order before they are looked at: some 10 MB, and enough for 143 articles to have 28 each."""

N_BATCH = 64
"""Items looked at together. A model in this process keeps their pictures' features from one field to the next: 400 MB
for one of 8 billion parameters, less than ``CACHE_BYTES``."""


class Outcome(StrEnum):
    """What became of an item."""

    LOOKED = "looked at"
    NO_PICTURE = "no picture"
    NO_VALUE = "no value"
    """In none of the audited fields."""
    UNREADABLE = "unreadable"
    """Its picture cannot be read."""
    FAILED = "failed"
    """The reranker gave no answer to at least one question about it."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A field of an item in which listing and picture are in conflict.

    ``listed`` and ``looks`` are written as the catalog writes them; the probabilities are that the picture shows each
    of them, calibrated. ``sureness`` is by how much the model's own log-odds for the second exceed those for the first:
    the probabilities end at what a look may count for, and would leave many in no order.
    """

    sku: str
    title: str
    image_id: str
    field: str
    listed: str
    looks: str
    listed_probability: float
    looks_probability: float
    sureness: float


@dataclass(frozen=True, slots=True)
class Audited:
    """What became of one item: the fields that its picture was held against, and those in which it contradicts."""

    sku: str
    outcome: Outcome
    checked: tuple[str, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One field of one item with a picture. ``requirement`` asks for what the listing says there, the values that it
    holds, ``own``, first; then those that their names include, which contradict nothing: Navy Blue for blue."""

    stored: StoredItem
    key: str
    own: tuple[str, ...]
    requirement: Requirement
    listed: Listed

    @property
    def field(self) -> str:
        return self.requirement.field

    @property
    def claims(self) -> list[str]:
        """What the picture is asked first: whether it shows what is listed."""
        return [claim(value) for value in self.own]


class Audit:
    """Looks at items through a stage's reranker. Needs an open engine for what pictures may show instead."""

    def __init__(self, engine: SearchEngine, stage: RerankStage, vocabulary: Vocabulary, fields: Sequence[str]) -> None:
        """``fields`` are those of the vocabulary that are audited; see ``fields_to_audit``."""
        self._stage = stage
        self._vocabulary = vocabulary
        self._fields = sorted(fields, key=lambda field: -len(vocabulary.fields[field]))
        self._suggestions = Suggestions(engine, vocabulary)

    def of(self, items: Iterable[StoredItem]) -> Iterator[Audited]:
        """What becomes of each item, in the order in which they are looked at, which brings like ones together.

        Items are read as they are needed. The iterator blocks for each batch of them; it raises RerankerError where the
        reranker failed too often in a row to go on, and may be left before its end.
        """
        unread = iter(items)
        while ahead := list(islice(unread, READ_AHEAD)):
            ahead.sort(key=self._kind)
            for start in range(0, len(ahead), N_BATCH):
                yield from self._audited(ahead[start : start + N_BATCH])

    def _kind(self, stored: StoredItem) -> tuple[tuple[str, ...], ...]:
        """What items about which the same is asked have in common, the field of most values first."""
        listing = Listing(stored.item)
        return tuple(listing.values(field) for field in self._fields)

    def _audited(self, batch: Sequence[StoredItem]) -> Iterator[Audited]:
        checks = {stored.id: list(self._checks(stored)) for stored in batch}
        answers = Answers(self._stage.looker(), batch)
        answers.ask((check.key, asked) for some in checks.values() for check in some for asked in check.claims)
        doubtful = [check for some in checks.values() for check in some if in_doubt(check, answers)]
        found = self._told_apart(doubtful, answers)
        for stored in batch:
            checked = tuple(check.field for check in checks[stored.id] if seen(check, answers) is not None)
            contradictions = tuple(each for each in found if each.sku == stored.item.sku)
            yield Audited(stored.item.sku, outcome(stored, checks[stored.id], answers), checked, contradictions)

    def _checks(self, stored: StoredItem) -> Iterator[Check]:
        key, listing = key_of(stored), Listing(stored.item)
        for field in self._fields:
            own = tuple(value for value in listing.values(field) if is_name(value))
            if key is not None and own:
                requirement = Requirement(own[0], field, tuple(dict.fromkeys((*own, *self._included(field, own)))))
                yield Check(stored, key, own, requirement, listing.on(requirement))

    def _included(self, field: str, values: Sequence[str]) -> Iterator[str]:
        """The other values that these names stand for, folded."""
        for value in values:
            sense = self._vocabulary.sense_within(field, split(value))
            yield from (facet_value(each) for each in (sense.values if sense else ()))

    def _told_apart(self, doubtful: Sequence[Check], answers: Answers) -> list[Contradiction]:
        """Those of the doubtful checks in which the picture shows another value: a second look, at a dozen values."""
        if not doubtful:
            return []
        vectors = self._suggestions.vectors([check.stored for check in doubtful])
        tried = [
            values_to_try(
                check.own,
                check.requirement,
                self._suggestions.nearest(check.field, vectors.get(check.stored.id)),
                self._vocabulary.fields[check.field],
            )
            for check in doubtful
        ]
        answers.ask(
            (check.key, claim(value)) for check, values in zip(doubtful, tried, strict=True) for value in values
        )
        told = (self._told(check, values, answers) for check, values in zip(doubtful, tried, strict=True))
        return [each for each in told if each is not None]

    def _told(self, check: Check, values: Sequence[str], answers: Answers) -> Contradiction | None:
        yes = answers.about(check.key, map(claim, values))
        shown = answers.looker.shown(values, yes)
        verdict = compared(
            verdict_of(check.requirement, check.listed, seen(check, answers)), check.requirement.values, shown
        )
        if verdict.disagreement is None or verdict.seen is None or verdict.listed is None:
            return None
        nearest = max((value for value in check.own if value in shown), key=lambda value: yes[claim(value)])
        item = check.stored.item
        return Contradiction(
            sku=item.sku,
            title=item.title,
            image_id=check.key,
            field=check.field,
            listed=verdict.listed,
            looks=self._written(check.field, verdict.seen),
            listed_probability=shown[nearest],
            looks_probability=shown[verdict.seen],
            sureness=float(log_odds(yes[claim(verdict.seen)]) - log_odds(yes[claim(nearest)])),
        )

    def _written(self, field: str, folded: str) -> str:
        held = self._vocabulary.fields[field]
        return next((value for value in held if facet_value(value) == folded), folded)


def seen(check: Check, answers: Answers) -> float | None:
    """What the picture says of the listed values, in log-odds: that of the likeliest, since a striped shirt lists two
    colours; None where an answer is missing."""
    yes = list(answers.about(check.key, check.claims).values())
    found = answers.looker.blend.image_log_odds(np.array(yes))
    return None if np.isnan(found).any() else float(found.max())


def in_doubt(check: Check, answers: Answers) -> bool:
    """Whether listing and picture are in conflict."""
    return conflict(check.listed, seen(check, answers))


def outcome(stored: StoredItem, checks: Sequence[Check], answers: Answers) -> Outcome:
    key = key_of(stored)
    if key is None:
        return Outcome.NO_PICTURE
    if not checks:
        return Outcome.NO_VALUE
    if key in answers.unreadable:
        return Outcome.UNREADABLE
    return Outcome.FAILED if key in answers.failed else Outcome.LOOKED
