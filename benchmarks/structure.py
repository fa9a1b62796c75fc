"""Figures of the tree, and a picture of its packages, both written to `docs/`: ``python -m benchmarks.structure``."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.glossary import ROOT, Glossary, python_files, repeated_classes, retired_names

TRACER = Path(__file__).with_name("query_path.py")
PAGE = ROOT / "docs" / "structure.md"
DRAWING = ROOT / "docs" / "packages.svg"
Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Module:
    """One file: its place, its text, and its syntax tree."""

    place: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its name as an import says it, without ``vitrina.``."""
        return self.place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def n_lines(self) -> int:
        return self.text.count("\n")

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def imports(self) -> Iterator[str]:
        """Every module that it may import, ``a.b.c`` for ``from a.b import c`` as well as ``a.b``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (each.name.removeprefix("vitrina.") for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                source = node.module.removeprefix("vitrina.")
                yield from (f"{source}.{each.name}" if source != "vitrina" else each.name for each in node.names)


class Tree:
    """A checkout: its modules outside the tests, and who imports whom."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.paths = [path for path in python_files(self.root, tests=False) if path.parent != self.root]
        texts = [(path.relative_to(self.root).as_posix(), path.read_text(encoding="utf-8")) for path in self.paths]
        self.modules = [Module(place, text, ast.parse(text)) for place, text in texts]

    @cached_property
    def imports(self) -> Graph:
        """The modules that each module imports, wherever the import stands in it."""
        names = {module.name for module in self.modules}
        graph: dict[str, set[str]] = {}
        for module in self.modules:
            found = {each if each in names else each.rpartition(".")[0] for each in module.imports()}
            graph[module.name] = (found & names) - {module.name}
        return graph

    def package_cycles(self) -> list[set[str]]:
        """Circles among neighbours: packages, and modules beside them, that lie in one folder."""
        folders = {name.rpartition(".")[0] for name in self.imports}
        found = []
        for folder in folders:
            prefix = f"{folder}." if folder else ""
            graph: dict[str, set[str]] = defaultdict(set)
            for source, targets in self.imports.items():
                for target in targets:
                    if source.startswith(prefix) and target.startswith(prefix):
                        ends = [prefix + each.removeprefix(prefix).split(".")[0] for each in (source, target)]
                        if ends[0] != ends[1]:
                            graph[ends[0]].add(ends[1])
            found += [each for each in cycles(graph) if not each <= set(self.imports) or len(folders & each)]
        return sorted(found, key=sorted)

    def trace(self) -> dict[str, list[str]]:
        """What `query_path.py` finds. Blocks for half a minute; raises CalledProcessError."""
        command = [sys.executable, str(TRACER)]
        printed = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout
        found: dict[str, list[str]] = json.loads(printed.splitlines()[-1])
        return found

    def lines_by_package(self) -> Counter[str]:
        """Lines of each top-level folder, and of the packages within ``search``."""
        found: Counter[str] = Counter()
        for module in self.modules:
            parts = module.place.split("/")
            found[parts[0]] += module.n_lines
            if parts[0] == "search" and len(parts) > 2:
                found["/".join(parts[:2])] += module.n_lines
        return found


def cycles(graph: Graph) -> list[set[str]]:
    """The strongly connected components of more than one node (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
            if target in stack:
                low[node] = min(low[node], low[target])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(set(stack[at:]))
            del stack[at:]

    for node in list(graph):
        if node not in index:
            visit(node)
    return found


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    n_lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        n_lines -= (first.end_lineno or 0) - first.lineno + 1
    return n_lines


MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60


def figures(tree: Tree, glossary: Glossary, passed: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Each figure by what it counts; ``passed`` is what `Tree.trace` found."""
    lengths = [length(function) for module in tree.modules for function in module.functions()]
    n_with_code = sum(len(each.tree.body) > 1 for each in tree.modules)
    small = [each for each in tree.modules if each.n_lines < 40 and "/__" not in each.place]
    repeated = {problem.name for problem in repeated_classes(tree.root, tree.paths)}
    retired = retired_names(tree.root, python_files(tree.root), glossary)
    tests = [path for path in python_files(tree.root) if path.name.startswith("test_")]
    return {
        "modules outside tests": f"{len(tree.modules)}",
        "modules outside tests that hold more than a docstring": f"{n_with_code}",
        "modules under 40 lines, `__init__` and `__main__` aside": f"{len(small)}",
        "modules over 400 lines": f"{sum(each.n_lines > MAX_MODULE_LINES for each in tree.modules)}",
        "functions": f"{len(lengths)}",
        "functions of 3 lines or less": f"{sum(each <= 3 for each in lengths)}",
        "functions over 60 lines": f"{sum(each > MAX_FUNCTION_LINES for each in lengths)}",
        "public class names used twice": f"{len(repeated)}",
        "names with a retired word, once a module, tests included": f"{len(retired)}",
        "package cycles": f"{len(tree.package_cycles())}",
        "modules in import cycles": f"{sum(map(len, cycles(tree.imports)))}",
        "files that a search passes on its way from route to answer": f"{len(passed['handing'])}",
        "files that are given the search or its answer": f"{len(passed['given'])}",
        "files in which anything runs during a search": f"{len(passed['ran'])}",
        "test files": f"{len(tests)}",
        **{f"lines of `{name}`": f"{n:,}" for name, n in sorted(tree.lines_by_package().items())},
    }


NOTES = """# Figures of the tree

Made by `make structure`; do not edit.

{table}

- Lines are all lines of a file. A function's are those from `def` to its end, without its docstring.
- A package cycle is a set of neighbours in one folder, packages or modules beside them, that import each other in a
  circle.
- What a search passes is traced: `benchmarks/query_path.py` answers one query over HTTP, reranked by the embedded model
  and explained, and looks for functions that are given the request, the query, the parsed query, the rerank options or
  the answer as a whole. A file *passes it on* where such a function hands it to a function of another file.
- Retired words are those of [the glossary](GLOSSARY.md).

The files that a search passes: {files}.
"""


def draw(tree: Tree) -> str:
    """An SVG of the packages: each above what it imports, with the imports that no longer way implies."""
    graph = package_graph(tree)
    ranks = {node: _rank(node, graph) for node in graph}
    rows = [sorted(node for node in graph if ranks[node] == rank) for rank in range(max(ranks.values()), -1, -1)]
    width, box, gap, height = 900, (150, 30), 78, 40 + 78 * len(rows)
    places = {
        node: ((column + 1) * width / (len(row) + 1), 35 + gap * at)
        for at, row in enumerate(rows)
        for column, node in enumerate(row)
    }
    lines = [
        f'<line x1="{places[a][0]:.0f}" y1="{places[a][1] + box[1] / 2:.0f}" x2="{places[b][0]:.0f}"'
        f' y2="{places[b][1] - box[1] / 2 - 4:.0f}" marker-end="url(#tip)"/>'
        for a in sorted(graph)
        for b in sorted(graph[a])
        if not any(b in _reach(other, graph) for other in graph[a] - {b})
    ]
    boxes = [
        f'<rect x="{x - box[0] / 2:.0f}" y="{y - box[1] / 2:.0f}" width="{box[0]}" height="{box[1]}" rx="5"/>'
        f'<text x="{x:.0f}" y="{y + 4:.0f}">{node}</text>'
        for node, (x, y) in places.items()
    ]
    return SVG.format(width=width, height=height, shapes="\n".join([*lines, *boxes]))


SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13"
 text-anchor="middle">
<style>rect{{fill:#eef3fa;stroke:#48689a}}line{{stroke:#8a94a6}}</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0L8 4L0 8z" fill="#8a94a6"/></marker></defs>
<rect width="{width}" height="{height}" style="fill:#fff;stroke:none"/>
{shapes}
</svg>
"""


def package_graph(tree: Tree) -> Graph:
    """Imports between the top-level folders, and between what lies in ``search``."""

    def unit(name: str) -> str:
        parts = name.split(".")
        return "/".join(parts[:2]) if parts[0] == "search" else parts[0]

    graph: dict[str, set[str]] = {unit(name): set() for name in tree.imports if name != "search"}
    for source, targets in tree.imports.items():
        for target in targets:
            if source != "search" and target != "search" and unit(source) != unit(target):
                graph[unit(source)].add(unit(target))
    return graph


def _rank(node: str, graph: Graph) -> int:
    return max((1 + _rank(each, graph) for each in graph[node]), default=0)


def _reach(node: str, graph: Graph) -> set[str]:
    return set().union(graph[node], *(_reach(each, graph) for each in graph[node]))


def main() -> None:
    """Write the page and the picture. Runs a search; blocks for half a minute."""
    tree = Tree(ROOT)
    passed = tree.trace()
    rows = [f"| {name} | {figure} |" for name, figure in figures(tree, Glossary.read(), passed).items()]
    files = ", ".join(f"`{file}`" for file in passed["handing"])
    PAGE.write_text(NOTES.format(table="\n".join(["| | |", "|---|---:|", *rows]), files=files), encoding="utf-8")
    DRAWING.write_text(draw(tree), encoding="utf-8")


if __name__ == "__main__":
    main()
