import torch
from torch.nn.functional import normalize

from recipes.encoder.labels import likeness_loss


def test_the_likeness_loss_falls_as_images_of_one_class_come_together() -> None:
    classes = torch.tensor([0, 0, 1, 1, -1])
    together = normalize(torch.eye(5)[[0, 0, 1, 1, 2]] + 0.01, dim=-1)
    apart = normalize(torch.eye(5) + 0.01, dim=-1)
    assert likeness_loss(together, classes, 12.0) < likeness_loss(apart, classes, 12.0) / 2


def test_an_image_like_no_other_costs_nothing_and_gives_finite_gradients() -> None:
    images = normalize(torch.randn(3, 8), dim=-1).requires_grad_()
    loss = likeness_loss(images, torch.tensor([0, 1, -1]), 12.0)
    torch.autograd.backward(loss)
    assert float(loss.detach()) == 0
    assert images.grad is not None
    assert images.grad.isfinite().all()
