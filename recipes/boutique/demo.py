"""The catalog that ships in the package: ``python -m recipes.boutique.demo api/demo`` draws it.

``vitrina demo`` indexes ``boutique.parquet`` and searches it with the photos beside it. Images are 384-pixel WebP files
of quality 65, so that 300 of them take 1.3 MB (at quality 80, 1.8 MB).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from recipes.boutique.catalog import product
from recipes.boutique.export import encode_image, write_parquet
from recipes.boutique.render import render

N_PRODUCTS = 300
SIZE = 384
QUALITY = 65
QUERY_SEED = 77
"""Of another shop, so that the search finds similar products and not the image itself."""

QUERIES: Mapping[str, Mapping[str, str]] = {
    "query-watch.webp": {"article": "watch"},
    "query-handbag.webp": {"article": "handbag", "colour": "navy blue"},
}
"""The photos to search with: the first product of each of these attributes."""


def write_demo(folder: Path) -> None:
    """Write the catalog and the query photos. Blocks for about a minute."""
    write_parquet(folder / "boutique.parquet", N_PRODUCTS, size=SIZE, image_format="WEBP", quality=QUALITY)
    for name, wanted in QUERIES.items():
        products = (product(index, seed=QUERY_SEED) for index in count())
        chosen = next(each for each in products if wanted.items() <= each.attributes.items())
        (folder / name).write_bytes(encode_image(render(chosen, size=SIZE).image, "WEBP", QUALITY))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="api/demo")
    write_demo(parser.parse_args().folder)
