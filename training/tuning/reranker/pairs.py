"""Pairs of a wish and an item, as many of them right as wrong: the words alone never tell which."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.tuning.reranker.corpus import Wish

MAX_OF_A_WISH = 8
"""Right items of a wish in one epoch: a query with many counts for more, but not for everything."""

HARD_SHARE = 0.75
"""Of the wrong items, those that are hard to tell; the others are any. Set by judgement: hard ones are what a search
shows its reranker, any others keep it from calling everything doubtful."""

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """A claim about an item, and whether it holds."""

    claim: str
    sku: str
    is_right: bool


Duo = tuple[Pair, Pair]
"""A right one and a wrong one of the same claim."""


def duos_of(wish: Wish, strangers: Sequence[str], dice: random.Random, limit: int = MAX_OF_A_WISH) -> Iterator[Duo]:
    """Some of a wish's right items, each with a wrong one; none where everything is right."""
    for sku in dice.sample(wish.right, min(limit, len(wish.right))):
        wrong = wrong_for(wish, strangers, dice)
        if wrong is not None:
            yield Pair(wish.claim, sku, is_right=True), Pair(wish.claim, wrong, is_right=False)


def wrong_for(wish: Wish, strangers: Sequence[str], dice: random.Random) -> str | None:
    """A wrong item: a hard one, or any that nobody judged relevant."""
    if wish.hard and dice.random() < HARD_SHARE:
        return dice.choice(wish.hard)
    drawn = (dice.choice(strangers) for _ in range(_TRIES))
    wrong = next((sku for sku in drawn if not wish.grades.get(sku)), None)
    return wrong or (dice.choice(wish.hard) if wish.hard else None)


def epoch_of(wishes: Sequence[Wish], strangers: Sequence[str], dice: random.Random) -> list[Pair]:
    """The pairs of an epoch, those of a duo side by side."""
    duos = [duo for wish in wishes for duo in duos_of(wish, strangers, dice)]
    dice.shuffle(duos)
    return [pair for duo in duos for pair in duo]
