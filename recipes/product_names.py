"""Draw the names of products that confidences are measured against: ``python -m recipes.product_names --words FOLDER``.

They are names of Shopify's categories, drawn at random, so that each part of the taxonomy has its share.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated

import typer

import vitrina.evaluation
from recipes.synonyms import read_categories
from vitrina.evaluation.calibration import PRODUCT_NAMES_FILE

N_NAMES = 1500
"""Among sources left out, 600 to 2,500 names tell queries without an answer about as well; 1,500 are 0.4 MB of
vectors."""

OUT = Path(vitrina.evaluation.__path__[0]) / PRODUCT_NAMES_FILE

HEADER = """\
# Made by recipes/product_names.py.
# Shopify Product Taxonomy, Copyright (c) Shopify Inc. (MIT License), see NOTICE.
"""


def main(
    words: Annotated[Path, typer.Option(help="Folder with shopify_categories.txt.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="The file to write.")] = OUT,
    seed: int = 0,
) -> None:
    """Write ``N_NAMES`` names, a line each."""
    names = sorted({path[-1] for path in read_categories(words / "shopify_categories.txt")})
    drawn = sorted(random.Random(seed).sample(names, N_NAMES))
    out.write_text(HEADER + "".join(f"{name}\n" for name in drawn), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
