"""Exercises: what is asked of a picture, and the answer that is right."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from search.reranking.explaining.facts import fact
from search.reranking.explaining.sentences import explanation
from search.reranking.verdict import Standing
from training.captions import phrase
from training.product import LABELS, Product
from training.reranker import boxes, template
from training.reranker.claims import Judged
from training.reranker.explaining import Lexicon, draw_verdicts, fields_of
from training.reranker.scenes import Boxes

UNKNOWN = "unknown"

WORDS: Mapping[Standing, str] = {Standing.MET: "yes", Standing.CONTRADICTED: "no", Standing.UNKNOWN: UNKNOWN}

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

UNSEEN = ("material", "season", "usage")
"""What a picture does not show, so that where no label says it the answer is ``UNKNOWN``. Colours and patterns can be
seen whether a shop lists them or not: nothing is asked of these where they are not labelled."""

UNSEEN_SHARE = 0.12
CAPTION_SHARE = 0.15
JSON_SHARE = 0.3
MAX_BOXES = 2

ECHO_SHARE = 0.1
ECHO_WORDS = (2, 6)
"""To repeat some words, drawn by chance, is what explaining takes beside a few turns of phrase. From explanations alone
it was not learnt in two epochs: sentences were sound, and named values that no verdict had."""

BALANCED = ("gender", "usage")
"""Fields that one value dominates: the rarer a value, the more its answer weighs, by the power ``BALANCE``."""

BALANCE = 0.7
WEIGHT_LIMITS = (0.3, 6.0)

CLAIM_WEIGHT, CAPTION_WEIGHT, EXPLANATION_WEIGHT, BOX_WEIGHT, ECHO_WEIGHT = 1.5, 0.3, 0.4, 0.6, 0.3
"""What a token of an answer weighs in the loss."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A prompt in its short form, its answer, and what each token of the answer weighs. With ``blind`` the picture is
    hidden: the answer is in the prompt."""

    prompt: str
    answer: str
    weight: float = 1.0
    blind: bool = False


class ExerciseWriter:
    """Writes the exercises about products; ``boxes`` are those of the products that are drawn."""

    def __init__(self, products: Sequence[Product], boxes: Boxes) -> None:
        self._products = products
        self._boxes = boxes
        self.lexicon = Lexicon.of(products)
        self._weights = _answer_weights(products)

    def texts(self, dice: random.Random, n_explanations: int = 20_000) -> Iterator[str]:
        """What a vocabulary for the exercises is learnt from."""
        for product in self._products:
            yield template.asked(_described(product)).strip()
            for exercise in (*self._readings(product, dice), *self._unseen(product, dice)):
                yield from (exercise.prompt, exercise.answer)
        for _ in range(n_explanations):
            exercise = self._explanation(dice)
            yield from (exercise.prompt, exercise.answer)

    def sheet(
        self, index: int, claims: Sequence[Judged], placement: torch.Tensor, dice: random.Random, *, explain: bool
    ) -> list[Exercise]:
        """All that is asked of one view of a product's picture, which shows the part ``placement`` (2, 3) of it; and
        with ``explain`` some verdicts to be put into sentences."""
        product = self._products[index]
        sheet = [Exercise(template.asked(claim.text), WORDS[claim.standing], CLAIM_WEIGHT) for claim in claims]
        sheet += self._readings(product, dice)
        sheet += self._unseen(product, dice)
        sheet += self._pointings(product, placement, dice)
        if dice.random() < CAPTION_SHARE:
            sheet.append(Exercise(template.DESCRIBED, _described(product), CAPTION_WEIGHT))
        if dice.random() < ECHO_SHARE:
            sheet.append(self._echo(dice))
        if explain:
            sheet.append(self._explanation(dice))
        return sheet

    def _readings(self, product: Product, dice: random.Random) -> Iterator[Exercise]:
        for field, value in fields_of(product).items():
            if dice.random() < READING_SHARES.get(field, OTHER_READING_SHARE):
                weight = self._weights.get((field, value), READING_WEIGHTS.get(field, 1.0))
                yield Exercise(template.read(field), value, weight)

    def _unseen(self, product: Product, dice: random.Random) -> Iterator[Exercise]:
        for field in UNSEEN:
            if product.label(field) or dice.random() >= UNSEEN_SHARE:
                continue
            yield Exercise(template.read(field), UNKNOWN)
            if product.kinds and field in self.lexicon.values:
                claim = phrase({field: dice.choice(self.lexicon.values[field]), "kind": product.kinds[0]})
                yield Exercise(template.asked(claim), UNKNOWN)

    def _pointings(self, product: Product, placement: torch.Tensor, dice: random.Random) -> Iterator[Exercise]:
        places = self._boxes.get(product.sku, {})
        for name in dice.sample(sorted(places), min(MAX_BOXES, len(places))):
            box = boxes.seen(places[name], placement)
            if box is not None:
                is_whole = bool(product.kinds) and name == product.kinds[0]
                claim = _of_article(product, dice) if is_whole else name
                yield Exercise(template.pointed(claim), boxes.written(box), BOX_WEIGHT)

    def _echo(self, dice: random.Random) -> Exercise:
        words = ", ".join(dice.sample(self.lexicon.words, dice.randint(*ECHO_WORDS)))
        return Exercise(template.echoed(words), words, ECHO_WEIGHT, blind=True)

    def _explanation(self, dice: random.Random) -> Exercise:
        verdicts = draw_verdicts(self.lexicon, dice)
        facts = [fact(verdict) for verdict in verdicts]
        sentences = explanation(verdicts, dice)
        blind = dice.random() < 0.5  # of items without a picture there are explanations, too
        if dice.random() < JSON_SHARE:
            answer = json.dumps({"explanation": sentences}, ensure_ascii=False)
            return Exercise(template.told_as_json(facts), answer, EXPLANATION_WEIGHT, blind)
        return Exercise(template.told(facts), sentences, EXPLANATION_WEIGHT, blind)


def _described(product: Product) -> str:
    """Everything the labels say, as a phrase."""
    labels = {label: product.label(label) for label in LABELS if product.label(label)}
    kind = {"kind": product.kinds[0]} if product.kinds else {}
    return phrase(labels | kind).lower()


def _of_article(product: Product, dice: random.Random) -> str:
    """What a shopper may call the whole thing: ``t-shirt``, ``navy blue t-shirt``."""
    named = {"kind": product.kinds[0]}
    return phrase(named if dice.random() < 0.5 else named | {"colour": product.colour})


def _answer_weights(products: Sequence[Product]) -> dict[tuple[str, str], float]:
    """What each value of the ``BALANCED`` fields weighs."""
    low, high = WEIGHT_LIMITS
    weights: dict[tuple[str, str], float] = {}
    for field in BALANCED:
        counts = Counter(product.label(field).lower() for product in products if product.label(field))
        fair = sum(counts.values()) / max(1, len(counts))
        weights |= {(field, value): min(high, max(low, (fair / n) ** BALANCE)) for value, n in counts.items()}
    return weights
