"""The made-up shops of ``recipes.made_up_shops``, indexed and asked as a user does it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import typer

import vitrina
from benchmarks.catalogs import Figure
from recipes.made_up_shops import FITTED, MadeUpShop, ShopQuery, plain_title, read_made_up_shops
from vitrina.evaluation import metrics
from vitrina.search.encoders.base import Encoder
from vitrina.search.types.answer import Hit

RIGHT, ACCEPTABLE = 2, 1
"""The least grades of a right item, where a query has one, and of one that is not wrong."""


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """What the search said to a query: the titles of its first hits and their confidences, and whether it said that
    nothing in the catalog seems to be what was asked for."""

    query: ShopQuery
    titles: Sequence[str]
    confidences: Sequence[float]
    is_refused: bool

    @property
    def grades(self) -> list[int]:
        """Of each hit."""
        return [self.query.grades.get(title, 0) for title in self.titles]

    @property
    def is_first_right(self) -> bool:
        """Whether the first hit is right; where no item of the shop is, whether it is acceptable."""
        return bool(self.titles) and self.grades[0] >= min(RIGHT, max(self.query.grades.values()))


def measure_made_up_shops(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Each round of shops, apart by whether words were written with a query in view. ``data`` is not needed."""
    asked: dict[tuple[int, bool], list[AskedQuery]] = defaultdict(list)
    n_shops: dict[int, int] = defaultdict(int)
    for shop in read_made_up_shops():
        n_shops[shop.round] += 1
        for each in ask(encoder, shop):
            asked[shop.round, each.query.has_guided].append(each)
    for (number, has_guided), answers in sorted(asked.items(), reverse=True):
        fitted = ", which confidences are fitted to" if number in FITTED else ""
        half = "words were written with these queries in view" if has_guided else "totals of these alone were seen"
        how = f"round {number}, {n_shops[number]} shops{fitted}; {half}"
        yield from figures(f"round {number}, {'guided' if has_guided else 'others'}", answers, how)


def ask(encoder: Encoder, shop: MadeUpShop) -> Iterator[AskedQuery]:
    """Index a shop's export as it is and ask every query."""
    with (
        TemporaryDirectory() as folder,
        vitrina.open_store(Path(folder) / "store", encoder=encoder.identity.name) as store,
    ):
        progress = store.index(shop.catalog)
        typer.echo(f"{shop.name}: {progress.n_added} items, {progress.n_rejected} rejected", err=True)
        for query in shop.queries:
            answer = store.search(query.text, limit=metrics.FIRST_HITS)
            titles = [title_graded(hit, query) for hit in answer.hits]
            yield AskedQuery(query, titles, [hit.confidence or 0.0 for hit in answer.hits], answer.no_good_match)


def title_graded(hit: Hit, query: ShopQuery) -> str:
    """What a hit is called, where that was graded; else its item's title, as grades are of either."""
    shown = plain_title(hit.title)
    return shown if shown in query.grades else plain_title(hit.item.title)


def figures(name: str, asked: Sequence[AskedQuery], how: str) -> Iterator[Figure]:
    """What the answers to some queries were worth."""
    sold, away = ([each for each in asked if bool(each.query.grades) is is_sold] for is_sold in (True, False))
    found = [list(dict.fromkeys(each.titles)) for each in sold]  # variants may share a title
    ndcg = metrics.measure(found, [each.query.grades for each in sold], ["ndcg@10"])["ndcg@10"]
    how = f"{how}; {len(sold)} queries for what is sold, {len(away)} for what is not"
    yield Figure(f"{name}, first hit right", float(np.mean([each.is_first_right for each in sold])), None, how=how)
    yield Figure(f"{name}, nDCG@10", float(ndcg.mean()), None, how=how)
    yield Figure(f"{name}, refused", float(np.mean([each.is_refused for each in sold])), None, how=how)
    yield Figure(f"{name}, not sold and told so", float(np.mean([each.is_refused for each in away])), None, how=how)
    error = metrics.reliability(
        [confidence for each in sold for confidence in each.confidences],
        [grade >= ACCEPTABLE for each in sold for grade in each.grades],
    )
    if error is not None:
        yield Figure(f"{name}, calibration error", error.calibration_error, None, how=how)
