"""The tree's own rules: modules and functions of a length that can be read, no circles."""

from __future__ import annotations

import pytest

from benchmarks.glossary import ROOT
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
