"""The objective: what a training step makes smaller, from contrastive losses and supervised heads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from training.heads import LabelHeads
from training.loss import contrastive_loss, likeness_loss, sigmoid_loss

MAX_SCALE = 100.0
"""Largest inverse temperature, as in CLIP (arXiv 2103.00020)."""


LIKENESS_SCALE = 12.0
"""Inverse temperature of the likeness loss, near where the contrastive loss's own settles (14)."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How much each loss counts; 0 leaves it out. ``likeness`` draws pictures of one finest class together."""

    softmax: float = 1.0
    sigmoid: float = 0.0
    heads: float = 1.0
    likeness: float = 0.0


class Objective(torch.nn.Module):
    """A weighted sum of losses, with the parameters that are of use in training alone. ``mix`` may change meanwhile.

    The sigmoid loss takes the temperature and the bias of a model that has both, as SigLIP's have. Its own start at
    SigLIP's temperature of 10 and, at -6, nearer the odds of a true pair here than its -10: a product answers several
    of a batch's captions.
    """

    def __init__(self, mix: Mix, heads: LabelHeads | None) -> None:
        super().__init__()
        self.mix = mix
        self.heads = heads
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
        """One number. ``images`` (n, d), ``texts`` (m, d), unit rows; ``matches`` (n, m); ``indices`` (n,) positions of
        the products; ``logit_scale``, a logarithm, and ``logit_bias`` are the model's own."""
        loss = images.new_zeros(())
        if self.mix.softmax:
            scale = logit_scale.exp().clamp(max=MAX_SCALE)
            loss = loss + self.mix.softmax * contrastive_loss(images, texts, matches, scale)
        if self.mix.sigmoid:
            log_scale, bias = (self.log_scale, self.bias) if logit_bias is None else (logit_scale, logit_bias)
            loss = loss + self.mix.sigmoid * sigmoid_loss(images, texts, matches, log_scale.exp(), bias)
        if self.mix.heads and self.heads is not None:
            loss = loss + self.mix.heads * self.heads(images, indices)
        if self.mix.likeness and self.heads is not None:
            finest = self.heads.table.column("finest")[indices].to(images.device)
            loss = loss + self.mix.likeness * likeness_loss(images, finest, LIKENESS_SCALE)
        return loss
