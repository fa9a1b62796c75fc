"""Requirements of a query, verdicts on them for one candidate, and the explanation written from verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vitrina.search.types.filters import Range


class RequirementSource(StrEnum):
    """Which part of a query a requirement was read from."""

    WORDS = "words"
    PHOTO = "photo"
    ITEM = "item"
    """An item that the query resembles."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one part of a query asks of a product.

    ``words`` is what the shopper wrote ("navy"), or what the photo or the item shows that is its ``source``. ``field``
    is the catalog's field and ``values`` are those of its values, as the catalog writes them, that satisfy it; both are
    empty for a free requirement, words that the catalog knows no value for. With ``wanted`` false the product must not
    be so.

    ``narrower`` are those of ``values`` that the words do not name but include: Navy Blue for "blue", Rain Jacket for
    "jacket", Unisex for "men". The others are exactly what was asked for, and come first. Values compare as
    ``search.types.filters.facet_value`` folds them, since items may write them differently. A requirement of the price
    has ``bounds`` in place of values. ``synonyms`` are what a thing that meets it may be called, the words first.
    """

    words: str
    field: str = ""
    values: tuple[str, ...] = ()
    wanted: bool = True
    narrower: tuple[str, ...] = ()
    source: RequirementSource = RequirementSource.WORDS
    bounds: Range | None = None
    synonyms: tuple[str, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether only the product's image, and no field of the catalog, can tell if it is met."""
        return not self.field

    @property
    def name(self) -> str:
        """For people: ``colour: navy``, ``pattern: not striped``, ``not see-through``, ``price: under 50 euros``."""
        asked = self.words if self.wanted else f"not {self.words}"
        field = "price" if self.bounds else self.field
        return f"{field}: {asked}" if field else asked


class Status(StrEnum):
    """Whether a requirement is fulfilled."""

    MET = "met"
    CONTRADICTED = "contradicted"
    UNKNOWN = "unknown"


class Evidence(StrEnum):
    """What a verdict is based on."""

    FIELD = "field"
    IMAGE = "image"
    BOTH = "both"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One requirement of one candidate.

    ``probability`` is the probability that the requirement is met, including its negation. ``catalog_value`` is
    what the catalog says and ``image_value`` what the image looks like, None if unknown; ``catalog_agrees`` where the
    catalog says that the requirement's words are true of the product, whether they are wanted or not.
    """

    requirement: Requirement
    status: Status
    probability: float
    evidence: Evidence
    catalog_value: str | None = None
    image_value: str | None = None
    disagreement: str | None = None
    """How listing and image disagree, in words: ``listing says Navy Blue, photo looks black``."""
    catalog_agrees: bool = False


class Author(StrEnum):
    """Who wrote an explanation."""

    MODEL = "model"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a hit matches or does not; ``written_by`` the model if every word of it is supported by a verdict, else by
    template."""

    text: str
    written_by: Author
