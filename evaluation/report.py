"""Reports: a run, or an audit, as one HTML file that needs no other, nor JavaScript."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from vitrina.evaluation.comparison import Comparison, GateResult, RunPair
from vitrina.evaluation.judged_search import read_image
from vitrina.evaluation.metrics import DEPTH, FIRST_HITS, LABELS
from vitrina.evaluation.run import ALL, Run, ScoredQuery
from vitrina.search.audit.audit import AuditSummary, LabelError
from vitrina.search.store.images import ImageStore, media_type
from vitrina.search.store.store import Store
from vitrina.search.types.errors import ImageError, NotFoundError

MAX_SHOWN = 400
"""Items shown of one field, each with an image of about 14 kB."""


@dataclass(frozen=True, slots=True)
class ShownLabelError:
    """A label error with the item's image as a data URI, empty if it is gone."""

    label_error: LabelError
    image: str


@dataclass(frozen=True, slots=True)
class Section:
    """One field: how many items were checked, how many label errors were found, and the most certain of these."""

    field: str
    n_checked: int
    n_found: int
    shown: Sequence[ShownLabelError]


def write_audit(
    path: Path, images: ImageStore, summary: AuditSummary, *, reranker: str, notes: Sequence[str] = ()
) -> None:
    """Write what an audit found, by field, the most certain first. Blocks while thumbnails are made. Raises OSError."""
    page = templates().get_template("audit.html.jinja")
    html = page.render(
        sections=[section(images, summary, field) for field in summary.fields],
        n_found=len(summary.label_errors()),
        n_items=summary.n_items,
        reranker=reranker,
        notes=(*summary.sentences(), *notes),
        audited_at=datetime.now(UTC),
    )
    path.write_text(html, encoding="utf-8")


def section(images: ImageStore, summary: AuditSummary, field: str) -> Section:
    found = summary.label_errors(field)
    shown = [ShownLabelError(each, image_of(images, each.image_id)) for each in found[:MAX_SHOWN]]
    return Section(field, summary.checked[field], len(found), shown)


def image_of(images: ImageStore, image_id: str) -> str:
    """A thumbnail as a data URI; empty if the image is gone since the audit."""
    with suppress(NotFoundError, ImageError):
        return data_uri(images.thumbnail(image_id, THUMBNAIL_PX))
    return ""


THUMBNAIL_PX = 256
"""Tiles are 112 CSS pixels wide at most; twice that on a sharp screen. A JPEG of it takes about 10 KB."""


@dataclass(frozen=True, slots=True)
class ItemTile:
    """An item to show. ``image`` is a data URI, empty if there is none."""

    sku: str
    title: str
    image: str


class Gallery:
    """Tiles of a store's items by sku, each made once. Blocks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tiles: dict[str, ItemTile] = {}

    def tile(self, sku: str) -> ItemTile:
        """An item's tile; without an image if the item is gone or has none."""
        if sku not in self._tiles:
            self._tiles[sku] = self._made(sku)
        return self._tiles[sku]

    def _made(self, sku: str) -> ItemTile:
        try:
            stored = self._store.catalog.item(sku)
        except NotFoundError:
            return ItemTile(sku, "no longer in the catalog", "")
        image = ""
        with suppress(NotFoundError, ImageError):
            if stored.image_ids:
                image = data_uri(self._store.images.thumbnail(stored.image_ids[0], THUMBNAIL_PX))
        return ItemTile(sku, stored.item.title, image)


def photo(path: Path) -> str:
    """A query's own image as a data URI, small; empty if the file is gone since the run."""
    try:
        pixels = read_image(path)
    except ImageError:
        return ""
    pixels.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    file = io.BytesIO()
    pixels.save(file, "JPEG", quality=85)
    return data_uri(file.getvalue())


def data_uri(data: bytes) -> str:
    """Image bytes as a ``data:`` URI (RFC 2397)."""
    return f"data:{media_type(data)};base64,{base64.b64encode(data).decode()}"


HEADLINE = ("ndcg@10", "mrr", "p@1", "r@10")
N_WORST = 12
N_WORST_EACH = 4
"""Worst queries shown of a run of one kind, and of each kind where there are several."""

N_MOVED = 8
N_EXPECTED = 10
N_CAME = 10
N_PAIR_HITS = 5


@dataclass(frozen=True, slots=True)
class ShownHit:
    """A tile in a ranking. ``rank`` is None if the item was not found at all."""

    tile: ItemTile
    rank: int | None
    is_relevant: bool
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class ShownQuery:
    """A query to show: its text, its image as a data URI, or both."""

    text: str
    image: str


@dataclass(frozen=True, slots=True)
class ShownFailure:
    """A query with a bad ranking: what was expected and is not on the first page, and what came instead."""

    result: ScoredQuery
    asked: ShownQuery
    expected: Sequence[ShownHit]
    came: Sequence[ShownHit]


@dataclass(frozen=True, slots=True)
class ShownPair:
    """A query that won or lost against another run, with the first hits of both."""

    pair: RunPair
    asked: ShownQuery
    before: Sequence[ShownHit]
    after: Sequence[ShownHit]


@dataclass(frozen=True, slots=True)
class ShownComparison:
    """A comparison, with the queries that lost and won most."""

    comparison: Comparison
    losses: Sequence[ShownPair]
    wins: Sequence[ShownPair]


def write_report(
    path: Path, store: Store, run: Run, *, comparisons: Sequence[Comparison] = (), checks: Sequence[GateResult] = ()
) -> None:
    """Write a run's report; the charts of its metrics show the first comparison too. Blocks while thumbnails are made.
    Raises OSError."""
    gallery = Gallery(store)
    page = templates().get_template("page.html.jinja")
    html = page.render(
        run=run,
        kinds=[summary for summary in run.summaries if summary.kind != ALL],
        headline=HEADLINE,
        labels=LABELS,
        depth=DEPTH,
        first_hits=FIRST_HITS,
        checks=checks,
        contrasts=[contrast(gallery, comparison) for comparison in comparisons],
        worst=[failure(gallery, result) for result in worst(run)],
    )
    path.write_text(html, encoding="utf-8")


@cache
def templates() -> Environment:
    return Environment(
        loader=PackageLoader("vitrina.evaluation", "report_templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def worst(run: Run) -> list[ScoredQuery]:
    """The queries that went worst, of each kind, those first that had the most to find. None that is perfect."""
    kinds = dict.fromkeys(result.kind for result in run.results)
    n_each = N_WORST if len(kinds) == 1 else N_WORST_EACH
    chosen: list[ScoredQuery] = []
    for kind in kinds:
        failed = [result for result in run.results if result.kind == kind and result.metrics["ndcg@10"] < 1]
        chosen += sorted(failed, key=badness)[:n_each]
    return chosen


def badness(result: ScoredQuery) -> tuple[float, float, int]:
    return result.metrics["ndcg@10"], result.metrics["mrr"], -result.n_relevant


def failure(gallery: Gallery, result: ScoredQuery) -> ShownFailure:
    ranks = {sku: rank for rank, sku in enumerate(result.ranking, start=1)}
    return ShownFailure(
        result,
        asked(gallery, result),
        expected=[ShownHit(gallery.tile(sku), ranks.get(sku), True) for sku in result.missed[:N_EXPECTED]],
        came=hits(gallery, result, N_CAME),
    )


def contrast(gallery: Gallery, comparison: Comparison) -> ShownComparison:
    return ShownComparison(
        comparison,
        losses=[move(gallery, pair) for pair in comparison.losses[:N_MOVED]],
        wins=[move(gallery, pair) for pair in comparison.wins[:N_MOVED]],
    )


def move(gallery: Gallery, pair: RunPair) -> ShownPair:
    return ShownPair(
        pair,
        asked(gallery, pair.after),
        hits(gallery, pair.before, N_PAIR_HITS),
        hits(gallery, pair.after, N_PAIR_HITS),
    )


def asked(gallery: Gallery, result: ScoredQuery) -> ShownQuery:
    if result.sku:
        tile = gallery.tile(result.sku)
        return ShownQuery(tile.title or tile.sku, tile.image)
    if not result.image:
        return ShownQuery(result.text, "")
    image = Path(result.image)
    return ShownQuery(result.text or image.name, photo(image))


def hits(gallery: Gallery, result: ScoredQuery, n_hits: int) -> list[ShownHit]:
    rows = zip(result.ranking[:n_hits], result.relevance, result.confidences, strict=False)
    return [
        ShownHit(gallery.tile(sku), rank, grade > 0, confidence)
        for rank, (sku, grade, confidence) in enumerate(rows, start=1)
    ]
