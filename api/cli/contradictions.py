"""What an audit found, as a table on a terminal and as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from api.cli.console import errors, output
from api.cli.verdicts import percent
from search.reranking.auditing.audit import Contradiction
from search.reranking.auditing.tally import Tally

N_SHOWN = 20

COLUMNS = ("sku", "title", "field", "listed", "looks", "listed_probability", "looks_probability", "image_id")

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so (OWASP, "CSV Injection")."""


def show_audit(tally: Tally) -> None:
    """Print the surest contradictions, how many there are by field, and what could not be looked at."""
    found = tally.contradictions()
    if found:
        output.print(contradictions_table(found[:N_SHOWN]))
        output.print()
    more = f", the surest {N_SHOWN} of them above" if len(found) > N_SHOWN else ""
    noun = "contradiction" if len(found) == 1 else "contradictions"
    output.print(f"{len(found):,} {noun} between listing and photo{more}", highlight=False)
    for field in tally.fields:
        n_found, n_checked = len(tally.contradictions(field)), tally.checked[field]
        output.print(f"{field}: {n_found:,} of {n_checked:,} checked", highlight=False, markup=False)
    for sentence in tally.sentences():
        errors.print(sentence, highlight=False, markup=False, soft_wrap=True)


def contradictions_table(found: Sequence[Contradiction]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("sku", no_wrap=True)
    table.add_column("title", ratio=1)
    table.add_column("field", no_wrap=True)
    table.add_column("listing says")
    table.add_column("photo looks")
    for each in found:
        table.add_row(
            Text(each.sku),
            Text(each.title),
            Text(each.field),
            Text.assemble(each.listed, (f" {percent(each.listed_probability)}", "dim")),
            Text.assemble(each.looks, (f" {percent(each.looks_probability)}", "dim")),
        )
    return table


def write_csv(path: Path, found: Sequence[Contradiction]) -> None:
    """Write one line each, in UTF-8 with the mark by which spreadsheets know it. An apostrophe goes before what a
    spreadsheet would run as a formula. Raises OSError."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each in found:
            texts = (each.sku, each.title, each.field, each.listed, each.looks)
            shares = (f"{each.listed_probability:.3f}", f"{each.looks_probability:.3f}")
            writer.writerow((*map(harmless, texts), *shares, each.image_id))


def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text
