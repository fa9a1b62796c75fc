"""Plots of the measurements in ``results.md``, as SVG, for the documentation site."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.catalogs import read_sections

RESULTS = Path(__file__).with_name("results.md")
OURS, OTHERS, BOUND = "#0b6b66", "#b9c2c9", "#b3261e"
METHODS = ("the search", "both by rank", "MiniLM", "BM25", "pictures alone")
SHOPS = ("electronics", "demo shops", "DIY shop")
RATE = ", queries a second"
INTERVAL = re.compile(r"95% interval (-?[\d.]+) to ([+-]?[\d.]+)")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A row of a section's table: what was measured, its value in its unit, its bound, and how."""

    name: str
    value: float
    bound: float | None
    how: str

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of the 95% interval, if one was measured."""
        found = INTERVAL.search(self.how)
        return (float(found[1]), float(found[2])) if found else None


def read_measurements(section: str) -> list[Measurement]:
    """The rows of a section's table."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    if not lines:
        return []
    head = cells(lines[0])
    rows = [dict(zip(head, cells(line), strict=False)) for line in lines[2:]]
    return [
        Measurement(row["figure"], value, number(row["bound"]), row["how"])
        for row in rows
        if (value := number(row["measured"])) is not None
    ]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def number(text: str) -> float | None:
    """The number in a cell: ``1,301``, ``36.99 ms``, ``at least 0.72``."""
    found = re.search(r"-?[\d,]*\.?\d+(?:e-?\d+)?", text)
    return float(found[0].replace(",", "")) if found else None


def plot_quality(axes: Axes, sections: Mapping[str, str]) -> None:
    """nDCG@10 in shops that nothing was trained on, against the parts of the search alone."""
    found = {each.name: each for each in read_measurements(sections["unseen"])}
    for number_of_shop, shop in enumerate(SHOPS):
        for position, method in enumerate(METHODS):
            measured = found.get(f"{shop}, nDCG@10, {method}")
            if measured is None:
                continue
            at = number_of_shop * (len(METHODS) + 1) + position
            axes.barh(at, measured.value, color=OURS if method == METHODS[0] else OTHERS)
            if measured.interval:
                axes.plot(measured.interval, (at, at), color="#16181d", linewidth=1)
            axes.text(
                0.005, at, f"{shop}: {method}", va="center", fontsize=7, color="white" if position == 0 else "black"
            )
    axes.set(xlim=(0, 1), yticks=[], xlabel="nDCG@10, with 95% intervals over the queries")
    axes.invert_yaxis()


def plot_lift(axes: Axes, sections: Mapping[str, str]) -> None:
    """What reranking adds to nDCG@10, by what is indexed and what is asked for, but where it adds and takes nothing."""
    rows = [each for each in read_measurements(sections["reranking"]) if each.interval and any(each.interval)]
    for at, each in enumerate(rows):
        axes.barh(at, each.value, color=OURS)
        axes.plot(each.interval or (), (at, at), color="#16181d", linewidth=1)
    axes.set_yticks(range(len(rows)), [each.name.partition(", ")[2] for each in rows], fontsize=7)
    axes.axvline(0, color="#16181d", linewidth=0.8)
    axes.set(xlabel="gain in nDCG@10 over the retrieval order, with 95% intervals")
    axes.invert_yaxis()


def plot_times(axes: Axes, sections: Mapping[str, str]) -> None:
    """How long things take, and how long they may."""
    rows = [
        each
        for name in ("speed", "reranking-speed")
        for each in read_measurements(sections.get(name, ""))
        if each.bound is not None and each.value > 2  # ratios are no times
    ]
    for at, each in enumerate(rows):
        axes.barh(at, each.value, color=OURS)
    axes.vlines([each.bound or 0 for each in rows], *edges(len(rows)), color=BOUND, linewidth=2)
    axes.set_yticks(range(len(rows)), [each.name for each in rows], fontsize=7)
    axes.set(xscale="log", xlabel="milliseconds on two cores; red: the bound")
    axes.invert_yaxis()


def plot_indexes(axes: Axes, sections: Mapping[str, str]) -> None:
    """Queries a second of vector indexes at equal recall, Vitrina's and its peers'."""
    rows = [each for each in read_measurements(sections["indexes"]) if is_rate(each)]
    for at, each in enumerate(sorted(rows, key=lambda each: -each.value)):
        name = each.name.removesuffix(RATE)
        axes.barh(at, each.value, color=OURS if name.startswith("Vitrina") else OTHERS)
        axes.text(each.value, at, f" {name}: {each.value:,.0f}", va="center", fontsize=7)
    axes.set(xlim=(0, 1.6 * max(each.value for each in rows)), yticks=[], xlabel="queries a second on one core")
    axes.invert_yaxis()


def is_rate(measured: Measurement) -> bool:
    """Whether it is an index's rate, not a ratio of two."""
    return measured.name.endswith(RATE) and " / " not in measured.name and measured.value > 0


def edges(n_bars: int) -> tuple[list[float], list[float]]:
    """The upper and lower edges of bars."""
    return [at - 0.4 for at in range(n_bars)], [at + 0.4 for at in range(n_bars)]


PLOTS: Mapping[str, tuple[str, Callable[[Axes, Mapping[str, str]], None]]] = {
    "quality": ("The search and its parts in shops that nothing was trained on", plot_quality),
    "lift": ("What reranking adds, by what is indexed and what is asked for", plot_lift),
    "times": ("Times and their bounds", plot_times),
    "indexes": ("Vector indexes at recall@10 of .95, 100,000 rows of 256 dimensions", plot_indexes),
}
"""Name to title and drawing."""


def draw(name: str, results: Path = RESULTS) -> str:
    """A plot as SVG, the same for the same results."""
    title, plot = PLOTS[name]
    with mpl.rc_context({"svg.hashsalt": "vitrina", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        axes = figure.subplots()
        plot(axes, read_sections(results))
        axes.set_title(title, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def figures(names: Sequence[str] = tuple(PLOTS), folder: str = "plots") -> str:
    """The plots as images in Markdown."""
    return "\n\n".join(f"![{PLOTS[name][0]}]({folder}/{name}.svg)" for name in names)
