"""Indexing paired with an earlier revision: ``python -m benchmarks.paired --against REVISION --data FOLDER``.

Both revisions index the same rows in turn, with this environment's libraries, through the command line: rows of words
alone, and rows with an image each. Printed are the medians of time, processor time and peak memory, and their ratios.
"""

from __future__ import annotations

import csv
import io
import os
import statistics
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pyarrow.parquet as pq
import typer

from benchmarks.glossary import ROOT

N_WORDS, N_IMAGES = 3_000, 1_500
PACKAGES = ("search", "indexer", "api", "evaluation", "tuning")
MB = 1024

Measured = tuple[float, float, float]
"""Seconds by the clock, seconds of the processor, and the peak of memory in MB."""


def linked(tree: Path, folder: Path) -> Path:
    """The folder, for ``PYTHONPATH``, with a tree's package in it under the name that it is installed by."""
    package = folder / "vitrina"
    package.mkdir(parents=True)
    for path in (*(tree / "vitrina").iterdir(), *(tree / name for name in PACKAGES)):
        (package / path.name).symlink_to(path)
    return folder


def checked_out(revision: str, folder: Path) -> Path:
    """The tree at a revision, unpacked into an empty folder. Raises CalledProcessError where git does not know it."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def write_catalogs(data: Path, folder: Path) -> dict[str, Path]:
    """Rows of words alone as CSV, and rows with images as Parquet."""
    rows = pq.read_table(data / "fashion-train.parquet")
    images, words = folder / "images.parquet", folder / "words.csv"
    pq.write_table(rows.slice(0, N_IMAGES), images, row_group_size=500)
    worded = rows.drop_columns(["image"]).slice(N_IMAGES, N_WORDS)
    with words.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, worded.column_names)
        writer.writeheader()
        writer.writerows(worded.to_pylist())
    return {f"{N_WORDS:,} rows of words": words, f"{N_IMAGES:,} rows with images": images}


def index(packages: Path, catalog: Path, folder: Path) -> Measured:
    """Index a catalog into a new store. Raises CalledProcessError."""
    environment = {**os.environ, "PYTHONPATH": str(packages), "VITRINA_RERANKER": "off"}
    started = time.perf_counter()
    with TemporaryDirectory(dir=folder) as store:
        command = [sys.executable, "-m", "vitrina.api.cli", "index", str(catalog), "--store", store]
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise subprocess.CalledProcessError(status, command)
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / MB


def run(
    data: Annotated[Path, typer.Option(help="The folder of the Parquet files.")],
    against: Annotated[str, typer.Option(help="The earlier revision.")],
    rounds: Annotated[int, typer.Option(help="How often each is measured, in turn.")] = 3,
) -> None:
    """Index by this revision and by an earlier one, in turn."""
    with TemporaryDirectory() as work:
        earlier_tree = checked_out(against, Path(work) / "tree")
        before, now = linked(earlier_tree, Path(work) / "before"), linked(ROOT, Path(work) / "now")
        typer.echo(f"| | {against[:12]}: s, s of the processor, MB | now | ratios |\n|---|---|---|---|")
        for what, catalog in write_catalogs(data, Path(work)).items():
            found: dict[Path, list[Measured]] = {before: [], now: []}
            for at in range(rounds):
                for packages in (before, now) if at % 2 == 0 else (now, before):
                    found[packages].append(index(packages, catalog, Path(work)))
            medians = [
                [statistics.median(column) for column in zip(*found[each], strict=True)] for each in (before, now)
            ]
            told = [", ".join(f"{value:,.1f}" for value in each) for each in medians]
            ratios = ", ".join(f"{after / earlier:.2f}" for earlier, after in zip(*medians, strict=True))
            typer.echo(f"| {what} | {told[0]} | {told[1]} | {ratios} |")


if __name__ == "__main__":
    typer.run(run)
