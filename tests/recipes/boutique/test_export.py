"""Exports: readable, complete, the same as the products they come from."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from recipes.boutique import export
from recipes.boutique.catalog import product, products
from recipes.boutique.export import write_folder, write_parquet


def test_a_folder_holds_a_row_an_image_and_boxes_for_each_product(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    catalog = write_folder(tmp_path / "shop", 5, size=48, on_progress=lambda done, total: steps.append((done, total)))
    assert catalog == tmp_path / "shop" / "catalog.jsonl"
    assert steps == [(done, 5) for done in range(1, 6)]
    rows = [json.loads(line) for line in catalog.read_text(encoding="utf-8").splitlines()]
    places = [json.loads(line) for line in (catalog.parent / "boxes.jsonl").read_text(encoding="utf-8").splitlines()]
    for item, row, place in zip(products(5), rows, places, strict=True):
        assert row["sku"] == place["sku"] == item.sku
        assert row["title"] == item.title
        assert int(row["price"].replace(".", "")) == item.price_cents
        assert {key: row[key] for key in item.attributes} == dict(item.attributes)
        assert item.attributes["article"] in place["boxes"]
        with Image.open(catalog.parent / row["image"]) as image:
            assert (image.format, image.size) == ("JPEG", (48, 48))


def test_a_pool_of_processes_writes_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = write_folder(tmp_path / "alone", 6, size=32)
    monkeypatch.setattr(export, "POOL_FROM", 1)
    pooled = write_folder(tmp_path / "pooled", 6, size=32)
    assert alone.read_bytes() == pooled.read_bytes()
    for image in (tmp_path / "alone" / "images").iterdir():
        assert image.read_bytes() == (tmp_path / "pooled" / "images" / image.name).read_bytes()


def test_parquet_streams_row_groups_and_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "GROUP_ROWS", 4)
    steps: list[tuple[int, int]] = []
    path = write_parquet(tmp_path / "shop.parquet", 10, size=32, seed=2, on_progress=lambda *step: steps.append(step))
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [4, 4, 2]
    assert steps == [(4, 10), (8, 10), (10, 10)]
    rows = file.read().to_pylist()
    assert [row["sku"] for row in rows] == [item.sku for item in products(10, seed=2)]
    assert rows[7]["article"] == product(7, seed=2).attributes["article"]
    with Image.open(BytesIO(rows[9]["image"])) as image:
        assert image.size == (32, 32)


def test_an_empty_export_is_an_empty_catalog(tmp_path: Path) -> None:
    assert write_folder(tmp_path / "none", 0).read_text(encoding="utf-8") == ""
    assert pq.read_table(write_parquet(tmp_path / "none.parquet", 0)).num_rows == 0


def test_a_negative_count_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="-1"):
        write_folder(tmp_path / "bad", -1)
    with pytest.raises(ValueError, match="-1"):
        write_parquet(tmp_path / "bad.parquet", -1)
    assert not list(tmp_path.iterdir())


def test_a_size_that_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="16 pixels"):
        write_folder(tmp_path / "tiny", 2, size=3)
