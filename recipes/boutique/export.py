"""Exports: the boutique as a folder with a JSONL catalog, as one Parquet file, as a tar, and as the demo's catalog."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from recipes.boutique.catalog import Product, product
from recipes.boutique.render import Box, render

Progress = Callable[[int, int], None]
"""Called with how many products are done and how many there will be."""

ImageFormat = Literal["JPEG", "WEBP"]

JPEG_QUALITY = 90
GROUP_ROWS = 1000
"""Rows a Parquet row group; at 96 pixels about 3 MB, the most that is held in memory at once."""
POOL_FROM = 48
"""Products from which a pool pays for its start (about a second on two cores)."""

_CHUNK = 16
_FACTS = (
    "category",
    "subcategory",
    "article",
    "style",
    "colour",
    "pattern",
    "material",
    "gender",
    "season",
    "usage",
    "brand",
)
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("sku", "title", "description", *_FACTS)]
    + [("price", pa.string()), ("currency", pa.string()), ("image", pa.binary())]
)


def encode_image(image: Image.Image, image_format: ImageFormat, quality: int) -> bytes:
    """The image as a file of the given format and quality (1 to 100)."""
    buffer = BytesIO()
    image.save(buffer, image_format, quality=quality, **({"method": 6} if image_format == "WEBP" else {}))
    return buffer.getvalue()


def _drawn(
    index: int, *, seed: int, size: int, image_format: ImageFormat, quality: int
) -> tuple[int, bytes, dict[str, Box]]:
    rendering = render(product(index, seed=seed), size=size)
    return index, encode_image(rendering.image, image_format, quality), dict(rendering.boxes)


def _price(item: Product) -> str:
    return f"{item.price_cents // 100}.{item.price_cents % 100:02d}"


@contextmanager
def _drawings(
    n: int, seed: int, size: int, image_format: ImageFormat = "JPEG", quality: int = JPEG_QUALITY
) -> Iterator[Iterator[tuple[int, bytes, dict[str, Box]]]]:
    """Indexes of the first ``n`` products with their image files and boxes, in order; at most a row group is drawn in
    advance."""
    task = partial(_drawn, seed=seed, size=size, image_format=image_format, quality=quality)
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if n < POOL_FROM or n_cores == 1:
        yield map(task, range(n))
        return
    with ProcessPoolExecutor(n_cores, mp_context=multiprocessing.get_context("spawn")) as pool:
        starts = range(0, n, GROUP_ROWS)
        yield (
            drawn
            for start in starts
            for drawn in pool.map(task, range(start, min(start + GROUP_ROWS, n)), chunksize=_CHUNK)
        )


def _check(n: int) -> None:
    if n < 0:
        raise ValueError(f"Cannot export {n} products; ask for 0 or more.")


def write_folder(folder: Path, n: int, *, seed: int = 0, size: int = 320, on_progress: Progress | None = None) -> Path:
    """Write the first ``n`` products into ``folder`` and return the path of its ``catalog.jsonl``.

    Images go to ``images/<sku>.jpg``. ``catalog.jsonl`` has one product a line (sku, title, description, price such
    as "39.90", currency, image relative to the folder, and each attribute); ``boxes.jsonl`` has one image a line
    (sku, boxes: name to left, top, right, bottom in 0..1). Blocks until done. Raises ``ValueError`` for a negative
    ``n`` or a size under 16 pixels, ``OSError`` where the folder cannot be written.
    """
    _check(n)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    catalog = folder / "catalog.jsonl"
    with (
        catalog.open("w", encoding="utf-8") as rows,
        (folder / "boxes.jsonl").open("w", encoding="utf-8") as places,
        _drawings(n, seed, size) as drawings,
    ):
        for done, (index, jpeg, boxes) in enumerate(drawings, start=1):
            item = product(index, seed=seed)
            image = f"images/{item.sku}.jpg"
            (folder / image).write_bytes(jpeg)
            rows.write(json.dumps(_flat(item) | {"image": image}, ensure_ascii=False) + "\n")
            places.write(json.dumps({"sku": item.sku, "boxes": boxes}) + "\n")
            if on_progress is not None:
                on_progress(done, n)
    return catalog


def _flat(item: Product) -> dict[str, str]:
    words = {"sku": item.sku, "title": item.title, "description": item.description}
    return words | {"price": _price(item), "currency": item.currency} | dict(item.attributes)


def write_parquet(
    path: Path,
    n: int,
    *,
    seed: int = 0,
    size: int = 96,
    image_format: ImageFormat = "JPEG",
    quality: int = JPEG_QUALITY,
    on_progress: Progress | None = None,
) -> Path:
    """Write the first ``n`` products to one Parquet file and return ``path``.

    Columns as in ``SCHEMA``; ``image`` holds the bytes of a JPEG or WebP file. Row groups of ``GROUP_ROWS`` are written
    as they fill, so memory does not grow with ``n``. Blocks until done. Raises as ``write_folder`` does.
    """
    _check(n)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    with (
        pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer,
        _drawings(n, seed, size, image_format, quality) as drawings,
    ):
        while group := list(islice(drawings, GROUP_ROWS)):
            rows = [_flat(product(index, seed=seed)) | {"image": image} for index, image, _ in group]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), row_group_size=GROUP_ROWS)
            done += len(group)
            if on_progress is not None:
                on_progress(done, n)
    return path


def write_webdataset(
    path: Path,
    n: int,
    *,
    seed: int = 0,
    size: int = 96,
    image_format: ImageFormat = "JPEG",
    quality: int = JPEG_QUALITY,
) -> Path:
    """Write the first ``n`` products to one tar, a JSON object and an image each, and return ``path``: what the base of
    Vitrina reads without pyarrow. Equal products give equal bytes. Blocks until done; raises as ``write_folder`` does.
    """
    _check(n)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar,
        _drawings(n, seed, size, image_format, quality) as drawings,
    ):
        for index, image, _ in drawings:
            item = product(index, seed=seed)
            cells = {name: value for name, value in _flat(item).items() if name != "sku"}  # the files' own name
            row = json.dumps(cells, ensure_ascii=False).encode()
            for ending, content in (("json", row), (image_format.lower(), image)):
                member = tarfile.TarInfo(f"{item.sku}.{ending}")
                member.size = len(content)
                tar.addfile(member, BytesIO(content))
    return path


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
    write_webdataset(folder / "boutique.tar", N_PRODUCTS, size=SIZE, image_format="WEBP", quality=QUALITY)
    for name, wanted in QUERIES.items():
        products = (product(index, seed=QUERY_SEED) for index in count())
        chosen = next(each for each in products if wanted.items() <= each.attributes.items())
        (folder / name).write_bytes(encode_image(render(chosen, size=SIZE).image, "WEBP", QUALITY))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="api/demo")
    write_demo(parser.parse_args().folder)
