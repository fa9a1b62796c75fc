"""A run, a comparison and the requirements as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from api.cli.console import errors, output
from evaluation.bootstrap import Interval
from evaluation.comparison import JUDGED_BY, Change, Comparison, Pair
from evaluation.metrics import LABELS
from evaluation.requirements import Check
from evaluation.run import Run, Summary

N_MOVED = 5
BAR_WIDTH = 24


def show_run(run: Run) -> None:
    """Print each kind's metrics with their intervals, how the hits were reranked, and how far confidences can be
    believed."""
    for summary in run.summaries:
        output.print(summary_table(summary))
        output.print()
    for sentence in run.reranking.sentences if run.reranking else ():
        output.print(sentence, highlight=False, markup=False, soft_wrap=True)
    if run.reliability is not None:
        measured = run.reliability
        output.print(
            f"Confidence over {measured.n_hits:,} hits: expected calibration error "
            f"{measured.calibration_error:.3f}, Brier score {measured.brier:.3f}",
            highlight=False,
        )


def summary_table(summary: Summary) -> Table:
    queries = "query" if summary.n_queries == 1 else "queries"
    table = board(f"[bold]{escape(summary.kind)}[/], {summary.n_queries:,} {queries}")
    for name, justify in (("", "left"), ("mean", "right"), ("95% interval", "left"), ("0 to 1", "left")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    for key, label in LABELS.items():
        value = summary.metrics[key]
        table.add_row(label, f"[bold]{value.mean:.3f}[/]", f"{value.low:.3f} to {value.high:.3f}", bar(value))
    return table


def bar(value: Interval) -> str:
    """An interval on a line from 0 to 1."""
    low, mean, high = (min(int(end * BAR_WIDTH), BAR_WIDTH - 1) for end in (value.low, value.mean, value.high))
    line = ["[dim]·[/]"] * BAR_WIDTH
    line[low : high + 1] = ["━"] * (high - low + 1)
    line[mean] = "●"
    return "".join(line)


def show_comparison(comparison: Comparison) -> None:
    """Print what changed against the other run, and the queries that lost and won most."""
    for kind, changes in comparison.changes.items():
        table = board(f"[bold]{escape(kind)}[/] against {comparison.against}")
        for name in ("", "before", "now", "difference", "95% interval", "won", "lost", "tied"):
            table.add_column(name, justify="left" if name in ("", "95% interval") else "right", no_wrap=True)
        for key, label in LABELS.items():
            table.add_row(label, *change_cells(changes[key]))
        output.print(table)
        output.print()
    for heading, pairs in (("Lost most", comparison.losses), ("Won most", comparison.wins)):
        if pairs:
            by = f"by {LABELS[JUDGED_BY]} against {comparison.against}"
            output.print(moves_table(f"{heading}, {len(pairs):,} in all, {by}", pairs))
            output.print()
    for note in comparison.notes:
        errors.print(note, highlight=False, soft_wrap=True)


def change_cells(change: Change) -> list[str]:
    difference = change.difference
    colour = ("green" if difference.mean > 0 else "red") if change.is_certain else "default"
    return [
        f"{change.before:.3f}",
        f"{change.after:.3f}",
        f"[{colour}]{difference.mean:+.3f}[/]",
        f"{difference.low:+.3f} to {difference.high:+.3f}",
        f"{change.n_wins:,}",
        f"{change.n_losses:,}",
        f"{change.n_ties:,}",
    ]


def moves_table(title: str, pairs: Sequence[Pair]) -> Table:
    table = board(f"[bold]{title}[/]")
    table.add_column("query", ratio=1)
    for name in ("before", "now"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in pairs[:N_MOVED]:
        before, after = (f"{result.metrics[JUDGED_BY]:.3f}" for result in (pair.before, pair.after))
        table.add_row(escape(pair.after.id), before, after)
    return table


def board(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False, header_style="dim")


def show_checks(checks: Sequence[Check]) -> None:
    """Print the requirements: those met among the results, those not met as errors."""
    for each in checks:
        console, colour = (output, "green") if each.is_met else (errors, "bold red")
        console.print(
            f"[{colour}]{'✓' if each.is_met else '✕'}[/] {escape(str(each))}", highlight=False, soft_wrap=True
        )
