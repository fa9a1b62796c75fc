"""Training tasks: what is asked of an image, and the answer that is right."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from recipes.encoder.facts import phrase
from recipes.encoder.labels import LABELS, LabelledProduct
from recipes.reranker import grounding, template
from recipes.reranker.grounding import Boxes
from recipes.reranker.statements import JudgedStatement, same
from vitrina.search.reranking.explanations.templates import explanation, fact
from vitrina.search.reranking.prompts import MAX_EXPLANATION_CHARACTERS
from vitrina.search.types.requirement import Evidence, Requirement, Status, Verdict

KINDS = ("article", "subcategory", "category")

MAX_VERDICTS = 4

_STATUSES = (Status.MET, Status.CONTRADICTED, Status.UNKNOWN)
_SHARES = (0.5, 0.3, 0.2)
_WANTED_SHARE = 0.85
_FREE_SHARE = 0.2
_IMAGE_VALUE_SHARE = 0.8
_DISAGREEMENT_SHARE = 0.08

FREE = (
    "see-through", "striped", "waterproof", "long sleeves", "short sleeves", "a hood", "pockets", "high heels", "a zip",
    "floral", "plain", "a logo", "buttons", "laces", "a round neck", "a collar", "shiny", "soft", "stretchy", "vintage",
    "organic", "ripe", "with a belt", "for running", "for the office", "slim fit", "loose", "checked", "dotted",
)  # fmt: skip
"""What shoppers ask for that catalogs have no field for."""


@dataclass(frozen=True)
class Lexicon:
    """Every value of every field of some products, and words for what has no field; all in lower case."""

    values: Mapping[str, tuple[str, ...]]
    free: tuple[str, ...] = FREE

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All of it, each once."""
        return tuple(dict.fromkeys((*(value for values in self.values.values() for value in values), *self.free)))

    @classmethod
    def of(cls, products: Sequence[LabelledProduct]) -> Lexicon:
        """Collect the values; fields with fewer than two are left out."""
        values: dict[str, set[str]] = {}
        for product in products:
            for field, value in fields_of(product).items():
                values.setdefault(field, set()).add(value)
        words = {word for product in products[::10] for word in product.title.lower().split() if word.isalpha()}
        return cls(
            {field: tuple(sorted(found)) for field, found in sorted(values.items()) if len(found) > 1},
            (*FREE, *sorted(word for word in words if len(word) > 2)),
        )


def fields_of(product: LabelledProduct) -> dict[str, str]:
    """A product's labels by the names of the catalog's fields, in lower case."""
    kinds = dict(
        zip(KINDS if len(product.kinds) == len(KINDS) else ("article", "category"), product.kinds, strict=False)
    )
    labels = {label: product.label(label) for label in LABELS}
    return {field: value.lower() for field, value in (kinds | labels).items() if value}


def draw_verdicts(lexicon: Lexicon, rng: random.Random) -> list[Verdict]:
    """One to ``MAX_VERDICTS`` verdicts, each about something else, that one explanation has room for."""
    while True:
        n_verdicts = rng.choice(range(1, MAX_VERDICTS + 1))
        n_free = sum(rng.random() < _FREE_SHARE for _ in range(n_verdicts))
        fields = rng.sample(sorted(lexicon.values), min(n_verdicts - n_free, len(lexicon.values)))
        verdicts = [_about_field(lexicon, field, rng) for field in fields]
        verdicts += [_verdict(Requirement(words), None, rng) for words in rng.sample(lexicon.free, n_free)]
        rng.shuffle(verdicts)
        if verdicts and len(explanation(verdicts)) <= MAX_EXPLANATION_CHARACTERS * 4 // 5:
            return verdicts


def _about_field(lexicon: Lexicon, field: str, rng: random.Random) -> Verdict:
    words, other = rng.sample(lexicon.values[field], 2)
    image_value = None if same(words, other) or rng.random() >= _IMAGE_VALUE_SHARE else other
    return _verdict(Requirement(words, field, (words,)), image_value, rng)


def _verdict(requirement: Requirement, image_value: str | None, rng: random.Random) -> Verdict:
    wanted = rng.random() < _WANTED_SHARE
    asked = Requirement(requirement.words, requirement.field, requirement.values, wanted)
    status = rng.choices(_STATUSES, _SHARES)[0]
    disagreement = None
    if image_value is not None and rng.random() < _DISAGREEMENT_SHARE:
        disagreement = f"listing says {requirement.words}, photo looks {image_value}"
    probability = {Status.MET: 0.9, Status.CONTRADICTED: 0.1, Status.UNKNOWN: 0.5}[status]
    return Verdict(asked, status, probability, Evidence.IMAGE, image_value=image_value, disagreement=disagreement)


UNKNOWN = "unknown"

WORDS: Mapping[Status, str] = {Status.MET: "yes", Status.CONTRADICTED: "no", Status.UNKNOWN: UNKNOWN}

READING_SHARES: Mapping[str, float] = {
    "article": 0.9,
    "colour": 0.9,
    "gender": 0.6,
    "usage": 0.6,
    "season": 0.3,
    "pattern": 0.9,
    "material": 0.9,
}
"""How often a label is asked for; ``OTHER_READING_SHARE`` for the rest."""

OTHER_READING_SHARE = 0.25

READING_WEIGHTS: Mapping[str, float] = {"colour": 2.0}
"""What a token of a label's value weighs, 1 where it is not named: colours are the worst read."""

NOT_VISIBLE = ("material", "season", "usage")
"""What an image does not show, so that where no label says it the answer is ``UNKNOWN``. Colours and patterns can be
image_value whether a shop lists them or not: nothing is asked of these where they are not labelled."""

NOT_VISIBLE_SHARE = 0.12
CAPTION_SHARE = 0.15
JSON_SHARE = 0.3
MAX_BOXES = 2

N_EXPLANATIONS = 4_000
"""How many the vocabulary is learnt from."""

ECHO_SHARE = 0.1
ECHO_WORDS = (2, 6)
"""To repeat some words, drawn at random, is what explaining takes beside a few turns of phrase. From explanations alone
it was not learnt in two epochs: sentences were sound, and named values that no verdict had."""

BALANCED = ("gender", "usage")
"""Fields that one value dominates: the rarer a value, the more its answer weighs, by the power ``BALANCE``."""

BALANCE = 0.7
WEIGHT_LIMITS = (0.3, 6.0)

STATEMENT_WEIGHT, CAPTION_WEIGHT, EXPLANATION_WEIGHT, BOX_WEIGHT, ECHO_WEIGHT = 1.5, 0.3, 0.4, 0.6, 0.3
"""What a token of an answer weighs in the loss."""


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """A prompt in its short form, its answer, and what each token of the answer weighs. With ``blind`` the image is
    hidden: the answer is in the prompt."""

    prompt: str
    answer: str
    weight: float = 1.0
    blind: bool = False


class TaskWriter:
    """Writes the tasks about products; ``boxes`` are those of the products that are drawn."""

    def __init__(self, products: Sequence[LabelledProduct], boxes: Boxes) -> None:
        self._products = products
        self._boxes = boxes
        self.lexicon = Lexicon.of(products)
        self._weights = _answer_weights(products)

    def texts(self, rng: random.Random) -> Iterator[str]:
        """The texts that the vocabulary is learnt from."""
        for product in self._products:
            yield template.asked(_described(product)).strip()
            for task in (*self._readings(product, rng), *self._not_visible(product, rng)):
                yield from (task.prompt, task.answer)
        for _ in range(N_EXPLANATIONS):
            task = self._explanation(rng)
            yield from (task.prompt, task.answer)

    def tasks(
        self,
        index: int,
        statements: Sequence[JudgedStatement],
        placement: torch.Tensor,
        rng: random.Random,
        *,
        explain: bool,
    ) -> list[TrainingTask]:
        """All that is asked of one view of a product's image, which shows the part ``placement`` (2, 3) of it; and
        with ``explain`` some verdicts to be put into sentences."""
        product = self._products[index]
        tasks = [
            TrainingTask(template.asked(statement.text), WORDS[statement.status], STATEMENT_WEIGHT)
            for statement in statements
        ]
        tasks += self._readings(product, rng)
        tasks += self._not_visible(product, rng)
        tasks += self._localizations(product, placement, rng)
        if rng.random() < CAPTION_SHARE:
            tasks.append(TrainingTask(template.DESCRIBED, _described(product), CAPTION_WEIGHT))
        if rng.random() < ECHO_SHARE:
            tasks.append(self._echo(rng))
        if explain:
            tasks.append(self._explanation(rng))
        return tasks

    def _readings(self, product: LabelledProduct, rng: random.Random) -> Iterator[TrainingTask]:
        for field, value in fields_of(product).items():
            if rng.random() < READING_SHARES.get(field, OTHER_READING_SHARE):
                weight = self._weights.get((field, value), READING_WEIGHTS.get(field, 1.0))
                yield TrainingTask(template.read(field), value, weight)

    def _not_visible(self, product: LabelledProduct, rng: random.Random) -> Iterator[TrainingTask]:
        for field in NOT_VISIBLE:
            if product.label(field) or rng.random() >= NOT_VISIBLE_SHARE:
                continue
            yield TrainingTask(template.read(field), UNKNOWN)
            if product.kinds and field in self.lexicon.values:
                statement = phrase({field: rng.choice(self.lexicon.values[field]), "kind": product.kinds[0]})
                yield TrainingTask(template.asked(statement), UNKNOWN)

    def _localizations(
        self, product: LabelledProduct, placement: torch.Tensor, rng: random.Random
    ) -> Iterator[TrainingTask]:
        places = self._boxes.get(product.sku, {})
        for name in rng.sample(sorted(places), min(MAX_BOXES, len(places))):
            box = grounding.visible_box(places[name], placement)
            if box is not None:
                is_whole = bool(product.kinds) and name == product.kinds[0]
                statement = _of_article(product, rng) if is_whole else name
                yield TrainingTask(template.pointed(statement), grounding.write_box(box), BOX_WEIGHT)

    def _echo(self, rng: random.Random) -> TrainingTask:
        words = ", ".join(rng.sample(self.lexicon.words, rng.randint(*ECHO_WORDS)))
        return TrainingTask(template.echoed(words), words, ECHO_WEIGHT, blind=True)

    def _explanation(self, rng: random.Random) -> TrainingTask:
        verdicts = draw_verdicts(self.lexicon, rng)
        facts = [fact(verdict) for verdict in verdicts]
        sentences = explanation(verdicts, rng)
        blind = rng.random() < 0.5  # of items without an image there are explanations, too
        if rng.random() < JSON_SHARE:
            answer = json.dumps({"explanation": sentences}, ensure_ascii=False)
            return TrainingTask(template.told_as_json(facts), answer, EXPLANATION_WEIGHT, blind)
        return TrainingTask(template.told(facts), sentences, EXPLANATION_WEIGHT, blind)


def _described(product: LabelledProduct) -> str:
    """Everything the labels say, as a phrase."""
    labels = {label: product.label(label) for label in LABELS if product.label(label)}
    kind = {"kind": product.kinds[0]} if product.kinds else {}
    return phrase(labels | kind).lower()


def _of_article(product: LabelledProduct, rng: random.Random) -> str:
    """What a shopper may call the whole thing: ``t-shirt``, ``navy blue t-shirt``."""
    named = {"kind": product.kinds[0]}
    return phrase(named if rng.random() < 0.5 else named | {"colour": product.colour})


def _answer_weights(products: Sequence[LabelledProduct]) -> dict[tuple[str, str], float]:
    """What each value of the ``BALANCED`` fields weighs."""
    low, high = WEIGHT_LIMITS
    weights: dict[tuple[str, str], float] = {}
    for field in BALANCED:
        counts = Counter(product.label(field).lower() for product in products if product.label(field))
        fair = sum(counts.values()) / max(1, len(counts))
        weights |= {(field, value): min(high, max(low, (fair / n) ** BALANCE)) for value, n in counts.items()}
    return weights
