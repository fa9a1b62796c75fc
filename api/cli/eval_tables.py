"""How ``vitrina eval`` prints a run, its comparison with another, and its gates."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from vitrina.api.cli.console import errors, output, print_line, print_note
from vitrina.evaluation.comparison import JUDGED_BY, Comparison, GateResult, MetricChange, RunPair
from vitrina.evaluation.metrics import LABELS, Interval
from vitrina.evaluation.run import Run, Summary

N_MOVED = 5
"""Queries shown of those that lost most, and of those that won most."""

BAR_WIDTH = 24


def show_run(run: Run) -> None:
    """Print each kind's metrics with their intervals, how the hits were reranked, and how reliable confidences are."""
    for summary in run.summaries:
        output.print(summary_table(summary))
        output.print()
    for sentence in run.reranking.sentences if run.reranking else ():
        print_line(sentence)
    if run.reliability is not None:
        measured = run.reliability
        print_line(
            f"Confidence over {measured.n_hits:,} hits: expected calibration error "
            f"{measured.calibration_error:.3f}, Brier score {measured.brier:.3f}"
        )


def summary_table(summary: Summary) -> Table:
    """The metrics of one kind of query, with their intervals."""
    queries = "query" if summary.n_queries == 1 else "queries"
    table = new_table(f"[bold]{escape(summary.kind)}[/], {summary.n_queries:,} {queries}")
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
        table = new_table(f"[bold]{escape(kind)}[/] against {comparison.against}")
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
        print_note(note)


def change_cells(change: MetricChange) -> list[str]:
    """The cells of one metric's change; coloured if the interval of the difference excludes 0."""
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


def moves_table(title: str, pairs: Sequence[RunPair]) -> Table:
    """The first queries of a list, with their scores before and now."""
    table = new_table(f"[bold]{title}[/]")
    table.add_column("query", ratio=1)
    for name in ("before", "now"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in pairs[:N_MOVED]:
        before, after = (f"{result.metrics[JUDGED_BY]:.3f}" for result in (pair.before, pair.after))
        table.add_row(escape(pair.after.id), before, after)
    return table


def new_table(title: str) -> Table:
    """An empty table in the style of all of these."""
    return Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False, header_style="dim")


def show_gates(gates: Sequence[GateResult]) -> None:
    """Print the gates: those met to standard output, those not met to standard error."""
    for gate in gates:
        console, colour = (output, "green") if gate.is_met else (errors, "bold red")
        console.print(f"[{colour}]{'✓' if gate.is_met else '✕'}[/] {escape(str(gate))}", soft_wrap=True)
