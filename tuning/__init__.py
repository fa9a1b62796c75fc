"""Tuning an encoder or a reranker on a shop's own rows; the losses and towers to choose from."""

from __future__ import annotations

from enum import StrEnum


class Loss(StrEnum):
    """The softmax loss of CLIP, or the sigmoid loss of SigLIP."""

    CLIP = "clip"
    SIGLIP = "siglip"


class TunedTower(StrEnum):
    """The tower of an encoder that embeds images, or the one that embeds texts."""

    IMAGE = "image"
    TEXT = "text"
