"""What a tuning run may choose between; needs none of what trains."""

from __future__ import annotations

from enum import StrEnum


class Loss(StrEnum):
    """The softmax loss of CLIP, or the sigmoid loss of SigLIP."""

    CLIP = "clip"
    SIGLIP = "siglip"


class Tower(StrEnum):
    """The half of a model that embeds pictures, or the one that embeds texts."""

    IMAGE = "image"
    TEXT = "text"
