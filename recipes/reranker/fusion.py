"""Fitting the embedded model's fusion weights: ``python -m recipes.reranker.fusion --data FOLDER [--model FOLDER]``.

The held-out rows from training become catalogs that show nothing but images, to retrieval and to the model alike;
the shops' fields only give the meaning of a query's words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from recipes.encoder.corpus import TRAINING_FILES, LabelledRows, read_rows
from recipes.encoder.queries import LabelQueries
from recipes.shops import catalog_of, in_fields, most_of
from vitrina.evaluation.fusion_fitting import fit_measured_fusion
from vitrina.evaluation.samples import FusionSample, fusion_samples
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.reranking.backends.transformers.loading import EMBEDDED_FOLDER, load_reranker
from vitrina.search.reranking.base import Reranker
from vitrina.search.reranking.fusion import CARD_FILE, write_fusion_weights
from vitrina.search.store.images import ImageStore
from vitrina.tuning.encoder.calibration import temporary_engine

N_QUERIES = 600
"""Of each shop; three weights and the two parameters of Platt scaling are fitted to them."""


def samples_of(encoder: Encoder, reranker: Reranker, rows: LabelledRows, *, seed: int = 0) -> Iterator[FusionSample]:
    """The scores of retrieval and reranker for a shop's images. Blocks."""
    items = [in_fields(product, str(at)) for at, product in enumerate(rows.products)]
    catalog = catalog_of(encoder, items, rows.images, most_of(rows.products, seed))
    facts = {item.sku: item for item in catalog.items}
    only_words = temporary_engine(encoder, catalog.entries(with_images=False, with_words=True))
    only_images = temporary_engine(encoder, catalog.entries(with_images=True, with_words=False))
    with TemporaryDirectory() as folder, only_words as words, only_images as engine:
        images = ImageStore(Path(folder) / "pictures.db")
        images.put_all(rows.images)
        engine.parser.vocabulary = words.parser.vocabulary
        examples = LabelQueries(rows, catalog.is_indexed, seed).by_text(N_QUERIES)
        yield from fusion_samples(engine, images, reranker, examples, facts)
        images.close()


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    model: Annotated[Path, typer.Option(help="The model's folder, whose card takes the weights.", exists=True)] = (
        EMBEDDED_FOLDER
    ),
) -> None:
    """Fit how much a reranker counts, on the rows held out from its training."""
    encoder, reranker = load_encoder(None), load_reranker(str(model))
    samples: list[FusionSample] = []
    for name in TRAINING_FILES:
        samples += samples_of(encoder, reranker, read_rows(data / name).split()[1])
        typer.echo(f"{name}: {len(samples)} queries so far")
    fusion_weights = fit_measured_fusion(samples, "the images of rows held out from training")
    write_fusion_weights(model / CARD_FILE, fusion_weights)
    typer.echo(str(fusion_weights))


if __name__ == "__main__":
    typer.run(main)
