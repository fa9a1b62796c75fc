"""Two runtimes of one reranker side by side: how fast each is, and how far their answers agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
from PIL import Image

from vitrina.search.reranking.base import Deadline, RerankCandidate, Reranker
from vitrina.tuning.export.encoder import take_turns

N_CANDIDATES = 96
N_TEXTS = 20
N_JUDGED = 20
N_STATEMENTS = 3
"""What a search judges: 20 candidates, the phrase and two requirements."""

SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class RerankerPace:
    """Medians of the runs, in milliseconds: new images, images judged before, and one explanation."""

    n_images: int
    n_statements: int
    new_ms: float
    known_ms: float
    writing_ms: float


@dataclass(frozen=True, slots=True)
class RerankerAgreement:
    """How far answers agree: the largest difference of a P(yes), and how many explanations are the same."""

    n_answers: int
    max_difference: float
    n_texts: int
    n_same_texts: int


def compare_rerankers(
    before: Reranker, after: Reranker, images: Sequence[Image.Image], statements: Sequence[str]
) -> RerankerAgreement:
    """What ``after`` answers about these images, against ``before``. Blocks."""
    candidates = [RerankCandidate(f"compared {at}", image) for at, image in enumerate(images[:N_CANDIDATES])]
    asked = list(dict.fromkeys(statements))[:N_CANDIDATES:16]
    probabilities = [each.judge(candidates, asked, Deadline.within(SECONDS)) for each in (before, after)]
    texts = [[written(each, candidate, asked) for candidate in candidates[:N_TEXTS]] for each in (before, after)]
    return RerankerAgreement(
        probabilities[0].size,
        float(np.abs(probabilities[0] - probabilities[1]).max()),
        len(texts[0]),
        sum(one == other for one, other in zip(*texts, strict=True)),
    )


def measure_reranker_paces(
    rerankers: Sequence[Reranker], images: Sequence[Image.Image], statements: Sequence[str]
) -> list[RerankerPace]:
    """Each reranker's pace, all taking turns, so that whatever else slows the machine slows all. Blocks for seconds."""
    shown = images[:N_JUDGED]
    asked = list(dict.fromkeys(statements))[:N_STATEMENTS]
    numbers = count()

    def judge(reranker: Reranker, *, new: bool) -> None:
        number = next(numbers) if new else -1
        candidates = [RerankCandidate(f"{number}, {at}", image) for at, image in enumerate(shown)]
        reranker.judge(candidates, asked, Deadline.within(SECONDS))

    new = take_turns([partial(judge, each, new=True) for each in rerankers])
    known = take_turns([partial(judge, each, new=False) for each in rerankers])
    candidate = RerankCandidate("written", shown[0])
    writing = take_turns([partial(written, each, candidate, asked) for each in rerankers])
    return [
        RerankerPace(len(shown), len(asked), *(1000 * seconds for seconds in each))
        for each in zip(new, known, writing, strict=True)
    ]


def written(reranker: Reranker, candidate: RerankCandidate, asked: Sequence[str]) -> str:
    """The whole of a text about these statements."""
    facts = [f"{statement}: met" for statement in asked[:2]]
    return "".join(reranker.write(candidate, facts, Deadline.within(SECONDS)))
