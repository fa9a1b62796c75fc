"""The report of a run: one HTML file that needs no other, nor JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from evaluation.comparison import Comparison, Pair
from evaluation.metrics import DEPTH, LABELS
from evaluation.reliability import FIRST_HITS
from evaluation.report.gallery import Gallery, Tile, photo
from evaluation.requirements import Check
from evaluation.run import ALL, Result, Run
from search.home import Home

HEADLINE = ("ndcg@10", "mrr", "p@1", "r@10")
N_WORST = 12
N_WORST_EACH = 4
"""Worst queries shown of a run of one kind, and of each kind where there are several."""

N_MOVED = 8
N_EXPECTED = 10
N_CAME = 10
N_COMPARED = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """A tile in a ranking. ``rank`` is None where the item was not found at all."""

    tile: Tile
    rank: int | None
    is_relevant: bool
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query looks like: its words, its picture as a data URI, or both."""

    text: str
    picture: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A query that went badly: what was expected and not on the first page, and what came."""

    result: Result
    asked: Asked
    expected: Sequence[Shown]
    came: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class Move:
    """A query that won or lost against another run, with the first hits of both."""

    pair: Pair
    asked: Asked
    before: Sequence[Shown]
    after: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A comparison, with the queries that lost and won most."""

    comparison: Comparison
    losses: Sequence[Move]
    wins: Sequence[Move]


def write_report(
    path: Path, home: Home, run: Run, *, comparisons: Sequence[Comparison] = (), checks: Sequence[Check] = ()
) -> None:
    """Write a run's report; the charts of its metrics show the first comparison too. Blocks while thumbnails are made.
    Raises OSError."""
    gallery = Gallery(home)
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
        loader=PackageLoader("evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def worst(run: Run) -> list[Result]:
    """The queries that went worst, of each kind, those first that had the most to find. None that is perfect."""
    kinds = dict.fromkeys(result.kind for result in run.results)
    n_each = N_WORST if len(kinds) == 1 else N_WORST_EACH
    chosen: list[Result] = []
    for kind in kinds:
        failed = [result for result in run.results if result.kind == kind and result.metrics["ndcg@10"] < 1]
        chosen += sorted(failed, key=badness)[:n_each]
    return chosen


def badness(result: Result) -> tuple[float, float, int]:
    return result.metrics["ndcg@10"], result.metrics["mrr"], -result.n_relevant


def failure(gallery: Gallery, result: Result) -> Failure:
    ranks = {sku: rank for rank, sku in enumerate(result.ranking, start=1)}
    return Failure(
        result,
        asked(gallery, result),
        expected=[Shown(gallery.tile(sku), ranks.get(sku), True) for sku in result.missed[:N_EXPECTED]],
        came=hits(gallery, result, N_CAME),
    )


def contrast(gallery: Gallery, comparison: Comparison) -> Contrast:
    return Contrast(
        comparison,
        losses=[move(gallery, pair) for pair in comparison.losses[:N_MOVED]],
        wins=[move(gallery, pair) for pair in comparison.wins[:N_MOVED]],
    )


def move(gallery: Gallery, pair: Pair) -> Move:
    return Move(
        pair,
        asked(gallery, pair.after),
        hits(gallery, pair.before, N_COMPARED),
        hits(gallery, pair.after, N_COMPARED),
    )


def asked(gallery: Gallery, result: Result) -> Asked:
    if result.sku:
        tile = gallery.tile(result.sku)
        return Asked(tile.title or tile.sku, tile.picture)
    if not result.image:
        return Asked(result.text, "")
    picture = Path(result.image)
    return Asked(result.text or picture.name, photo(picture))


def hits(gallery: Gallery, result: Result, n_hits: int) -> list[Shown]:
    rows = zip(result.ranking[:n_hits], result.relevance, result.confidences, strict=False)
    return [
        Shown(gallery.tile(sku), rank, grade > 0, confidence)
        for rank, (sku, grade, confidence) in enumerate(rows, start=1)
    ]
