"""What a service answers, as plain frozen data. Fields that a newer service adds are left out, but for ``raw``."""

from __future__ import annotations

import base64
import html
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from vitrina.search.types.currencies import price_text

T = TypeVar("T")

Json = Mapping[str, Any]


def read(kind: type[T], value: Any) -> T:
    """A value of JSON as a type: a dataclass, or a list, a mapping or an option of such. Raises KeyError for a field
    that is missing and has no default."""
    origin, arguments = get_origin(kind), get_args(kind)
    if value is None or kind is Any:
        return value  # type: ignore[no-any-return]
    if origin in (Union, types.UnionType):
        kinds = [each for each in arguments if each is not type(None)]
        return read(kinds[0], value) if len(kinds) == 1 else value  # type: ignore[no-any-return]
    if origin is tuple:
        return tuple(read(arguments[0], each) for each in value)  # type: ignore[return-value]
    if not is_dataclass(kind):
        return value  # type: ignore[no-any-return]
    hints = hints_of(kind)
    given = {each.name: read(hints[each.name], value[each.name]) for each in fields(kind) if each.name in value}
    if "raw" in hints:
        given["raw"] = value
    return kind(**given)


@cache
def hints_of(kind: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return get_type_hints(kind)


@dataclass(frozen=True, slots=True)
class ItemVariant:
    """One form in which an item is sold, such as a size in a colour. ``title`` is its own, empty if it is called as the
    item is."""

    sku: str
    options: Mapping[str, str | int | float | bool]
    price_cents: int | None = None
    currency: str | None = None
    identifiers: tuple[str, ...] = ()
    url: str | None = None
    image_url: str | None = None
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogItem:
    """An item as the catalog has it. ``price_cents`` is the lowest price of its variants; ``raw`` is all that the
    service said of it."""

    sku: str
    title: str
    description: str
    attributes: Mapping[str, Any]
    price_cents: int | None = None
    max_price_cents: int | None = None
    currency: str | None = None
    url: str | None = None
    image_url: str | None = None
    image_urls: tuple[str, ...] = ()
    variants: tuple[ItemVariant, ...] = ()
    raw: Json = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class HitVerdict:
    """Whether a hit meets one requirement of the query: ``met``, ``contradicted`` or ``unknown``."""

    requirement: str
    status: str
    probability: float
    evidence: str
    catalog_value: str | None = None
    image_value: str | None = None
    disagreement: str | None = None


@dataclass(frozen=True, slots=True)
class HitExplanation:
    """The verdicts in one or two sentences, written by the ``model`` or from a ``template``."""

    text: str
    written_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit(CatalogItem):
    """An item found. ``score``, 0 to 1, compares hits of one query; ``confidence`` is the probability that this is what
    was asked for, None where the encoder is not calibrated. ``title`` is that of the ``variant`` that fits where it has
    one of its own, and ``item_title`` the item's. ``image`` is its picture, once it was loaded."""

    score: float
    rank: int
    confidence: float | None = None
    certain: bool = False
    variant: ItemVariant | None = None
    item_title: str = ""
    twins: tuple[str, ...] = ()
    verdicts: tuple[HitVerdict, ...] = ()
    explanation: HitExplanation | None = None
    rerank_status: str = "not_asked"
    retrieval_rank: int | None = None
    image: bytes | None = field(default=None, repr=False, compare=False)

    def _repr_html_(self) -> str:
        return f'<div style="{GRID}">{card(self)}</div>'


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[SearchHit]):
    """The hits of a search, best first; it is a sequence of them, and shows their pictures in notebooks.
    ``rerank_status`` says whether a vision-language model judged them, ``rerank_note`` why not; ``corrected`` has, by
    words of the query that no item has, the catalog's words that were taken in their place."""

    hits: tuple[SearchHit, ...]
    n_candidates: int
    no_good_match: bool
    timings_ms: Mapping[str, float]
    rerank_status: str = "not_asked"
    reranker: str | None = None
    rerank_note: str = ""
    corrected: Mapping[str, str] = field(default_factory=dict)
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    def __getitem__(self, at: Any) -> Any:
        return self.hits[at]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[SearchHit]:
        return iter(self.hits)

    def _repr_html_(self) -> str:
        note = "<p>Nothing in the catalog seems to be what was asked for.</p>" if self.no_good_match else ""
        return f'{note}<div style="{GRID}">{"".join(map(card, self.hits))}</div>'


@dataclass(frozen=True, slots=True)
class StreamedResult:
    """One part of an answer as it comes: ``retrieved`` or ``reranked`` with a ``result``, ``explanation`` with the sku
    of a hit and its ``explanation``, and ``done``."""

    event: str
    result: SearchResult | None = None
    sku: str | None = None
    explanation: HitExplanation | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RankReport:
    """Why an item is, or is not, among the hits of a search, in a sentence; ``raw`` has every part of it."""

    sku: str
    sentence: str = ""
    rank: int | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class QuerySuggestion:
    """A query that a shopper may be about to type, and how many items have all of it."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """A page of the catalog's items; ``next_cursor`` is that of the next one."""

    items: tuple[CatalogItem, ...]
    total: int
    next_cursor: str | None = None
    sources: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceProblem:
    """Why something failed, and what to do."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class OperationResult:
    """What came of one operation of a batch: ``created``, ``replaced``, ``deleted``, ``not_found`` or ``failed``."""

    op: str
    sku: str
    status: str
    error: ServiceProblem | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A result for each operation, in their order."""

    results: tuple[OperationResult, ...]
    n_failed: int


@dataclass(frozen=True, slots=True)
class ImportNumbers:
    """How far an import is, in rows."""

    n_total: int | None
    n_rows: int
    n_done: int
    n_added: int
    n_updated: int
    n_unchanged: int
    n_rejected: int
    n_images: int
    n_failed_images: int
    n_deleted: int
    per_second: float | None = None
    seconds_left: float | None = None
    slowest_stage: str = ""


@dataclass(frozen=True, slots=True)
class LeftOutRows:
    """Rows, or cells of one column, left out for one reason."""

    n: int
    origin: str
    reason: str
    remedy: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class ImportJob:
    """An import: its ``status`` (``waiting``, ``running``, ``done``, ``failed``, ``cancelled``, ``interrupted``), what
    it does, and at its end the ``report`` of ``vitrina index``, or the error."""

    id: int
    status: str
    stage: str
    source: str
    progress: ImportNumbers
    left_out: tuple[LeftOutRows, ...] = ()
    n_dead_letters: int = 0
    note: str = ""
    report: Json | None = None
    error: ServiceProblem | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.status not in ("waiting", "running")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that was rejected, or an image that an item was indexed without."""

    origin: str
    reason: str
    remedy: str
    sku: str | None = None
    n_rows: int = 1


GRID = "display:flex;flex-wrap:wrap;gap:12px;font-family:sans-serif;font-size:12px"
CARD = "width:150px;overflow-wrap:anywhere"
IMAGE_STYLE = "width:150px;height:150px;object-fit:contain;background:#f4f4f4"


def card(hit: SearchHit) -> str:
    """A hit as HTML: picture, title, price, confidence and explanation; nothing in it is read as anything but text."""
    lines = [f"{hit.rank}. <b>{html.escape(hit.title or hit.sku)}</b>", html.escape(hit.sku)]
    if hit.price_cents is not None:
        lines.append(html.escape(price_text(hit.price_cents, hit.currency)))
    if hit.confidence is not None:
        lines.append(f"{hit.confidence:.0%} sure")
    if hit.explanation is not None:
        lines.append(f"<i>{html.escape(hit.explanation.text)}</i>")
    return f'<div style="{CARD}">{image_html(hit)}<br>{"<br>".join(lines)}</div>'


def image_html(hit: SearchHit) -> str:
    """The hit's picture: the loaded bytes, or else its address."""
    source = hit.image_url or ""
    if hit.image is not None:
        source = f"data:image/jpeg;base64,{base64.b64encode(hit.image).decode()}"
    if not source.startswith(("http://", "https://", "data:image/")):
        return f'<div style="{IMAGE_STYLE}"></div>'
    return f'<img style="{IMAGE_STYLE}" src="{html.escape(source)}" alt="{html.escape(hit.title)}">'


def with_addresses(result: SearchResult, base_url: str) -> SearchResult:
    """The result with whole addresses of pictures, as notebooks need them."""
    return replace(result, hits=tuple(addressed(hit, base_url) for hit in result.hits))


def addressed(hit: SearchHit, base_url: str) -> SearchHit:
    """A hit with whole addresses of its pictures."""

    def whole(url: str) -> str:
        return base_url + url if url.startswith("/") else url

    image_url = None if hit.image_url is None else whole(hit.image_url)
    return replace(hit, image_url=image_url, image_urls=tuple(map(whole, hit.image_urls)))
