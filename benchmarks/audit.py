"""How many falsified listings ``vitrina audit`` finds, and how many true ones it accuses."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

import vitrina
from benchmarks.catalogs import Figure
from recipes.boutique.export import write_parquet
from vitrina.api.cli import app
from vitrina.search.encoders.base import Encoder

N_FALSIFIED = 200
"""Listings of each field that get the value of another listing."""

N_DRAWINGS, DRAWING_SEED = 600, 9001
"""Drawings that nothing was trained on: no open photos have patterns as labels."""

FOUND = {"article": 0.90, "colour": 0.80, "pattern": 0.50}
WRONGLY = 0.02
"""What is asked for."""


def measure_audit(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """Articles and colours of ``fashion-validation``, and patterns of drawings, by the command line."""
    photos = pq.read_table(data / "fashion-validation.parquet").drop_columns(["title"])  # which would tell the truth
    yield from audited(encoder, photos, ("article", "colour"), "fashion-validation")
    with TemporaryDirectory() as folder:
        drawn = Path(folder) / "drawn.parquet"
        write_parquet(drawn, N_DRAWINGS, seed=DRAWING_SEED)
        drawings = pq.read_table(drawn)
    kept = [name for name in drawings.column_names if name not in ("title", "description")]
    yield from audited(encoder, drawings.select(kept), ("pattern",), "drawings")


def audited(encoder: Encoder, rows: pa.Table, fields: tuple[str, ...], source: str) -> Iterator[Figure]:
    """Falsify some listings, index all, and compare what the audit names with what was falsified."""
    rows, falsified = with_false_values(rows, fields)
    with TemporaryDirectory() as folder:
        catalog, store, table = (Path(folder) / name for name in ("catalog.parquet", "store", "found.csv"))
        pq.write_table(rows, catalog, row_group_size=500)
        with vitrina.open_store(store, encoder=encoder.identity.name) as opened:
            opened.index(catalog)
        chosen = [option for field in fields for option in ("--field", field)]
        CliRunner().invoke(app, ["audit", *chosen, "--csv", str(table), "--store", str(store)], catch_exceptions=False)
        with table.open(encoding="utf-8-sig", newline="") as file:
            named = {(row["sku"], row["field"]) for row in csv.DictReader(file)}
    for field in fields:
        false = {sku for sku, about in falsified.items() if about == field}
        share = np.mean([(sku, field) in named for sku in false])
        how = f"{len(false)} of {rows.num_rows:,} listings of {source} with another's {field}, no titles"
        yield Figure(f"falsified {field} found", float(share), FOUND[field], how=how)
    true = {str(sku) for sku in rows["sku"].to_pylist()} - falsified.keys()
    wrongly = np.mean([any((sku, field) in named for field in fields) for sku in true])
    how = f"{len(true):,} true listings of {source}, {' and '.join(fields)} together"
    yield Figure("true listings named wrongly", float(wrongly), WRONGLY, "at most", how=how)


def with_false_values(rows: pa.Table, fields: tuple[str, ...]) -> tuple[pa.Table, Mapping[str, str]]:
    """The rows, of which some have another row's value in one field; and that field by their skus."""
    rng = np.random.default_rng(0)
    skus, falsified = [str(sku) for sku in rows["sku"].to_pylist()], dict[str, str]()
    for field in fields:
        values = rows[field].to_pylist()
        open_to_it = [at for at, value in enumerate(values) if value and skus[at] not in falsified]
        changed = list(values)
        for at in rng.permutation(open_to_it)[:N_FALSIFIED].tolist():
            others = [value for value in values if value and value != values[at]]
            changed[at] = others[int(rng.integers(len(others)))]
            falsified[skus[at]] = field
        column = rows.schema.get_field_index(field)
        rows = rows.set_column(column, field, pa.array(changed, rows.schema.field(field).type))
    return rows, falsified
