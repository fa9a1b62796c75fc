"""Verdicts: what is known of one requirement of one candidate, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from search.requirements.requirement import Requirement


class Standing(StrEnum):
    """Whether a requirement is fulfilled."""

    MET = "met"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"


class Evidence(StrEnum):
    """What a verdict rests on."""

    FIELD = "field"
    IMAGE = "image"
    BOTH = "both"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One requirement of one candidate.

    ``probability`` is that the requirement is met, negation included. ``listed`` is what the catalog's field says and
    ``seen`` what the picture looks like, where they are known.
    """

    requirement: Requirement
    standing: Standing
    probability: float
    evidence: Evidence
    listed: str | None = None
    seen: str | None = None
    disagreement: str | None = None
    """Where listing and picture disagree, in words: ``listing says Navy Blue, photo looks black``."""
