"""The tree's own rules: modules and functions of a length that can be read, no circles, the glossary's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.glossary import ROOT, Glossary, retired_names
from benchmarks.structure import MAX_FUNCTION_LINES, MAX_MODULE_LINES, Tree, cycles, length


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


def test_no_module_and_no_function_is_too_long(tree: Tree) -> None:
    assert [each.place for each in tree.modules if each.n_lines > MAX_MODULE_LINES] == []
    functions = [(module.place, each) for module in tree.modules for each in module.functions()]
    assert [f"{place}:{each.name}" for place, each in functions if length(each) > MAX_FUNCTION_LINES] == []


def test_no_packages_and_no_modules_import_each_other(tree: Tree) -> None:
    assert tree.package_cycles() == []
    assert cycles(tree.imports) == []


def test_circles_are_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert cycles({"a": {"b"}, "b": set()}) == []


@pytest.mark.parametrize(
    ("place", "text", "found"),
    [
        ("api/answers.py", "class VerdictOut:\n    standing: str\n    status: str\n", [(2, "standing")]),
        ("api/answers.py", 'EXAMPLE = {\n    "catalog_value": "red",\n    "listed": "red",\n}\n', [(3, "listed")]),
        ("search/answers.py", 'SQL = {"listed": "red"}\n', []),
        ("api/page/audit.js", 'const { seen } = error; // not seen\nshow("seen", `listed`);\n', [(1, "seen")]),
        ("api/page/search.js", "/** What was\n * seen. */\nat(answer.total_considered);\n", [(3, "total_considered")]),
    ],
)
def test_retired_words_are_found_in_fields_and_scripts(
    place: str, text: str, found: list[tuple[int, str]], tmp_path: Path
) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    problems = retired_names(tmp_path, [path], Glossary.read())
    assert [(each.line, each.name) for each in problems] == found
