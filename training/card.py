"""The model card of the embedded encoder."""

from __future__ import annotations

from collections.abc import Mapping

from search.encoders.preprocessing import Size
from training.evaluation import Report

_CARD = """\
# Vitrina's embedded encoder

A small contrastive encoder of product pictures and short English texts, trained from scratch by
`python -m training.encoder` for Vitrina. It loads with plain open_clip:

```python
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:FOLDER")
tokenizer = open_clip.get_tokenizer("local-dir:FOLDER")
```

- **Picture tower**: MobileNetV4 conv small (timm), random start, {size} pixels (height x width), squashed to fit.
- **Text tower**: three causal transformer layers over a byte-level BPE learnt from the same texts, 32 tokens.
- **Training**: a softmax contrastive loss, where every caption that is true of a picture counts as its match, beside it
  classifiers of every known label and a loss that draws pictures of one finest class together; the weights are a moving
  average.

## Data
| file | rows | licence |
|---|---|---|
{rows}

`grocery-iconic` is the groceries' own catalog, one clean picture a class, and its collages show these pictures pasted
over blurred photos. All of them were trained on: a photo looked up among them is looked up in a catalog that is known.

Licences: Fashion Product Images (Small), MIT; Grocery Store Dataset (arXiv 1901.00711), MIT; clothing-dataset-small,
CC0; the boutique is drawn by Vitrina's own code.

## Measured
On rows set aside from the training files by a hash of their sku (groceries, photographed one after the other, in runs
of eight), pictures alone; a query is a label or a title:

{metrics}

These rows come from the same shops as the training rows, an easier setting than zero-shot on an unknown catalog. The
groceries even come from the same shelves: expect half of those figures in another shop.

## Limits
It knows the kinds of product, colours and words of its training data: clothes, shoes, accessories, cosmetics and some
groceries, in English. It sees {size} pixels, so small prints, logos and written text are lost on it. Colour labels
of the source are noisy. Labels for gender and usage follow the source shop's habits, not what a person may wear.
For another catalog use a larger encoder, or train on its own rows.
"""

LICENCES = {"fashion": "MIT", "grocery": "MIT", "clothing": "CC0", "boutique": "own drawings"}
"""By the first word of a source's name."""


def describe(reports: Mapping[str, Report], counts: Mapping[str, int], size: Size) -> str:
    """The card's text, in Markdown. ``counts`` are rows by source file, those set aside included; ``size`` is that of
    the pictures."""
    licences = {source: LICENCES.get(source.split("-")[0], "unknown") for source in counts}
    rows = [f"| {source} | {count} | {licences[source]} |" for source, count in counts.items()]
    tables = [
        "\n".join(
            [f"| {source}, {report.n_rows} rows | value |", "|---|---|"]
            + [f"| {name} | {value:.3f} |" for name, value in report.figures.items()]
        )
        for source, report in reports.items()
    ]
    return _CARD.format(rows="\n".join(rows), metrics="\n\n".join(tables), size="{} x {}".format(*size))
