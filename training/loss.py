"""Contrastive losses, with several true captions a picture and several true pictures a caption."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax


def contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, matches: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Softmax cross-entropy in both directions against all true pairs, equally weighted.

    ``images`` (n, d) and ``texts`` (m, d) are unit rows, ``matches`` (n, m) says what is true (a row or column without
    a true entry costs nothing), ``scale`` is the inverse temperature. With one true pair a row and column this is
    CLIP's loss (arXiv 2103.00020); equal weights over several follow SupCon (arXiv 2004.11362), "L out".
    """
    logits = scale * images @ texts.T  # (n, m)
    true = matches.to(logits.dtype)
    to_text = -(true * log_softmax(logits, dim=1)).sum(dim=1) / true.sum(dim=1).clamp(min=1)  # (n,)
    to_image = -(true * log_softmax(logits, dim=0)).sum(dim=0) / true.sum(dim=0).clamp(min=1)  # (m,)
    return (to_text.mean() + to_image.mean()) / 2


def sigmoid_loss(
    images: torch.Tensor, texts: torch.Tensor, matches: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Every pair a yes-or-no question: SigLIP's loss (arXiv 2303.15343) with any number of true pairs.

    Arguments as in ``contrastive_loss``; ``bias`` starts near the log odds of a true pair. Summed over the texts and
    divided by the number of pictures, as in the paper.
    """
    logits = scale * images @ texts.T + bias  # (n, m)
    total = binary_cross_entropy_with_logits(logits, matches.to(logits.dtype), reduction="sum")
    return total / len(images)


def likeness_loss(images: torch.Tensor, classes: torch.Tensor, scale: float) -> torch.Tensor:
    """Pictures of one class nearer to each other than to any other: SupCon (arXiv 2004.11362), "L out".

    ``images`` (n, d) unit rows; ``classes`` (n,), below 0 where unknown: such pictures are only kept apart from others.
    A picture whose class no other has costs nothing. ``scale`` is the inverse temperature.
    """
    oneself = torch.eye(len(images), dtype=torch.bool, device=images.device)
    logits = (scale * images @ images.T).masked_fill(oneself, float("-inf"))  # (n, n)
    same = (classes[:, None] == classes[None, :]) & (classes[:, None] >= 0) & ~oneself
    n_same = same.sum(dim=1)
    to_same = -log_softmax(logits, dim=1).masked_fill(~same, 0).sum(dim=1) / n_same.clamp(min=1)  # (n,)
    return to_same.sum() / (n_same > 0).sum().clamp(min=1)
