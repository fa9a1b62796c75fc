"""An explanation: verdicts in one or two sentences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Author(StrEnum):
    """Who wrote an explanation."""

    MODEL = "model"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Explanation:
    """``written_by`` the model, where it said nothing that no verdict supports, else by template."""

    text: str
    written_by: Author
