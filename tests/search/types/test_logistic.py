"""The logistic function and softmax, against scipy's."""

import numpy as np
from scipy import special

from vitrina.search.types.logistic import expit, logit, softmax

LOGITS = np.array([-800.0, -40.0, -3.0, 0.0, 0.5, 30.0, 800.0])


def test_probabilities_are_those_of_scipy() -> None:
    np.testing.assert_allclose(expit(LOGITS), special.expit(LOGITS), rtol=1e-12)
    assert float(expit(0.0)) == 0.5
    np.testing.assert_allclose(logit(expit(LOGITS[2:5])), LOGITS[2:5], rtol=1e-12)


def test_shares_are_those_of_scipy() -> None:
    scores = np.random.default_rng(0).normal(size=(4, 7)) * 500
    for axis in (None, 0, 1):
        np.testing.assert_allclose(softmax(scores, axis), special.softmax(scores, axis), rtol=1e-12, atol=1e-300)
