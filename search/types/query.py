"""A query: what a shopper asks for, and how it is reranked, checked against the limits."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from PIL import Image

from vitrina.search.types.errors import QueryError
from vitrina.search.types.filters import PRICE, Condition

WINDOW = 1000
"""The last rank that can be paged to. Candidates are gathered to this depth for every page, so that pages neither
repeat nor skip an item."""

MAX_OFFSET = 1_000_000_000
"""Browsing may page through the whole catalog; databases count rows in 64 bits."""

MAX_TEXT_CHARS = 2000

UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
"""Control characters and lone surrogates: no word holds them, and databases and tokenizers choke on them."""

MAX_IMAGES = 8


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of a query counts, relative to the others; all 0 or more.

    ``without`` is below 1 by default, so that an item which is what was asked for, and a little like what was excluded,
    still beats an item that is neither.
    """

    text: float = 1.0
    image: float = 1.0
    without: float = 0.5

    def __post_init__(self) -> None:
        for name in ("text", "image", "without"):
            weight = getattr(self, name)
            if not (math.isfinite(weight) and 0 <= weight <= 10):
                raise QueryError(f"The weight {name} is {weight}.", remedy="Give weights between 0 and 10.")


@dataclass(frozen=True, slots=True)
class SortOrder:
    """The order of the hits: by the numbers that items have in a ``field``, from the lowest up, or ``descending`` from
    the highest down; or by relevance or age, where ``field`` is empty.

    An item with several numbers counts by the one that brings it forward. Items of one number are ordered by age, the
    oldest first; by another field than the price descending the newest first, as its index has them. Items without a
    number come last in both directions. Amounts in several currencies are compared by their numbers.
    """

    name: str
    field: str = ""
    descending: bool = False


RELEVANCE = SortOrder("relevance")
PRICE_ASC = SortOrder("price_asc", PRICE)
PRICE_DESC = SortOrder("price_desc", PRICE, descending=True)
NEWEST = SortOrder("newest")
"""By when items were first indexed, whatever was changed since."""

NAMED_ORDERS = {order.name: order for order in (RELEVANCE, PRICE_ASC, PRICE_DESC, NEWEST)}


@dataclass(frozen=True, slots=True)
class Query:
    """Words, images, items to resemble (``skus``) and words to avoid (``without``).

    Without the first three it browses: every item that passes the ``filters`` is found, the newest first unless
    ``sort`` says otherwise. With one of them, a ``sort`` other than relevance orders the hits that are relevant.
    Items in ``exclude_skus`` are never found: "similar items" is a query that resembles a sku and excludes it.
    Hits whose confidence is under ``min_confidence``, 0 to 1, are left out; browsing has no confidences.
    With ``collapse`` an item is shown once, with the variant that fits, and so are items with the same product photo;
    without, variants and such twins are shown one by one. With ``correct`` words that seem to be mistyped are read as
    what they are likely to mean.
    Raises QueryError where it only says what to avoid, or past a limit.
    """

    text: str = ""
    images: tuple[Image.Image, ...] = ()
    skus: tuple[str, ...] = ()
    without: str = ""
    filters: tuple[Condition, ...] = ()
    weights: Weights = field(default_factory=Weights)
    limit: int = 10
    offset: int = 0
    min_confidence: float = 0.0
    exclude_skus: tuple[str, ...] = ()
    sort: SortOrder = RELEVANCE
    collapse: bool = True
    correct: bool = True

    @property
    def browses(self) -> bool:
        """Whether the query asks for items by their fields alone."""
        return not (self.text or self.images or self.skus)

    def __post_init__(self) -> None:
        for name in ("text", "without"):
            given: str = getattr(self, name)
            if len(given) > MAX_TEXT_CHARS:  # as it was sent, which is what the OpenAPI document says
                raise QueryError(
                    f"The query's {name} has {len(given)} characters; the limit is {MAX_TEXT_CHARS}.",
                    remedy="Shorten it to what matters.",
                )
            object.__setattr__(self, name, UNWRITABLE.sub(" ", given).strip())
        if self.browses and self.without:
            raise QueryError(
                "The query only says what to avoid.", remedy="Give a text, an image, or a sku to resemble."
            )
        if len(self.images) + len(self.skus) > MAX_IMAGES:
            raise QueryError(
                f"The query has {len(self.images) + len(self.skus)} images; the limit is {MAX_IMAGES}.",
                remedy="Choose the images that show best what is wanted.",
            )
        has_weight = (self.text and self.weights.text) or ((self.images or self.skus) and self.weights.image)
        if not (self.browses or has_weight):
            raise QueryError(
                "Every part of the query has the weight 0.", remedy="Give a weight above 0 to what is asked for."
            )
        if not 0 <= self.min_confidence <= 1:
            raise QueryError(
                f"The min_confidence {self.min_confidence} is no probability.", remedy="Give one between 0 and 1."
            )
        self.check_page()

    def check_page(self) -> None:
        if not 1 <= self.limit <= WINDOW:
            raise QueryError(f"The limit {self.limit} is not possible.", remedy=f"Ask for 1 to {WINDOW} hits.")
        if self.offset < 0 or (self.offset + self.limit > WINDOW and not self.browses) or self.offset > MAX_OFFSET:
            raise QueryError(
                f"Ranks {self.offset + 1} to {self.offset + self.limit} lie outside 1 to {WINDOW}.",
                remedy="Narrow the query with filters instead of paging further.",
            )


def sort_order(name: str) -> SortOrder:
    """The order of a name, or of a field with its direction: ``rating:desc``. Raises QueryError with the names and the
    form that exist."""
    field, _, direction = name.rpartition(":")
    if name in NAMED_ORDERS:
        return NAMED_ORDERS[name]
    if field and direction in ("asc", "desc"):
        return SortOrder(name, field, direction == "desc")
    raise QueryError(
        f"There is no order {name!r:.60}.",
        remedy=f"Sort by one of: {', '.join(NAMED_ORDERS)}; or by a field's numbers, as in rating:desc or year:asc.",
    )


MAX_TOP = 100
"""Shoppers do not read past the tenth page of ten, and the time grows with every candidate."""

MAX_DEADLINE_MS = 30_000
MAX_EXPLAIN = 20
MAX_EXPLAIN_MS = 60_000


@dataclass(frozen=True, slots=True)
class RerankOptions:
    """How a query is reranked. A query that is not to be reranked goes without one of these.

    The best ``top`` candidates of retrieval are judged within ``deadline_ms``, and may change places with each other;
    the first ``explain`` hits of the page are explained, all of them within ``explain_ms`` more. Both count from
    ``since``, the moment of ``time.monotonic`` at which a request arrived; from when the candidates are found where it
    is None. Raises QueryError past a limit.
    """

    top: int = 20
    deadline_ms: int = 800
    explain: int = 5
    explain_ms: int = 3_000
    since: float | None = None

    def __post_init__(self) -> None:
        limits = {
            "top": (1, MAX_TOP),
            "deadline_ms": (1, MAX_DEADLINE_MS),
            "explain": (0, MAX_EXPLAIN),
            "explain_ms": (1, MAX_EXPLAIN_MS),
        }
        for name, (least, most) in limits.items():
            asked = getattr(self, name)
            if isinstance(asked, bool) or not isinstance(asked, int) or not least <= asked <= most:
                raise QueryError(
                    f"The reranking's {name} is {asked!r:.60}.",
                    remedy=f"Give a whole number from {least:,} to {most:,}, or leave it out.",
                    details={"name": name, "least": least, "most": most},
                )

    @property
    def until(self) -> float | None:
        """When everything must be there, on ``time.monotonic``; None where ``since`` is."""
        explain_s = self.explain_ms / 1000 if self.explain else 0.0
        return None if self.since is None else self.since + self.deadline_s + explain_s

    @property
    def deadline_s(self) -> float:
        """``deadline_ms`` in seconds."""
        return self.deadline_ms / 1000
