"""Fitting the prior of the score fusion: ``python -m recipes.retrieval --data FOLDER [--encoder FOLDER]``.

The shops of ``recipes.shops`` are asked in several guises: with images, with words, with both. One set of weights must
serve all; what it is worth is measured on each shop with the weights of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import minimize

from recipes.shops import SmallShop, shops
from vitrina.evaluation.own_queries import measure_trust
from vitrina.evaluation.samples import Example
from vitrina.search.encoders.base import EMBEDDED_FOLDER, Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.retrieval.fusion import LEAST_FOUND, PARTS, PRIOR_FILE, Prior, write_prior
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.search.types.trust import WORDS_ALONE, Part, Trust
from vitrina.tuning.encoder.calibration import temporary_engine

Array = NDArray[np.float64]
VECTORS = (Part.TEXT, Part.IMAGE)

DEPTH = 60
"""The best candidates by each part alone that a query's sample keeps, beside all that are relevant."""

RIDGE = 1e-4
LEAST_WEIGHTS = {Part.TITLE: 6.0, Part.FIELDS: 3.0, Part.VALUE: 1.0}
"""What no shop here teaches: a title typed whole comes first, though it be a stop word, and so does a brand; and what
fields say outweighs what an item looks like. The last costs 0.002 of nDCG@10 in shops left out."""

EXPONENTS = (0.0, 0.5, 1.0, 2.0)
MAX_LOSS = 0.001


@dataclass(frozen=True, slots=True)
class FusionQuery:
    """One query's candidates: ``parts`` (n, parts) in the order of ``PARTS``, and which are relevant, bool (n,);
    ``n_relevant`` counts those, too, that are no candidates."""

    parts: Array
    relevant: NDArray[np.bool_]
    n_relevant: int


@dataclass(frozen=True, slots=True)
class ShopSample:
    """One shop in one style and guise, with how far its vectors can be trusted."""

    source: str
    name: str
    has_images: bool
    trust: Trust
    queries: Sequence[FusionQuery]


def samples_of(encoder: Encoder, shop: SmallShop) -> Iterator[ShopSample]:
    """The shop in each of its guises. Blocks for about a minute."""
    catalog = shop.catalog(encoder)
    asked = [each for each in shop.examples if each.relevant and not each.query.images]
    for with_images, with_words in shop.guises:
        with temporary_engine(encoder, catalog.entries(with_images=with_images, with_words=with_words)) as engine:
            queries = [query for example in asked if (query := fusion_query(engine, example)) is not None]
            guise = " and ".join(["images"] * with_images + ["words"] * with_words)
            name = f"{shop.source}, {shop.style} ({guise})"
            yield ShopSample(shop.source, name, with_images, measure_trust(engine), queries)


def fusion_query(engine: SearchEngine, example: Example) -> FusionQuery | None:
    """The candidates of one query; None where none of them is relevant."""
    ranked = engine.rank(example.query)
    stored = engine.catalog.items(ranked.item_ids.tolist())
    skus = [stored[item_id].item.sku for item_id in ranked.item_ids.tolist()]
    relevant = np.array([sku in example.relevant for sku in skus], np.bool_)
    parts = np.stack([ranked.parts[part] for part in PARTS], axis=1)
    if not relevant.any():
        return None
    best = np.argsort(-parts, axis=0, kind="stable")[:DEPTH]
    kept = np.union1d(best, np.flatnonzero(relevant))
    return FusionQuery(parts[kept], relevant[kept], len(example.relevant))


def adapted_parts(sample: ShopSample, prior: Prior) -> list[Array]:
    """Each query's parts (n, 2 * parts), times what the shop's trust makes of their weights: for items with images,
    then for items without."""
    factors = np.array([prior.factor(part, sample.trust) for part in PARTS])
    none = [np.zeros_like(query.parts) for query in sample.queries]
    if not sample.has_images:
        factors[PARTS.index(Part.IMAGE)] = 0.0  # the text's z-score stands in for the image's there
    adapted = [query.parts * factors for query in sample.queries]
    both = (adapted, none) if sample.has_images else (none, adapted)
    return [np.concatenate(pair, axis=1) for pair in zip(*both, strict=True)]


def fit(samples: Sequence[ShopSample], prior: Prior) -> Array:
    """The weights, 0 or more, of items with images and then of items without, that make relevant candidates likely: the
    listwise cross-entropy (ListNet), each source counting the same."""
    parts = np.concatenate([part for sample in samples for part in adapted_parts(sample, prior)])
    n_styles = Counter(sample.source for sample in samples)
    queries = [query for sample in samples for query in sample.queries]
    sizes = np.array([len(query.relevant) for query in queries])
    starts = np.cumsum(sizes) - sizes
    each = [1 / (len(s.queries) * n_styles[s.source] * len(n_styles)) for s in samples]
    shares = np.concatenate([np.full(len(s.queries), share) for s, share in zip(samples, each, strict=True)])
    right = np.concatenate([query.relevant / query.relevant.sum() for query in queries])

    def loss(weights: Array) -> tuple[float, Array]:
        scores = parts @ weights
        highest = np.maximum.reduceat(scores, starts)
        likely = np.exp(scores - np.repeat(highest, sizes))
        total = np.add.reduceat(likely, starts)
        loss_of_each = np.log(total) + highest - np.add.reduceat(right * scores, starts)
        pull = np.repeat(shares, sizes) * (likely / np.repeat(total, sizes) - right)
        return float(shares @ loss_of_each) + RIDGE * float(weights @ weights), pull @ parts + 2 * RIDGE * weights

    bounds = [(LEAST_WEIGHTS.get(part, 0.0), None) for part in (*PARTS, *PARTS)]
    found = minimize(loss, np.full(len(bounds), 0.5), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, np.float64)


def ndcg(scores: Array, query: FusionQuery, depth: int = 10) -> float:
    """nDCG@10 of candidates by their scores."""
    order = np.argsort(-scores, kind="stable")[:depth]
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    return float(query.relevant[order] @ discounts[: len(order)] / discounts[: min(depth, query.n_relevant)].sum())


def mean_ndcg(sample: ShopSample, scored: Sequence[Array]) -> float:
    return float(np.mean([ndcg(scores, query) for scores, query in zip(scored, sample.queries, strict=True)]))


def reciprocal_ranks(parts: Array, k: int = 60) -> Array:
    """Reciprocal rank fusion of BM25 and both kinds of vectors; shape (n,)."""
    columns = [parts[:, PARTS.index(part)] for part in (Part.BM25, *VECTORS)]
    ranks = [np.argsort(np.argsort(-column, kind="stable")) for column in columns]
    return np.asarray(sum(1 / (k + rank + 1) for rank in ranks), np.float64)


def convex(parts: Array) -> Array:
    """Half BM25 and half the mean of the vectors, each relative to its best; shape (n,)."""
    bm25 = parts[:, PARTS.index(Part.BM25)]
    vectors = parts[:, [PARTS.index(part) for part in VECTORS]].mean(axis=1)
    return np.asarray(bm25 / max(bm25.max(), 1e-9) / 2 + vectors / max(vectors.max(), 1e-9) / 2)


def compare(samples: Sequence[ShopSample], prior: Prior) -> Iterator[str]:
    """What each way to fuse reaches, a shop a line; the weights were fitted to the other shops."""
    yield f"{'nDCG@10':<52} {'BM25':>6} {'text':>6} {'image':>6} {'RRF':>6} {'convex':>6} {'fitted':>6}"
    for sample, fitted in zip(samples, left_out(samples, prior), strict=True):
        alone = [
            mean_ndcg(sample, [query.parts[:, PARTS.index(part)] for query in sample.queries])
            for part in (Part.BM25, *VECTORS)
        ]
        fused = [
            mean_ndcg(sample, [way(query.parts) for query in sample.queries]) for way in (reciprocal_ranks, convex)
        ]
        yield f"{sample.name:<52} " + " ".join(f"{value:6.3f}" for value in (*alone, *fused, fitted))


def left_out(samples: Sequence[ShopSample], prior: Prior) -> list[float]:
    """What the weights reach on each shop that were fitted to those of other sources."""
    fitted = {
        source: fit([other for other in samples if other.source != source], prior)
        for source in {sample.source for sample in samples}
    }
    return [
        mean_ndcg(sample, [parts @ fitted[sample.source] for parts in adapted_parts(sample, prior)])
        for sample in samples
    ]


def fitted_prior(samples: Sequence[ShopSample]) -> Prior:
    """The prior of all shops. Its exponent is the largest, which protects most, of those that cost shops whose queries
    it was not fitted to no more than ``MAX_LOSS``."""
    found = [sample.trust.found for sample in samples]
    against_words = {part: round(float(np.median(ratios(found, part))), 3) for part in VECTORS}
    priors = [Prior({}, {}, against_words, exponent) for exponent in EXPONENTS]
    quality = [float(np.mean(left_out(samples, prior))) for prior in priors]
    typer.echo(f"nDCG@10 of shops left out, by exponent: {dict(zip(EXPONENTS, np.round(quality, 4), strict=True))}")
    chosen = max((p for p, q in zip(priors, quality, strict=True) if q >= max(quality) - MAX_LOSS), key=exponent_of)
    weights = fit(samples, chosen)
    weights = weights / sum(weights[PARTS.index(part)] for part in VECTORS)
    with_images, without = (named(part) for part in np.split(weights, 2))
    sources = len({sample.source for sample in samples})
    source = f"{len(samples)} small shops of {sources} files, python -m recipes.retrieval"
    return Prior(with_images, without, against_words, chosen.exponent, source)


def named(weights: Array) -> dict[Part, float]:
    return {part: round(float(weight), 4) for part, weight in zip(PARTS, weights, strict=True)}


def ratios(found: Sequence[Mapping[str, float]], part: Part) -> list[float]:
    """How well a kind of vector finds items relative to words, in each shop that has it."""
    return [each[part] / max(each[WORDS_ALONE], LEAST_FOUND) for each in found if part in each]


def exponent_of(prior: Prior) -> float:
    return prior.exponent


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    encoder: Annotated[Path, typer.Option(help="An open_clip folder.", exists=True)] = EMBEDDED_FOLDER,
    out: Annotated[Path, typer.Option(help="Where the prior goes.")] = Path("search/retrieval") / PRIOR_FILE,
    work: Annotated[Path, typer.Option(help="The working folder of the encoder's recipe.")] = Path("build/encoder"),
) -> None:
    """Fit the prior of the score fusion, and compare it with other ways to fuse."""
    loaded = load_encoder(f"{LOCAL_PREFIX}{encoder}")
    samples: list[ShopSample] = []
    for shop in shops(data, work):
        for sample in samples_of(loaded, shop):
            typer.echo(f"{sample.name}: {len(sample.queries)} queries, {dict(sample.trust.found)}")
            samples.append(sample)
    prior = fitted_prior(samples)
    typer.echo("\n".join(compare(samples, prior)))
    typer.echo(f"{dict(prior.weights)}\nwithout images: {dict(prior.without_images)}")
    write_prior(out, prior)


if __name__ == "__main__":
    typer.run(main)
