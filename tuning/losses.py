"""Contrastive losses of training steps: the softmax loss of CLIP and the sigmoid loss of SigLIP."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    divided by the number of images, as in the paper.
    """
    logits = scale * images @ texts.T + bias  # (n, m)
    total = binary_cross_entropy_with_logits(logits, matches.to(logits.dtype), reduction="sum")
    return total / len(images)


MAX_SCALE = 100.0
"""Largest inverse temperature, as in CLIP (arXiv 2103.00020)."""


@dataclass(frozen=True, slots=True)
class LossWeights:
    """The weight of each contrastive loss in the sum; 0 leaves it out."""

    softmax: float = 1.0
    sigmoid: float = 0.0


class ContrastiveObjective(torch.nn.Module):
    """A weighted sum of contrastive losses. ``weights`` may be replaced between epochs.

    The sigmoid loss uses the model's own temperature and bias where it has both, as SigLIP models do. Otherwise it
    trains its own, which start at SigLIP's temperature of 10 and at a bias of -6 rather than SigLIP's -10: several
    captions of a batch are true of one product, so a pair is more often true.
    """

    def __init__(self, weights: LossWeights) -> None:
        super().__init__()
        self.weights = weights
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = torch.nn.Parameter(torch.tensor(-6.0))

    def forward(
        self,
        images: torch.Tensor,
        texts: torch.Tensor,
        matches: torch.Tensor,
        indices: torch.Tensor,
        logit_scale: torch.Tensor,
        logit_bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss, a scalar. ``images`` (n, d) and ``texts`` (m, d) are unit rows, ``matches`` is (n, m), ``indices``
        (n,) are the positions of the products; ``logit_scale``, a logarithm, and ``logit_bias`` are the model's own."""
        loss = images.new_zeros(())
        if self.weights.softmax:
            scale = logit_scale.exp().clamp(max=MAX_SCALE)
            loss = loss + self.weights.softmax * contrastive_loss(images, texts, matches, scale)
        if self.weights.sigmoid:
            log_scale, bias = (self.log_scale, self.bias) if logit_bias is None else (logit_scale, logit_bias)
            loss = loss + self.weights.sigmoid * sigmoid_loss(images, texts, matches, log_scale.exp(), bias)
        return loss
