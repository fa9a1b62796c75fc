"""The lint for `docs/GLOSSARY.md`: no retired word in a name, in a field of an answer, or in the page's scripts; no two
public classes of one name."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "GLOSSARY.md"
PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

PUBLIC = ("api", "evaluation", "tuning", "vitrina")
"""Parts of the tree whose dictionaries go out as JSON: their keys are checked like names."""

NO_CODE = re.compile(r"//.*|/\*.*?\*/|\"[^\"\n]*\"|`[^`]*`", re.DOTALL | re.MULTILINE)
"""Comments and texts of a script."""


@dataclass(frozen=True)
class Glossary:
    """``retired``: each retired phrase, as its words, and what to say instead; ``exceptions``: names to let pass."""

    retired: Mapping[tuple[str, ...], str]
    exceptions: tuple[str, ...]

    @classmethod
    def read(cls, path: Path = GLOSSARY) -> Glossary:
        """Read the tables under the headings "Retired words" and "Exceptions"."""
        text = path.read_text(encoding="utf-8")
        retired = {
            tuple(phrase.split()): standard
            for left, standard in _table(text, "Retired words")
            for phrase in re.findall(r"`([^`]+)`", left)
        }
        exceptions = [name for left, _ in _table(text, "Exceptions") for name in re.findall(r"`([^`]+)`", left)]
        return cls(retired, tuple(exceptions))

    def find(self, name: str, place: str) -> tuple[str, str] | None:
        """The first retired phrase in a name of the file ``place``, with its replacement, or None."""
        words = tuple(part.lower() for part in PARTS.findall(name))
        for phrase, standard in self.retired.items():
            if any(words[at : at + len(phrase)] == phrase for at in range(len(words) - len(phrase) + 1)):
                return None if self._is_exception(name, place) else (" ".join(phrase), standard)
        return None

    def _is_exception(self, name: str, place: str) -> bool:
        return any(fnmatchcase(f"{place}:{name}" if ":" in each else name, each) for each in self.exceptions)


def _table(text: str, heading: str) -> Iterator[tuple[str, str]]:
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        if line.startswith("|") and "`" in line:
            left, right = line.strip("|").split("|")[:2]
            yield left.strip(), right.strip()


@dataclass(frozen=True, order=True)
class Problem:
    """A name to change, where it is defined, and what to change it to."""

    path: str
    line: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name}: {self.reason}"


def defined_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The names that a module gives to things: definitions, parameters, variables, attributes it sets, aliases."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno


def field_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The keys of a module's dictionaries that are written as names are."""
    for node in ast.walk(tree):
        for key in node.keys if isinstance(node, ast.Dict) else ():
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value.isidentifier():
                yield key.value, key.lineno


def script_names(text: str) -> Iterator[tuple[str, int]]:
    """All names in a script, those of the fields that it reads from answers too."""
    code = NO_CODE.sub(lambda found: "\n" * found.group().count("\n"), text)
    for number, line in enumerate(code.splitlines(), start=1):
        yield from ((name, number) for name in re.findall(r"[A-Za-z_]\w*", line))


def names_in(path: Path, *, has_fields: bool) -> Iterator[tuple[str, int]]:
    """The names of a file, and the keys of its dictionaries where they are fields, each with its line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".js":
        return script_names(text)
    tree = ast.parse(text)
    return chain(defined_names(tree), field_names(tree) if has_fields else ())


def retired_names(root: Path, paths: Iterable[Path], glossary: Glossary) -> list[Problem]:
    """Every name with a retired word in it, once a module; a module's own name included."""
    problems = []
    for path in paths:
        place = path.relative_to(root).as_posix()
        found = dict(reversed(list(names_in(path, has_fields=place.split("/")[0] in PUBLIC))))
        for name, line in {path.parent.name: 0, path.stem: 0, **found}.items():
            if hit := glossary.find(name, place):
                problems.append(Problem(place, line, name, f"`{hit[0]}` is retired; say {hit[1]}"))
    return sorted(problems)


def repeated_classes(root: Path, paths: Iterable[Path]) -> list[Problem]:
    """Public classes at the top of a module whose name another module gives to a class as well."""
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for path in paths:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append((path.relative_to(root).as_posix(), node.lineno))
    return sorted(
        Problem(place, line, name, f"{len(where)} public classes have this name")
        for name, where in places.items()
        if len(where) > 1
        for place, line in where
    )


def python_files(root: Path, *, tests: bool = True) -> list[Path]:
    """The tree's Python files, sorted, without hidden and generated folders."""
    return sorted(
        path
        for path in root.rglob("*.py")
        if not (parts := path.relative_to(root).parts)[0].startswith(".")
        and parts[0] not in {"build", "dist", "demo", "runs"}
        and (tests or parts[0] != "tests")
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the problems, and how many each part of the tree has; 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to check")
    root = parser.parse_args(arguments).root.resolve()
    scripts = sorted((root / "api" / "page").glob("*.js"))
    problems = retired_names(root, [*python_files(root), *scripts], Glossary.read())
    problems += repeated_classes(root, python_files(root, tests=False))
    for problem in problems:
        print(problem)  # noqa: T201
    areas = Counter("/".join(problem.path.split("/")[:2]) for problem in problems)
    for area, n_problems in areas.most_common():
        print(f"{n_problems:6} {area}")  # noqa: T201
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
