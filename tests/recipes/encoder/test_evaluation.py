import numpy as np
import pytest

from recipes.encoder.evaluation import precision_at_ten, same_article_first
from recipes.encoder.labels import LabelledProduct


def test_precision_is_capped_at_the_number_of_relevant_products() -> None:
    similarities = np.array([[0.9, 0.8, 0.1, 0.7], [0.9, 0.8, 0.1, 0.7]], dtype=np.float32)
    assert precision_at_ten(similarities, [[0, 1], [0, 2]]) == pytest.approx((1.0 + 0.5) / 2)


def test_only_the_ten_best_count() -> None:
    similarities = np.linspace(1, 0, 40, dtype=np.float32)[None]
    assert precision_at_ten(similarities, [list(range(5, 40))]) == pytest.approx(0.5)


def test_a_photo_counts_when_its_nearest_other_shows_the_same_article() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], dtype=np.float32)
    products = [LabelledProduct(str(at), kinds=(article,)) for at, article in enumerate(("mug", "mug", "bag", "cap"))]
    assert same_article_first(vectors, products) == 0.5
