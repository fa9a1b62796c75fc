"""The towers of an open_clip model: what of them is trained."""

from __future__ import annotations

import torch

from training.tuning.choices import Tower

SMALL_MODEL = 20_000_000
"""Parameters up to which a model counts as small: it is trained in parts side by side on a CPU, and bears large steps.
The embedded encoder has 4 million, ViT-B-32 has 151 million."""


def tower_of(name: str) -> Tower | None:
    """The tower that a parameter or module of an open_clip model belongs to, by its name; None for what both share."""
    if name in ("logit_scale", "logit_bias"):
        return None
    return Tower.IMAGE if name.startswith("visual") else Tower.TEXT


def unfreeze(model: torch.nn.Module, frozen: Tower | None) -> None:
    """Let every parameter be trained but those of one tower."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.is_floating_point() and (frozen is None or tower_of(name) is not frozen))


def n_parameters(model: torch.nn.Module, *, trained: bool = False) -> int:
    """How many numbers a model has, or how many of them are trained."""
    return sum(each.numel() for each in model.parameters() if each.requires_grad or not trained)


def is_small(model: torch.nn.Module) -> bool:
    return n_parameters(model) <= SMALL_MODEL
