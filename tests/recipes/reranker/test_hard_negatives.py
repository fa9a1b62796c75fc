"""Lookalikes: products whose vectors are near each other share one, drawn anew each time."""

import torch
from torch.nn.functional import normalize

from recipes.reranker.statements import ALIKE, HardNegatives


def test_products_with_similar_images_share_a_cluster() -> None:
    rng = torch.Generator().manual_seed(0)
    kinds = torch.arange(20 * ALIKE) % 4
    vectors = normalize(torch.eye(8)[kinds] + 0.02 * torch.randn(len(kinds), 8, generator=rng))
    negatives = HardNegatives(vectors)
    everything = torch.arange(len(kinds))
    numbers, again = negatives.clusters(everything, rng), negatives.clusters(everything, rng)
    assert numbers != again
    for number in set(numbers):
        assert len({int(kind) for kind, other in zip(kinds, numbers, strict=True) if other == number}) == 1


def test_a_product_drawn_twice_has_its_cluster_twice() -> None:
    negatives = HardNegatives(torch.eye(64))
    first, second, _ = negatives.clusters(torch.tensor([5, 5, 7]), torch.Generator().manual_seed(1))
    assert first == second
