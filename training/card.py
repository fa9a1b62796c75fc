"""The model card of the embedded encoder."""

from __future__ import annotations

from collections.abc import Mapping

from training.evaluation import Report

_CARD = """\
# Vitrina's embedded encoder

A small contrastive encoder of product pictures and short English texts, trained from scratch by
`python -m training.encoder` for Vitrina. It loads with plain open_clip:

```python
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:FOLDER")
tokenizer = open_clip.get_tokenizer("local-dir:FOLDER")
```

- **Picture tower**: MobileNetV4 conv small (timm), random start, 64 x 64 pixels, padded to a square with white.
- **Text tower**: three causal transformer layers over a byte-level BPE learnt from the same texts, 32 tokens.
- **Training**: softmax contrastive, where every caption that is true of a picture counts as its match.

## Data
| file | rows | licence |
|---|---|---|
{rows}

Licences: Fashion Product Images (Small), MIT; Grocery Store Dataset (arXiv 1901.00711), MIT; clothing-dataset-small,
CC0; the boutique is drawn by Vitrina's own code.

## Measured
On {n_rows} rows set aside from the training files by a hash of their sku, pictures alone:

| query | value |
|---|---|
{metrics}

These rows come from the same shop as the training rows, an easier setting than zero-shot on an unknown catalog.
The no-match cutoff of {cutoff} lets 98% of the queries pass that have a match among those rows.

## Limits
It knows the kinds of product, colours and words of its training data: clothes, shoes, accessories, cosmetics and some
groceries, in English. It sees 64 pixels a side, so small prints, logos and written text are lost on it. Colour labels
of the source are noisy. Labels for gender and usage follow the source shop's habits, not what a person may wear.
For another catalog use a larger encoder, or train on its own rows.
"""


def describe(report: Report, counts: Mapping[str, int], cutoff: float) -> str:
    """The card's text, in Markdown. ``counts`` are rows by source file, those set aside included."""
    licences = {"fashion-train": "MIT", "grocery-train": "MIT", "clothing-train": "CC0"}
    rows = [f"| {source} | {count} | {licences.get(source, 'own drawings')} |" for source, count in counts.items()]
    metrics = [f"| {name}, P@10 | {value:.3f} |" for name, value in report.precision.items()]
    metrics.append(f"| title to its product, R@10 | {report.title_recall:.3f} |")
    return _CARD.format(rows="\n".join(rows), n_rows=report.n_rows, metrics="\n".join(metrics), cutoff=f"{cutoff:.4f}")
