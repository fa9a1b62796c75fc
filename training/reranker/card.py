"""The model card of the embedded vision-language model."""

from __future__ import annotations

from collections.abc import Mapping

from training.card import LICENCES
from training.evaluation import Report
from training.reranker.architecture import Architecture

_CARD = """\
# Vitrina's embedded vision-language model

A very small model that looks at a product's picture and says whether a claim about it is true, reads labels off it,
puts boxes around what it is asked for, and turns verdicts into sentences. Made by `python -m training.reranker` for
Vitrina. It loads with plain transformers:

```python
processor = AutoProcessor.from_pretrained("FOLDER")
model = AutoModelForImageTextToText.from_pretrained("FOLDER")
```

- **Picture tower**: MobileNetV4 conv small (timm), started from Vitrina's embedded encoder; {size} pixels (height x
  width), squashed to fit, are {grid} image tokens.
- **Decoder**: a Llama of four layers of width 192 behind a projector of two layers; a byte-level BPE of 4,000 tokens.
- **Prompts**: those of Vitrina, in the usual chat format. The chat template shortens them, and leaves out the system
  message and the catalog's listing: this model judges by the picture alone. P(yes) is read off the logits of `yes` and
  `no` behind the prompt. A box is four of `<loc_0>` to `<loc_31>`: left, top, right, bottom.
- **Training**: yes and no about phrases, each phrase as often true as false; labels; what cannot be told from a
  picture; captions; explanations by template; boxes on drawn products. The weights are a moving average.

## Data
| file | rows | licence |
|---|---|---|
{rows}

Licences: Fashion Product Images (Small), MIT; Grocery Store Dataset (arXiv 1901.00711), MIT; clothing-dataset-small,
CC0; the boutique is drawn by Vitrina's own code.

## Measured
On rows set aside from the training files by a hash of their sku. A claim is as often true as false, half of the false
ones are nearly true: the right article in another colour, and the like. A model that does not look scores 0.5.

{metrics}

## Limits
It knows the kinds of product, colours and words of its training data: clothes, shoes, accessories, cosmetics and some
groceries, in English, and nothing else of the world. It cannot converse. Small prints, logos and written text are lost
at {size} pixels. Boxes were learnt on drawings alone. Colour labels of the source are noisy; labels for gender and
usage follow the source shop's habits, not what a person may wear. What it writes is to be checked against the verdicts.
"""


def describe(
    reports: Mapping[str, Report],
    explanations: Mapping[str, float],
    counts: Mapping[str, int],
    architecture: Architecture,
) -> str:
    """The card's text, in Markdown. ``counts`` are rows by source, those set aside included."""
    size, grid = ("{} x {}".format(*pair) for pair in (architecture.picture_size, architecture.grid))
    rows = [
        f"| {source} | {count} | {LICENCES.get(source.partition('-')[0], 'unknown')} |"
        for source, count in counts.items()
    ]
    tables = [
        "\n".join(
            [f"| {title} | value |", "|---|---|"] + [f"| {name} | {value:.3f} |" for name, value in figures.items()]
        )
        for title, figures in [
            *((f"{source}, {report.n_rows} rows", report.figures) for source, report in reports.items()),
            ("explanations", explanations),
        ]
    ]
    return _CARD.format(rows="\n".join(rows), metrics="\n\n".join(tables), size=size, grid=grid)
