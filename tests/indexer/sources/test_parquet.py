"""Parquet: images as bytes, structs, paths and URLs; typed columns; damage."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.indexer.sources.catalogs import make_image, only, read, write
from vitrina.indexer.sources import open_source
from vitrina.search.types.errors import SourceError


def parquet(tmp_path: Path, rows: list[dict[str, object]], row_group_size: int = 1000) -> Path:
    path = tmp_path / "shop.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=row_group_size)
    return path


def test_rows_stream_over_row_groups(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"sku": f"s{number}", "title": f"t{number}"} for number in range(300)]
    path = parquet(tmp_path, rows, row_group_size=70)
    source = open_source(str(path))
    assert (source.n_rows, source.dialect) == (300, "catalog table (Parquet)")
    records, _ = read(path)
    assert [record.item.sku for record in records] == [row["sku"] for row in rows]
    assert (records[0].origin, records[299].origin) == ("shop.parquet:1", "shop.parquet:300")


def test_images_as_bytes_structs_paths_and_urls(tmp_path: Path) -> None:
    data = make_image()
    assert only(parquet(tmp_path, [{"sku": "a", "image": data}])).images[0].data == data
    assert only(parquet(tmp_path, [{"sku": "a", "image": {"bytes": data, "path": "x.png"}}])).images[0].data == data
    assert (
        only(parquet(tmp_path, [{"sku": "a", "image": {"bytes": None, "path": "x.png"}}])).images[0].path
        == tmp_path / "x.png"
    )
    assert (
        only(parquet(tmp_path, [{"sku": "a", "image": "https://a.example/1.jpg"}])).images[0].url
        == "https://a.example/1.jpg"
    )
    assert [image.data for image in only(parquet(tmp_path, [{"sku": "a", "images": [data, b"second"]}])).images] == [
        data,
        b"second",
    ]


def test_typed_columns(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "id": 12,
        "title": None,
        "year": 2016,
        "rating": 4.5,
        "gap": float("nan"),
        "tags": ["a", "b"],
        "when": datetime.date(2026, 1, 2),
        "weight": decimal.Decimal("1.50"),
        "thumb": b"bytes of no picture column",
        "dims": {"w": 1},
    }
    item = only(parquet(tmp_path, [row])).item
    assert item.sku == "12"
    assert item.attributes == {
        "year": 2016,
        "rating": 4.5,
        "tags": ("a", "b"),
        "when": "2026-01-02",
        "weight": 1.5,
        "dims.w": 1,
    }


def test_integer_skus_that_pandas_made_floats(tmp_path: Path) -> None:
    records, (rejection,) = read(parquet(tmp_path, [{"sku": 12.0, "title": "a"}, {"sku": None, "title": "b"}]))
    assert [record.item.sku for record in records] == ["12"]
    assert rejection.origin == "shop.parquet:2"


def test_a_damaged_row_group_is_one_rejection(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"sku": f"s{number}", "title": "x" + "y" * number} for number in range(400)]
    path = parquet(tmp_path, rows, row_group_size=100)
    data = bytearray(path.read_bytes())
    with pq.ParquetFile(path) as file:
        start = file.metadata.row_group(2).column(0).data_page_offset
    data[start : start + 200] = b"\xff" * 200
    path.write_bytes(data)
    records, (rejection,) = read(path)
    assert [record.item.sku for record in records] == [f"s{number}" for number in range(400) if not 200 <= number < 300]
    assert rejection.origin == "shop.parquet:201"
    assert "Rows 201 to 300 cannot be read" in rejection.reason


@pytest.mark.parametrize("content", [b"", b"PAR1 but no more", b"sku,title\n1,a\n"])
def test_no_parquet_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match=r"shop.parquet is (not a Parquet file|empty: 0 bytes)"):
        open_source(str(write(tmp_path, "shop.parquet", content)))


def test_no_rows_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sku": pa.array([], pa.string())}), tmp_path / "shop.parquet")
    with pytest.raises(SourceError, match="has no rows"):
        open_source(str(tmp_path / "shop.parquet"))


def test_images_with_texts_alone_go_by_the_images_names(tmp_path: Path) -> None:
    image = make_image()
    rows = [{"image": {"bytes": image, "path": f"{n}.jpg"}, "text": "a red shirt", "label": n // 2} for n in range(3)]
    path = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    records, _ = read(path)
    assert [(each.item.sku, each.item.title) for each in records] == [(f"{n}.jpg", "a red shirt") for n in range(3)]
    assert "items go by image.path" in open_source(str(path)).notes[0]
