"""What is measured, against answers that are known."""

import numpy as np
import pytest

from recipes.reranker.evaluation import Evaluator, evaluate, explaining
from recipes.reranker.tasks import Lexicon
from tests.recipes.reranker.conftest import Made, grounding_corpus
from vitrina.tuning.reranker.validation import area_under_curve, balanced_accuracy, mean_recall, same_base_colour

TRUTH = np.array([True, True, False, False])


def test_balanced_accuracy_and_area() -> None:
    assert balanced_accuracy(np.array([0.9, 0.2, 0.1, 0.4]), TRUTH) == pytest.approx(0.75)
    assert area_under_curve(np.array([0.9, 0.2, 0.1, 0.4]), TRUTH) == pytest.approx(0.75)
    assert area_under_curve(np.full(4, 0.5), TRUTH) == pytest.approx(0.5)


def test_mean_recall_counts_every_label_once() -> None:
    assert mean_recall([True, True, True, False], ["casual"] * 3 + ["formal"]) == pytest.approx(0.5)


def test_shades_share_their_base_colour() -> None:
    assert same_base_colour("navy blue", "blue")
    assert same_base_colour("chartreusish", "Chartreusish")
    assert not same_base_colour("navy blue", "red")
    assert not same_base_colour("", "red")


def test_every_measure_of_a_drawn_shop(made: Made) -> None:
    corpus = grounding_corpus()
    figures = evaluate(Evaluator(made.model, made.processor), corpus.rows[1], boxes=corpus.boxes).figures
    assert figures["claims, AUC of a blank picture"] == pytest.approx(0.5, abs=0.02)
    assert {"colour, family", "gender, balanced accuracy", "boxes, mean IoU", "phrases of three, AUC in parts"} <= set(
        figures
    )
    assert all(0 <= value <= 1 for value in figures.values())


def test_explanations_are_held_against_their_facts(made: Made) -> None:
    lexicon = Lexicon.of([product for rows in grounding_corpus().rows for product in rows.products])
    figures = explaining(Evaluator(made.model, made.processor), lexicon, n=4)
    assert all(0 <= value <= 1 for value in figures.values())
