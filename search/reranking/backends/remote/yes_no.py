"""P(yes) from the log probabilities of a model's first word."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MIN_MASS = 0.01
"""Where yes and no together have less, the model was about to say something else (to think aloud, to apologise), and
their ratio is noise. A choice, not a measurement."""

_MIN_FLOOR = 1e-6
_AROUND = " \t\r\n\"'*.▁ĠĊ"
"""What yes and no come with in a token: quotes and spaces, also as SentencePiece and byte-level tokenizers write
them."""


@dataclass(frozen=True, slots=True)
class YesNo:
    """``approximate`` where one of the two words was not among the tokens shown: its probability is then taken to be
    the most that it can be, so the true P(yes) is further from one half."""

    probability: float
    approximate: bool


def read_yes_no(logprobs: Iterable[tuple[str, float]]) -> YesNo | None:
    """P(yes) / (P(yes) + P(no)), each summed over its case and space variants; None where neither word is likely.

    ``logprobs`` are the likeliest tokens and their natural logarithms of probability.
    """
    shown = [(_word(token), math.exp(min(logprob, 0.0))) for token, logprob in logprobs if not math.isnan(logprob)]
    yes = sum(probability for word, probability in shown if word == "yes")
    no = sum(probability for word, probability in shown if word == "no")
    if yes + no < MIN_MASS:
        return None
    floor = _most_left(shown)
    return YesNo((yes or floor) / ((yes or floor) + (no or floor)), approximate=not (yes and no))


def _most_left(shown: list[tuple[str, float]]) -> float:
    """The most that a token which is not shown can have: less than any shown, and than what these leave over."""
    probabilities = [probability for _, probability in shown]
    return max(_MIN_FLOOR, min(min(probabilities), 1.0 - sum(probabilities)))


def _word(token: str) -> str:
    return token.strip(_AROUND).casefold()
