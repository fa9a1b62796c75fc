"""How well a reranker judges the held-out queries, prompted exactly as in a search."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrina.evaluation.metrics import measure
from vitrina.search.analysis.spelling import split
from vitrina.search.reranking.base import Deadline, RerankCandidate, Reranker
from vitrina.search.types.errors import InputError
from vitrina.search.understanding.colours import colour_of
from vitrina.tuning.reranker.corpus import CandidateCache, TuningQuery, duos_of


def balanced_accuracy(probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The mean of the true positive and the true negative rate, at a threshold of one half; both shape (n,)."""
    held = probabilities >= 0.5
    return float((held[truth].mean() + (~held[~truth]).mean()) / 2)


def area_under_curve(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """How often a true statement scores above a false one, ties counted half; both shape (n,)."""
    from scipy.stats import rankdata

    n_true = int(truth.sum())
    above = rankdata(scores)[truth].sum() - n_true * (n_true + 1) / 2
    return float(above / (n_true * (len(truth) - n_true)))


def mean_recall(hits: Sequence[bool], labels: Sequence[str]) -> float:
    """The share of hits among the rows of each label, averaged over the labels."""
    of_label: dict[str, list[bool]] = defaultdict(list)
    for hit, label in zip(hits, labels, strict=True):
        of_label[label].append(hit)
    return mean([mean(some) for some in of_label.values()])


def same_base_colour(one: str, other: str) -> bool:
    """Whether two colours are the same or share a base colour: navy and blue, cream and white."""
    return bool(_base_colours(one) & _base_colours(other))


def mean(values: Sequence[float]) -> float:
    """NaN where there are none."""
    return float(np.mean(values)) if len(values) else float("nan")


def _base_colours(name: str) -> set[str]:
    colour = colour_of(split(name))
    return {base for base, _ in colour.families} if colour else {name.lower()}


NO_HURRY_S = 1e6
"""A deadline that is never missed."""


@dataclass(frozen=True, slots=True)
class RerankerScore:
    """On the held-out queries: of as many right pairs as wrong ones, ``balanced_accuracy`` at one half and ``auc``, how
    often a right one scores above a wrong one; and ``ndcg``, at 10, of what the search found, ordered by P(yes) alone.
    All 0 to 1."""

    balanced_accuracy: float
    auc: float
    ndcg: float

    @property
    def value(self) -> float:
        """The mean of the three: a model that ranks better but judges worse has not gained."""
        return (self.balanced_accuracy + self.auc + self.ndcg) / 3

    @property
    def said(self) -> str:
        """The figures in a few words."""
        return f"balanced accuracy {self.balanced_accuracy:.3f}, AUC {self.auc:.3f}, nDCG@10 {self.ndcg:.3f}"


@dataclass(frozen=True, slots=True)
class ValidationSamples:
    """The items to judge for one query, each once: which positions count as right or wrong, and the positions of what
    the search found, best first."""

    query: TuningQuery
    skus: tuple[str, ...]
    judged: tuple[tuple[int, bool], ...]
    found: tuple[int, ...]

    def order(self, answers: NDArray[np.float64]) -> list[str]:
        """What the search found, ordered by the answers, shape (n skus,); ties keep the search's order."""
        by_answer = np.argsort(-answers[list(self.found)], kind="stable")
        return [self.skus[self.found[at]] for at in by_answer.tolist()]


class RerankerValidation:
    """Has rerankers judge the held-out queries, always with the same items. Raises InputError if nothing can be
    measured."""

    def __init__(
        self, queries: Sequence[TuningQuery], random_negatives: Sequence[str], candidates: CandidateCache, *, seed: int
    ) -> None:
        rng = random.Random(seed)
        self._candidates = candidates
        self._samples = [samples_of(query, random_negatives, rng) for query in queries]
        self.n_pairs = sum(len(samples.judged) for samples in self._samples)
        if not self.n_pairs:
            raise InputError(
                "The held-out queries have no negatives: every item is relevant to them.",
                remedy="Judge queries that only some of the catalog answers.",
            )
        self.ndcg_of_search = self._ndcg([samples.query.retrieved for samples in self._samples])

    def score(self, reranker: Reranker) -> RerankerScore:
        """Have every item judged and measure the answers. Blocks. Raises RerankerError."""
        yes = [self._judged(reranker, samples) for samples in self._samples]
        pairs = [
            (answers[at], is_relevant)
            for answers, samples in zip(yes, self._samples, strict=True)
            for at, is_relevant in samples.judged
        ]
        scores, truth = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
        orders = [samples.order(answers) for answers, samples in zip(yes, self._samples, strict=True)]
        return RerankerScore(balanced_accuracy(scores, truth), area_under_curve(scores, truth), self._ndcg(orders))

    def _judged(self, reranker: Reranker, samples: ValidationSamples) -> NDArray[np.float64]:
        """P(yes) of every item of a query, one half for items without image and text."""
        candidates = self._candidates.of(samples.skus)
        visible = [
            candidate or RerankCandidate(sku, None) for sku, candidate in zip(samples.skus, candidates, strict=True)
        ]
        answers = reranker.judge(visible, [samples.query.statement], Deadline.within(NO_HURRY_S))[:, 0]
        return np.nan_to_num(answers.astype(np.float64), nan=0.5)

    def _ndcg(self, orders: Sequence[Sequence[str]]) -> float:
        return float(
            measure(orders, [samples.query.grades for samples in self._samples], ["ndcg@10"])["ndcg@10"].mean()
        )


def samples_of(query: TuningQuery, random_negatives: Sequence[str], rng: random.Random) -> ValidationSamples:
    """The pairs of a query, drawn as for training, and what the search found."""
    judged = {pair.sku: pair.is_relevant for duo in duos_of(query, random_negatives, rng) for pair in duo}
    skus = tuple(dict.fromkeys((*query.retrieved, *judged)))
    at = {sku: position for position, sku in enumerate(skus)}
    return ValidationSamples(
        query,
        skus,
        tuple((at[sku], is_relevant) for sku, is_relevant in judged.items()),
        tuple(at[sku] for sku in query.retrieved),
    )
