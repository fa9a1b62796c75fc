"""Catalogs indexed for measuring, and a measured figure beside what it is held to."""

from __future__ import annotations

import fcntl
import io
import operator
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from PIL import Image

from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer, IndexingProgress
from vitrina.indexer.sources import open_source
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.compute import n_available_cores
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.item import Item

RESULTS = Path(__file__).parent / "results.md"


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement, and its bound: ``at least`` or ``at most``, or None for a reference, which is held to nothing.
    ``how`` says on what and against which reference."""

    name: str
    value: float
    bound: float | None
    direction: Literal["at least", "at most"] = "at least"
    unit: str = ""
    how: str = ""

    @property
    def is_met(self) -> bool:
        compare = operator.ge if self.direction == "at least" else operator.le
        return self.bound is None or bool(compare(self.value, self.bound))


def table(figures: Sequence[Figure], before: Sequence[str] = ()) -> str:
    """The figures as a Markdown table; ``before`` has an earlier value for each, if there is a column for them."""
    names = ["figure", *(["before"] if before else []), "measured", "bound", "met", "how"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [row(figure, before[at : at + 1]) for at, figure in enumerate(figures)]
    return "\n".join(lines)


def row(figure: Figure, before: Sequence[str] = ()) -> str:
    unit = f" {figure.unit}" if figure.unit else ""
    measured = f"{figure.value:,.4g}{unit}"
    bound = "" if figure.bound is None else f"{figure.direction} {figure.bound:,g}{unit}"
    met = "" if figure.bound is None else "yes" if figure.is_met else "**no**"
    return f"| {' | '.join([figure.name, *before, measured, bound, met, figure.how])} |"


def earlier_values(results: str, figures: Sequence[Figure]) -> list[str]:
    """What an earlier table says of each figure, empty if nothing; figures of one name are matched in their order."""
    known: dict[str, list[str]] = {}
    for line in results.splitlines():
        if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split(" | ")]) >= 5:
            known.setdefault(cells[0], []).append(cells[-4])
    return [values.pop(0) if (values := known.get(figure.name)) else "" for figure in figures]


def machine(encoder: Encoder) -> str:
    """What a section was measured with, in a sentence."""
    import torch  # takes two seconds, which the documentation's plots of what was measured need not wait for

    cores = f"{n_available_cores()} cores, {platform.machine()}, Python {platform.python_version()}"
    identity = encoder.identity
    return f"On {cores}, torch {torch.__version__}; encoder {Path(identity.name).name} ({identity.fingerprint[:12]})."


def write_sections(out: Path, sections: Mapping[str, str]) -> None:
    """All sections under their headings, in their order."""
    parts = [f"## {name}\n\n{said}\n" for name, said in sections.items()]
    head = "# Measured\n\n`make benchmark DATA=...`. Nothing was trained or tuned on these rows, if not said.\n"
    out.write_text("\n".join([head, *parts]), encoding="utf-8")


def read_sections(path: Path) -> dict[str, str]:
    """What a file of results says under each heading of the second level; nothing without the file."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    parts = [part.partition("\n") for part in text.split("\n## ")[1:]]
    return {heading.strip(): body.strip() for heading, _, body in parts}


def write_measured(name: str, measured: Iterable[Figure], out: Path) -> None:
    """Print figures as they come and write them under a heading; exits non-zero where a bound is missed."""
    found: list[Figure] = []
    heading = machine(load_encoder(None))
    for figure in measured:
        found.append(figure)
        typer.echo(row(figure))
        write_sections(out, {**read_sections(out), name: f"{heading}\n\n{table(found)}"})
    if not all(figure.is_met for figure in found):
        raise typer.Exit(1)


@contextmanager
def turn() -> Iterator[None]:
    """Wait for one's turn on a machine that others measure on: hold the lock of the file that ``BENCHMARK_LOCK`` names,
    as flock(1) does, if it names one."""
    path = os.environ.get("BENCHMARK_LOCK")
    if path is None:
        yield
        return
    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


Row = Mapping[str, object]
"""One row of a Parquet file, its image as encoded bytes."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A catalog in a temporary store: its engine, what indexing reported, and the rows as they were read."""

    store: Store
    engine: SearchEngine
    report: IndexingProgress
    rows: Sequence[Row]


@contextmanager
def indexed(encoder: Encoder, path: Path, *, images_alone: bool = False) -> Iterator[Indexed]:
    """Index a Parquet file through the same doors as ``vitrina index``.

    ``images_alone`` leaves every other column out and numbers the rows instead of naming them by their sku, since a
    sku such as ``golden-delicious_001`` would be found by its words.
    """
    table = pq.read_table(path)
    if images_alone:
        numbers = pa.array([str(number) for number in range(table.num_rows)])
        table = table.set_column(table.schema.get_field_index("sku"), "sku", numbers)
    with TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog.parquet"
        pq.write_table(table.select(["sku", "image"]) if images_alone else table, catalog, row_group_size=1000)
        store = Store(Path(folder) / "home")
        report = Indexer(store, encoder, Fetcher()).run(open_source(str(catalog), {}))
        yield Indexed(store, SearchEngine.open(store, encoder), report, table.to_pylist())
        store.close()


def read_rows(path: Path) -> list[Row]:
    """All rows of a Parquet file."""
    return [*pq.read_table(path).to_pylist()]


def labelled_items(rows: Sequence[Row]) -> list[Item]:
    """The rows as items, with their title and all labels, whatever of them is indexed; a sku counts once, as there."""
    items: dict[str, Item] = {}
    for row in rows:
        labels = {name: value for name, value in row.items() if name not in {"sku", "title", "image", "description"}}
        attributes = {name: str(value) for name, value in labels.items() if value is not None}
        items.setdefault(str(row["sku"]), Item(str(row["sku"]), str(row["title"] or ""), attributes=attributes))
    return list(items.values())


def encoded_image(row: Row) -> bytes:
    """A row's image as its file has it."""
    image = row["image"]
    assert isinstance(image, bytes)
    return image


def image_of(row: Row) -> Image.Image:
    """A row's image, decoded."""
    return Image.open(io.BytesIO(encoded_image(row))).convert("RGB")
