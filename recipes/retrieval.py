"""Fitting the prior of the score fusion: ``python -m recipes.retrieval --data FOLDER [--encoder FOLDER]``.

Rows held out from the encoder's training become small shops in several guises, as in ``recipes.encoder.calibration``.
Their labels, tags and titles say which items answer a query. One set of weights must serve all; what it is worth is
measured on each shop with the weights of the others.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.optimize import minimize

from recipes.encoder.calibration import item_of
from recipes.encoder.corpus import LabelledRows
from recipes.encoder.images import decode
from recipes.encoder.queries import LabelQueries
from recipes.encoder.sources import is_learnt, read_sources
from vitrina.evaluation.own_queries import measure_trust
from vitrina.evaluation.samples import Example
from vitrina.search.encoders.base import EMBEDDED_FOLDER, Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.retrieval.fusion import LEAST_FOUND, PRIOR_FILE, Prior, write_prior
from vitrina.search.store.images import image_id_of
from vitrina.search.types.item import Item, embedding_text
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.search.types.query import Query
from vitrina.search.types.trust import WORDS_ALONE, Part, Trust
from vitrina.tuning.encoder.calibration import CalibrationCatalog, temporary_engine

Array = NDArray[np.float64]
PARTS = tuple(Part)
VECTORS = (Part.TEXT, Part.IMAGE)

MAX_ROWS, N_QUERIES = 1200, 150
DEPTH = 60
"""The best candidates by each part alone that a query's sample keeps, beside all that are relevant."""

RIDGE = 1e-3
LEAST_WEIGHTS = {Part.TITLE: 6.0}
"""A title typed whole comes first, though it be a stop word; no shop here has such a title to learn it from."""

EXPONENTS = (0.0, 0.5, 1.0, 2.0)
MAX_LOSS = 0.001


@dataclass(frozen=True, slots=True)
class FusionShop:
    """A small catalog and queries whose answers are known, by its skus."""

    name: str
    items: Sequence[Item]
    images: Sequence[bytes]
    examples: Sequence[Example]


@dataclass(frozen=True, slots=True)
class FusionQuery:
    """One query's candidates: ``parts`` (n, parts) in the order of ``PARTS``, and which are relevant, bool (n,);
    ``n_relevant`` counts those, too, that are no candidates."""

    parts: Array
    relevant: NDArray[np.bool_]
    n_relevant: int


@dataclass(frozen=True, slots=True)
class ShopSample:
    """One shop in one guise, with how far its vectors can be trusted."""

    name: str
    trust: Trust
    queries: Sequence[FusionQuery]


def labelled_shop(rows: LabelledRows, seed: int) -> FusionShop:
    """A shop of labelled products, asked for their labels, phrases and titles."""
    queries = LabelQueries(rows, np.ones(len(rows.products), np.bool_), seed)
    items = [item_of(product, str(at)) for at, product in enumerate(rows.products)]
    return FusionShop(rows.source, items, rows.images, list(queries.by_text(N_QUERIES)))


def tagged_shop(rows: LabelledRows, seed: int) -> FusionShop:
    """A shop of things whose tags its items do not mention: a query by a tag uses other words than the title."""
    by_tag: dict[str, set[str]] = defaultdict(set)
    for at, product in enumerate(rows.products):
        for tag in product.description.split(", "):
            if len(tag) > 2 and tag.casefold() not in product.title.casefold():
                by_tag[tag].add(str(at))
    tags = sorted(tag for tag, skus in by_tag.items() if len(skus) <= MAX_TAGGED)
    chosen = random.Random(seed).sample(tags, min(N_QUERIES, len(tags)))
    items = [Item(str(at), product.title) for at, product in enumerate(rows.products)]
    return FusionShop(rows.source, items, rows.images, [Example(Query(tag), frozenset(by_tag[tag])) for tag in chosen])


MAX_TAGGED = 25
"""A tag of more rows says little of them."""


def keyword_shop(rows: LabelledRows, seed: int) -> FusionShop:
    """A shop of titles alone, asked for brands with kinds of product: ``casio watches``."""
    by_query: dict[str, set[str]] = defaultdict(set)
    for at, product in enumerate(rows.products):
        if product.kinds and product.title:
            by_query[f"{product.title.split()[0]} {product.kinds[0]}".lower()].add(str(at))
            if product.colour:
                by_query[f"{product.title.split()[0]} {product.colour} {product.kinds[0]}".lower()].add(str(at))
    chosen = random.Random(seed).sample(sorted(by_query), min(N_QUERIES, len(by_query)))
    items = [Item(str(at), product.title) for at, product in enumerate(rows.products)]
    examples = [Example(Query(query), frozenset(by_query[query])) for query in chosen]
    return FusionShop(f"{rows.source}, brands", items, rows.images, examples)


def shops(data: Path, work: Path, seed: int = 0) -> Iterator[FusionShop]:
    """The shops that the prior is fitted to, of rows that no encoder was trained on."""
    for rows in read_sources(data, work, lambda _: None):
        learnt = is_learnt(rows, with_unseen=True)
        held_out = rows.where([not kept for kept in learnt])
        some = random.Random(seed).sample(range(len(held_out.products)), min(MAX_ROWS, len(held_out.products)))
        part = held_out.where([at in set(some) for at in range(len(held_out.products))])
        if rows.source in ("fashion-train", "grocery-train", "clothing-train", "caltech101-products"):
            yield labelled_shop(part, seed)
        if rows.source == "fashion-train":
            yield keyword_shop(part, seed)
        if rows.source in ("emoji-objects", "openclipart-objects", "sweethome3d-icons"):
            yield tagged_shop(rows.where([True] * len(rows.products)), seed)


GUISES = ((True, True), (False, True), (True, False))
"""Whether a catalog has images, and whether it has words."""


def sampled(encoder: Encoder, shop: FusionShop) -> Iterator[ShopSample]:
    """The shop in each of its guises. Blocks for about a minute."""
    catalog = CalibrationCatalog(
        shop.items,
        [image_id_of(image) for image in shop.images],
        encoder.encode_images([decode(image) for image in shop.images]),
        encoder.encode_texts([embedding_text(item) for item in shop.items]),
        np.ones(len(shop.items), np.bool_),
    )
    for with_images, with_words in GUISES:
        entries = catalog.entries(with_images=with_images, with_words=with_words)
        with temporary_engine(encoder, entries) as engine:
            queries = [query for example in shop.examples if (query := fusion_query(engine, example)) is not None]
            guise = " and ".join(["images"] * with_images + ["words"] * with_words)
            yield ShopSample(f"{shop.name} ({guise})", measure_trust(engine), queries)


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
    """Each query's parts, times what the shop's trust makes of their weights."""
    factors = np.array([prior.factor(part, sample.trust) for part in PARTS])
    return [query.parts * factors for query in sample.queries]


def fit(samples: Sequence[ShopSample], prior: Prior) -> Array:
    """The weights, 0 or more, that make relevant candidates likely: the listwise cross-entropy (ListNet), each shop
    counting the same."""
    parts = np.concatenate([part for sample in samples for part in adapted_parts(sample, prior)])
    queries = [query for sample in samples for query in sample.queries]
    sizes = np.array([len(query.relevant) for query in queries])
    starts = np.cumsum(sizes) - sizes
    shares = np.concatenate([np.full(len(s.queries), 1 / (len(s.queries) * len(samples))) for s in samples])
    right = np.concatenate([query.relevant / query.relevant.sum() for query in queries])

    def loss(weights: Array) -> tuple[float, Array]:
        scores = parts @ weights
        highest = np.maximum.reduceat(scores, starts)
        likely = np.exp(scores - np.repeat(highest, sizes))
        total = np.add.reduceat(likely, starts)
        each = np.log(total) + highest - np.add.reduceat(right * scores, starts)
        pull = np.repeat(shares, sizes) * (likely / np.repeat(total, sizes) - right)
        return float(shares @ each) + RIDGE * float(weights @ weights), pull @ parts + 2 * RIDGE * weights

    bounds = [(LEAST_WEIGHTS.get(part, 0.0), None) for part in PARTS]
    found = minimize(loss, np.full(len(PARTS), 0.5), jac=True, method="L-BFGS-B", bounds=bounds)
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
    yield f"{'nDCG@10':<44} {'BM25':>6} {'text':>6} {'image':>6} {'RRF':>6} {'convex':>6} {'fitted':>6}"
    for sample in samples:
        alone = [
            mean_ndcg(sample, [query.parts[:, PARTS.index(part)] for query in sample.queries])
            for part in (Part.BM25, *VECTORS)
        ]
        fused = [
            mean_ndcg(sample, [way(query.parts) for query in sample.queries]) for way in (reciprocal_ranks, convex)
        ]
        figures = (*alone, *fused, left_out(sample, samples, prior))
        yield f"{sample.name:<44} " + " ".join(f"{value:6.3f}" for value in figures)


def left_out(sample: ShopSample, samples: Sequence[ShopSample], prior: Prior) -> float:
    """What the weights reach on a shop that were fitted to the others."""
    weights = fit([other for other in samples if shop_of(other) != shop_of(sample)], prior)
    return mean_ndcg(sample, [parts @ weights for parts in adapted_parts(sample, prior)])


def shop_of(sample: ShopSample) -> str:
    """The rows that a sample was made of: two guises of one shop, or two sets of queries, are one."""
    return sample.name.split(" (")[0].split(",")[0]


def fitted_prior(samples: Sequence[ShopSample]) -> Prior:
    """The prior of all shops. Its exponent is the largest, which protects most, of those that cost shops whose queries
    it was not fitted to no more than ``MAX_LOSS``."""
    found = [sample.trust.found for sample in samples]
    against_words = {part: round(float(np.median(ratios(found, part))), 3) for part in VECTORS}
    priors = [Prior({}, against_words, exponent) for exponent in EXPONENTS]
    quality = [float(np.mean([left_out(sample, samples, prior) for sample in samples])) for prior in priors]
    typer.echo(f"nDCG@10 of shops left out, by exponent: {dict(zip(EXPONENTS, np.round(quality, 4), strict=True))}")
    chosen = max((p for p, q in zip(priors, quality, strict=True) if q >= max(quality) - MAX_LOSS), key=exponent_of)
    weights = fit(samples, chosen)
    scale = sum(weights[PARTS.index(part)] for part in VECTORS)
    rounded = {part: round(float(weight / scale), 4) for part, weight in zip(PARTS, weights, strict=True)}
    source = f"{len(samples)} small shops of held-out rows, python -m recipes.retrieval"
    return Prior(rounded, against_words, chosen.exponent, source)


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
        for sample in sampled(loaded, shop):
            typer.echo(f"{sample.name}: {len(sample.queries)} queries, {dict(sample.trust.found)}")
            samples.append(sample)
    prior = fitted_prior(samples)
    typer.echo("\n".join(compare(samples, prior)))
    typer.echo(str(dict(prior.weights)))
    write_prior(out, prior)


if __name__ == "__main__":
    typer.run(main)
