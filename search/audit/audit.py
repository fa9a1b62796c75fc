"""An audit of label errors: every item's catalog values compared with its image, field by field."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from types import MappingProxyType

import numpy as np

from vitrina.search.analysis.spelling import split
from vitrina.search.audit.fields import NearestValues
from vitrina.search.encoders.base import Encoder
from vitrina.search.index.replica import IndexReplica
from vitrina.search.reranking.base import Deadline, key_of
from vitrina.search.reranking.catalog_evidence import CatalogEvidence, CatalogValue
from vitrina.search.reranking.client import UNANSWERED
from vitrina.search.reranking.fusion import logit
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.reranking.prompts import statement_of, values_to_try
from vitrina.search.reranking.verdicts import DisagreementRule, conflict, resolved, shown_probabilities, verdict_of
from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import StoredItem
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import Vocabulary, is_name

QUESTION_S = 30.0
"""Time for each question of an audit: distinguishes a slow model from one that hangs."""

MAX_CALL_QUESTIONS = 32
"""As many as a model on a GPU takes at once, and few enough to wait for after Ctrl-C."""

NAMED_IN_AUDITS = DisagreementRule(alternative_above=0.5, margin=3.8)
"""Of 41 colours few are likely by 0.7 when each is asked about by itself. Of photos held out from training this finds
54% of falsified colours, and the rule for shoppers, which names as many of the true ones, 35%."""

Question = tuple[str, str]
"""The key of an image, and a statement about it."""


class BatchAnswers:
    """P(yes) of statements about the first images of some items. ``unreadable`` are the keys of images that cannot be
    read, ``failed`` of those that the reranker gave no answer about."""

    def __init__(self, pipeline: RerankPipeline, items: Iterable[StoredItem]) -> None:
        self.fusion_weights = pipeline.fusion_weights
        self._client = pipeline.client
        self._images = pipeline.candidate_images()
        self.unreadable: set[str] = set()
        self.failed: set[str] = set()
        self._items = {key: stored for stored in items if (key := key_of(stored)) is not None}
        self._yes: dict[Question, float] = {}

    def ask(self, questions: Iterable[Question]) -> None:
        """Ask these questions unless they are answered already. If a call fails, each of its images is asked about
        separately, so that one that breaks the model costs no other its answer. Blocks. Raises RerankerError if the
        reranker failed too often in a row."""
        for keys, statements in calls([question for question in dict.fromkeys(questions) if question not in self._yes]):
            states = self._call(keys, statements)
            if len(keys) > 1:
                broken = [key for key in keys if states[key] is RerankStatus.FAILED]
                states |= {key: self._call([key], statements)[key] for key in broken}
            self.unreadable |= {key for key, state in states.items() if state is RerankStatus.NOT_ASKED}
            self.failed |= {key for key, state in states.items() if state in UNANSWERED}

    def about(self, key: str, statements: Iterable[str]) -> dict[str, float]:
        """Return P(yes) of each statement about one image, NaN without an answer."""
        return {statement: self._yes.get((key, statement), math.nan) for statement in statements}

    def _call(self, keys: Sequence[str], statements: Sequence[str]) -> dict[str, RerankStatus]:
        deadline = Deadline.within(QUESTION_S * len(keys) * len(statements))
        asked = self._client.judge_items([self._items[key] for key in keys], statements, self._images, deadline)
        if self._client.is_circuit_open:
            raise RerankerError(
                "The reranker failed several times in a row.",
                remedy="Read the log for the reason, then audit again.",
            )
        for key, row in zip(keys, asked.probabilities.tolist(), strict=True):
            self._yes |= {
                (key, statement): yes for statement, yes in zip(statements, row, strict=True) if not math.isnan(yes)
            }
        return dict(zip(keys, asked.states, strict=True))


def calls(questions: Sequence[Question]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the images and the statements of each call: every question once, nothing else, and statements about the
    same images together."""
    images: Mapping[str, list[str]] = defaultdict(list)
    for key, statement in questions:
        images[statement].append(key)
    together: Mapping[tuple[str, ...], list[str]] = defaultdict(list)
    for statement, keys in images.items():
        together[tuple(keys)].append(statement)
    for same, statements in together.items():
        size = max(1, MAX_CALL_QUESTIONS // len(statements))
        yield from ((list(same[start : start + size]), statements) for start in range(0, len(same), size))


SORT_WINDOW = 4096
"""Items that are sorted before they are audited: some 10 MB, and enough for 28 of each of 143 articles."""

N_BATCH = 64
"""Items audited together. A model in this process caches their image features from one field to the next: 400 MB for
one of 8 billion parameters, less than ``CACHE_BYTES``."""


class ItemStatus(StrEnum):
    """The status of an audited item."""

    AUDITED = "audited"
    NO_IMAGE = "no image"
    NO_VALUE = "no value"
    """In none of the audited fields."""
    UNREADABLE = "unreadable"
    """Its image cannot be read."""
    FAILED = "failed"
    """The reranker gave no answer to at least one question about it."""


@dataclass(frozen=True, slots=True)
class LabelError:
    """A field of an item whose catalog value and image are in conflict.

    ``catalog_value`` and ``image_value`` are spelled as in the catalog; the probabilities are that the image shows each
    of them, calibrated.
    """

    sku: str
    title: str
    image_id: str
    field: str
    catalog_value: str
    image_value: str
    catalog_probability: float
    image_probability: float

    @property
    def margin(self) -> float:
        """By how much the logit of what the image shows exceeds that of the catalog's value."""
        return float(logit(self.image_probability) - logit(self.catalog_probability))


@dataclass(frozen=True, slots=True)
class ItemAudit:
    """One audited item: its status, the fields checked against its image, and the label errors found."""

    sku: str
    status: ItemStatus
    checked: tuple[str, ...] = ()
    label_errors: tuple[LabelError, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """One field of one item with an image. ``requirement`` asks for the catalog's values, ``own``, and then for those
    that their names include, which contradict nothing: Navy Blue for blue."""

    stored: StoredItem
    key: str
    own: tuple[str, ...]
    requirement: Requirement
    catalog_value: CatalogValue

    @property
    def field(self) -> str:
        return self.requirement.field

    @property
    def statements(self) -> list[str]:
        """Asked first: whether the image shows the catalog's values."""
        return [statement_of(value) for value in self.own]


class Audit:
    """Audits items with a pipeline's reranker; the encoder and its index suggest what images show instead."""

    def __init__(
        self,
        encoder: Encoder,
        replica: IndexReplica,
        pipeline: RerankPipeline,
        vocabulary: Vocabulary,
        fields: Sequence[str],
    ) -> None:
        """``fields`` are those of the vocabulary that are audited; see ``choose_fields``."""
        self._pipeline = pipeline
        self._vocabulary = vocabulary
        self._fields = sorted(fields, key=lambda field: -len(vocabulary.fields[field]))
        self._suggestions = NearestValues(encoder, replica, vocabulary)

    def of(self, items: Iterable[StoredItem]) -> Iterator[ItemAudit]:
        """Yield each audited item, similar items together.

        Items are read as needed. The iterator blocks for each batch, and raises RerankerError if the reranker failed
        too often in a row. It may be closed early.
        """
        unread = iter(items)
        while window := list(islice(unread, SORT_WINDOW)):
            window.sort(key=self._kind)
            for start in range(0, len(window), N_BATCH):
                yield from self._audited(window[start : start + N_BATCH])

    def _kind(self, stored: StoredItem) -> tuple[tuple[str, ...], ...]:
        """A sort key that brings items with the same questions together, the field of most values first."""
        listing = CatalogEvidence(stored.item)
        return tuple(listing.values(field) for field in self._fields)

    def _audited(self, batch: Sequence[StoredItem]) -> Iterator[ItemAudit]:
        checks = {stored.id: list(self._checks(stored)) for stored in batch}
        answers = BatchAnswers(self._pipeline, batch)
        answers.ask((check.key, asked) for some in checks.values() for check in some for asked in check.statements)
        doubtful = [check for some in checks.values() for check in some if has_conflict(check, answers)]
        found = self._resolve_conflicts(doubtful, answers)
        for stored in batch:
            checked = tuple(check.field for check in checks[stored.id] if image_logit_of(check, answers) is not None)
            label_errors = tuple(each for each in found if each.sku == stored.item.sku)
            yield ItemAudit(stored.item.sku, status(stored, checks[stored.id], answers), checked, label_errors)

    def _checks(self, stored: StoredItem) -> Iterator[FieldCheck]:
        key, listing = key_of(stored), CatalogEvidence(stored.item)
        for field in self._fields:
            own = tuple(value for value in listing.values(field) if is_name(value))
            if key is not None and own:
                requirement = Requirement(own[0], field, tuple(dict.fromkeys((*own, *self._included(field, own)))))
                yield FieldCheck(stored, key, own, requirement, listing.on(requirement))

    def _included(self, field: str, values: Sequence[str]) -> Iterator[str]:
        """The other values that these names include, folded."""
        for value in values:
            match = self._vocabulary.match_in(field, split(value))
            yield from (facet_value(each) for each in (match.values if match else ()))

    def _resolve_conflicts(self, doubtful: Sequence[FieldCheck], answers: BatchAnswers) -> list[LabelError]:
        """The label errors among doubtful checks: those whose image shows another value, out of a dozen asked about."""
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
            (check.key, statement_of(value)) for check, values in zip(doubtful, tried, strict=True) for value in values
        )
        told = (self._label_error(check, values, answers) for check, values in zip(doubtful, tried, strict=True))
        return [each for each in told if each is not None]

    def _label_error(self, check: FieldCheck, values: Sequence[str], answers: BatchAnswers) -> LabelError | None:
        yes = answers.about(check.key, map(statement_of, values))
        shown = shown_probabilities(answers.fusion_weights, values, yes)
        verdict = resolved(
            verdict_of(check.requirement, check.catalog_value, image_logit_of(check, answers)),
            check.requirement.values,
            shown,
            NAMED_IN_AUDITS,
        )
        if verdict.disagreement is None or verdict.image_value is None or verdict.catalog_value is None:
            return None
        item = check.stored.item
        return LabelError(
            sku=item.sku,
            title=item.title,
            image_id=check.key,
            field=check.field,
            catalog_value=verdict.catalog_value,
            image_value=self._written(check.field, verdict.image_value),
            catalog_probability=max(shown[value] for value in check.own if value in shown),
            image_probability=shown[verdict.image_value],
        )

    def _written(self, field: str, folded: str) -> str:
        held = self._vocabulary.fields[field]
        return next((value for value in held if facet_value(value) == folded), folded)


def image_logit_of(check: FieldCheck, answers: BatchAnswers) -> float | None:
    """Return the image's logit of the catalog values: that of the likeliest, since a striped shirt has two colours;
    None if an answer is missing."""
    yes = list(answers.about(check.key, check.statements).values())
    found = answers.fusion_weights.image_logit(np.array(yes))
    return None if np.isnan(found).any() else float(found.max())


def has_conflict(check: FieldCheck, answers: BatchAnswers) -> bool:
    """Whether catalog and image are in conflict."""
    return conflict(check.catalog_value, image_logit_of(check, answers))


def status(stored: StoredItem, checks: Sequence[FieldCheck], answers: BatchAnswers) -> ItemStatus:
    key = key_of(stored)
    if key is None:
        return ItemStatus.NO_IMAGE
    if not checks:
        return ItemStatus.NO_VALUE
    if key in answers.unreadable:
        return ItemStatus.UNREADABLE
    return ItemStatus.FAILED if key in answers.failed else ItemStatus.AUDITED


MAX_NAMED = 20
"""Items that a sentence names; the rest is counted."""

STATUS_TEXTS: Mapping[ItemStatus, str] = MappingProxyType(
    {
        ItemStatus.NO_IMAGE: "without an image",
        ItemStatus.NO_VALUE: "without a value in these fields",
        ItemStatus.UNREADABLE: "with an image that cannot be read",
        ItemStatus.FAILED: "about which the reranker gave no answer",
    }
)
NAMED_STATUSES = (ItemStatus.UNREADABLE, ItemStatus.FAILED)
"""Items that could not be audited."""


class AuditSummary:
    """Counts items by status and, by field, how many were ``checked``; collects label errors."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self.checked: Counter[str] = Counter()
        self.statuses: Counter[ItemStatus] = Counter()
        self._skus: dict[ItemStatus, list[str]] = {status: [] for status in NAMED_STATUSES}
        self._found: list[LabelError] = []

    def add(self, audited: ItemAudit) -> None:
        """Add an audited item."""
        self.statuses[audited.status] += 1
        self.checked.update(audited.checked)
        self._found += audited.label_errors
        if audited.status in self._skus:
            self._skus[audited.status].append(audited.sku)

    @property
    def n_items(self) -> int:
        """Items of any status."""
        return self.statuses.total()

    def label_errors(self, field: str | None = None) -> list[LabelError]:
        """Return all label errors, or those of one field, those of the largest margin first."""
        found = [each for each in self._found if field in (None, each.field)]
        return sorted(found, key=lambda each: (-each.margin, each.sku, each.field))

    def sentences(self) -> list[str]:
        """Say in sentences how many items were audited, and how many were not and why, with the names of those that
        could not be."""
        reranked = f"{self.statuses[ItemStatus.AUDITED]:,} of {self.n_items:,} items were audited."
        return [reranked, *(self._not_reranked(status) for status in STATUS_TEXTS if self.statuses[status])]

    def _not_reranked(self, status: ItemStatus) -> str:
        n, skus = self.statuses[status], self._skus.get(status, [])
        more = f" and {n - MAX_NAMED:,} more" if len(skus) > MAX_NAMED else ""
        names = f": {', '.join(skus[:MAX_NAMED])}{more}" if skus else ""
        return f"{n:,} {'item' if n == 1 else 'items'} {STATUS_TEXTS[status]}{names}."
