"""Measures of answers against what is true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.requirements.colours import colour_of
from search.requirements.spelling import split


def balanced_accuracy(probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The mean of the shares of true claims held true and of false ones held false, at one half; both shape (n,)."""
    held = probabilities >= 0.5
    return float((held[truth].mean() + (~held[~truth]).mean()) / 2)


def area_under_curve(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """How often a true claim scores above a false one, ties counted half; both shape (n,)."""
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


def same_family(one: str, other: str) -> bool:
    """Whether two names of colours are one, or share a family: navy and blue, cream and white."""
    return bool(_families(one) & _families(other))


def mean(values: Sequence[float]) -> float:
    """NaN where there are none."""
    return float(np.mean(values)) if len(values) else float("nan")


def _families(name: str) -> set[str]:
    colour = colour_of(split(name))
    return {family for family, _ in colour.families} if colour else {name.lower()}
