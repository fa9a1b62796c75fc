"""Tuning an encoder or a reranker on a shop's own rows, and what a run may choose between."""

from __future__ import annotations

from enum import StrEnum


class Loss(StrEnum):
    """The softmax loss of CLIP, or the sigmoid loss of SigLIP."""

    CLIP = "clip"
    SIGLIP = "siglip"


class TunedTower(StrEnum):
    """The half of a model that embeds pictures, or the one that embeds texts."""

    IMAGE = "image"
    TEXT = "text"
