"""Fitting the embedded model's fusion weights: ``python -m recipes.reranker.fusion --data FOLDER [--model FOLDER]``.

The small shops of rows held out from training, and of files that the model was not trained on at all, are searched as
shoppers search them, in each condition that a shop may be in: images alone, words and fields, and fields with holes,
with titles that name what is missing and without.
What weights do in a shop that they were not fitted to is printed. Words that no field knows count nothing where
listings have words: in shops of things that a small model has not seen, texts tell more of them than images do.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from recipes.shops import LABELLED, SmallShop, shops
from vitrina.evaluation.fusion_fitting import fit_fusion, fit_measured_fusion, rerank_lift
from vitrina.evaluation.samples import Example, FusionSample, fusion_samples
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.late_interaction import encoded_texts
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.backends.model_folders import EMBEDDED, EMBEDDED_FOLDER
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.base import Reranker
from vitrina.search.reranking.fusion import CARD_FILE, write_fusion_weights
from vitrina.search.store.images import ImageStore
from vitrina.search.types.item import Item, embedding_text
from vitrina.tuning.encoder.calibration import CalibrationCatalog, temporary_engine

N_QUERIES = 120
"""Of each shop in each condition."""

MIN_ASKED = 5
"""Fewer queries about a field say nothing of a shop that lacks it."""

HOLED_FIELDS = ("colour", "article", "gender", "usage")
"""Fields that half of the rows lack, one at a time, where listings have holes."""

IMAGES_ALONE = "images alone"

FREE_SHARES = (0.0,)
"""Of words that no field knows."""


def samples_of(encoder: Encoder, reranker: Reranker, shop: SmallShop, *, seed: int = 0) -> Iterator[FusionSample]:
    """The evidence of retrieval, catalog and reranker for a shop in each condition. Blocks."""
    rng = random.Random(seed)
    asked = [each for each in shop.examples if each.relevant and each.query.text and not each.query.images]
    asked = rng.sample(asked, min(N_QUERIES, len(asked)))
    catalog = shop.catalog(encoder)
    with TemporaryDirectory() as folder:
        images = ImageStore(Path(folder) / "pictures.db")
        images.put_all(shop.images)

        def samples(catalog: CalibrationCatalog, asked: Sequence[Example], condition: str) -> Iterator[FusionSample]:
            entries = catalog.entries(with_images=True, with_words=condition != IMAGES_ALONE)
            facts = {item.sku: item for item in catalog.items}
            with temporary_engine(encoder, entries) as engine:
                yield from fusion_samples(engine, images, reranker, asked, facts, shop.source, condition)

        for condition in (IMAGES_ALONE, shop.style) if shop.style == "fields" else (shop.style,):
            yield from samples(catalog, asked, condition)
        for field in HOLED_FIELDS if shop.style == "fields" else ():
            named = [each for each in asked if names_field(each, field, shop.items)]
            items = [with_hole(item, field, rng) for item in shop.items]
            untitled = [replace(item, title="") for item in items]
            for holed, said in ((items, ""), (untitled, " and titles")) if len(named) >= MIN_ASKED else ():
                texts = encoded_texts(encoder, list(map(embedding_text, holed)))
                condition = f"{shop.style} without {field}{said}"
                yield from samples(replace(catalog, items=holed, texts=texts), named, condition)
        images.close()


def with_hole(item: Item, field: str, rng: random.Random) -> Item:
    """An item, in half of the cases without one of its fields."""
    if rng.random() < 0.5:
        return item
    return replace(item, attributes={name: value for name, value in item.attributes.items() if name != field})


def names_field(example: Example, field: str, items: Sequence[Item]) -> bool:
    """Whether a query names the value that all of its answers have in a field."""
    values = {str(items[int(sku)].attributes.get(field, "")).casefold() for sku in example.relevant}
    return len(values) == 1 and (value := values.pop()) != "" and value in example.query.text.casefold()


def lines(samples: Sequence[FusionSample]) -> Iterator[str]:
    """For each shop in each condition, what weights do there that were fitted to the other shops."""
    shops = dict.fromkeys(each.shop for each in samples)
    others = {shop: [each for each in samples if each.shop != shop] for shop in shops}
    fitted = {shop: fit_fusion(samples, free_shares=FREE_SHARES) for shop, samples in others.items()}
    for shop, condition in dict.fromkeys((each.shop, each.condition) for each in samples):
        there = [each for each in samples if (each.shop, each.condition) == (shop, condition)]
        measured = rerank_lift(fitted[shop], there)
        before_and_after = f"{measured.before:.3f} to {measured.after:.3f}, {measured.lift:+.3f}"
        yield f"{shop}, {condition}: {measured.n_queries} queries, nDCG@10 {before_and_after}"


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    model: Annotated[Path, typer.Option(help="The model's folder, whose card takes the weights.", exists=True)] = (
        EMBEDDED_FOLDER
    ),
    work: Annotated[Path, typer.Option(help="The working folder of the encoder's recipe.")] = Path("build/encoder"),
) -> None:
    """Fit how much a reranker counts, on the rows held out from its training."""
    encoder, samples = load_encoder(None), list[FusionSample]()
    opened = open_by_name(EMBEDDED, RerankerOptions()) if model == EMBEDDED_FOLDER else load_reranker(str(model))
    with opened as reranker:
        for shop in shops(data, work):
            if shop.source in LABELLED and shop.has_new_images:
                samples += samples_of(encoder, reranker, shop)
                typer.echo(f"{shop.source} in {shop.style}: {len(samples)} queries so far")
    where = "small shops of rows held out from training, in each condition"
    fusion_weights = fit_measured_fusion(samples, where, FREE_SHARES)
    write_fusion_weights(model / CARD_FILE, fusion_weights)
    typer.echo("\n".join([*lines(samples), str(fusion_weights)]))


if __name__ == "__main__":
    typer.run(main)
