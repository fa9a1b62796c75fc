import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from vitrina.tuning.encoder.trainer import contrastive_loss, sigmoid_loss


def unit(n: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_with_one_true_pair_each_it_is_clips_loss() -> None:
    images, texts, scale = unit(5, 0), unit(5, 1), torch.tensor(10.0)
    logits, target = scale * images @ texts.T, torch.arange(5)
    expected = (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2
    loss = contrastive_loss(images, texts, torch.eye(5, dtype=torch.bool), scale)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_products_that_share_a_caption_do_not_push_it_away() -> None:
    same, other = unit(2, 0)[:1], unit(2, 0)[1:]
    images = torch.cat([same, same, other])
    texts = torch.cat([same, other])
    shared = torch.tensor([[1, 0], [1, 0], [0, 1]], dtype=torch.bool)
    only_one = torch.tensor([[1, 0], [0, 1], [0, 1]], dtype=torch.bool)
    scale = torch.tensor(50.0)
    assert contrastive_loss(images, texts, shared, scale) < contrastive_loss(images, texts, only_one, scale)


def test_a_caption_that_is_true_of_nothing_is_no_nan() -> None:
    matches = torch.tensor([[1, 0], [1, 0]], dtype=torch.bool)
    assert torch.isfinite(contrastive_loss(unit(2, 0), unit(2, 1), matches, torch.tensor(10.0)))


def test_the_sigmoid_loss_is_the_mean_over_images_of_every_pair_judged_alone() -> None:
    images, texts = normalize(torch.randn(3, 4), dim=-1), normalize(torch.randn(5, 4), dim=-1)
    matches = torch.rand(3, 5) < 0.4
    scale, bias = torch.tensor(7.0), torch.tensor(-3.0)
    signs = matches.float() * 2 - 1
    by_hand = -torch.log(torch.sigmoid(signs * (scale * images @ texts.T + bias))).sum() / 3
    torch.testing.assert_close(sigmoid_loss(images, texts, matches, scale, bias), by_hand)
