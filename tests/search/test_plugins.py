"""Plug-ins are found by entry point; broken and doubly named ones are refused with a remedy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from vitrina.search.plugins import load_plugin, registered
from vitrina.search.types.errors import PluginError

GROUP = "vitrina.encoders"

Install = Callable[[str, Mapping[str, str]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package with entry points of the group on the path."""

    def put(package: str, entries: Mapping[str, str]) -> None:
        folder = tmp_path / package
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")
        (folder / f"{package}_module.py").write_text("def load(): return 'loaded'\n")
        monkeypatch.syspath_prepend(str(folder))

    return put


def test_a_plugin_is_found_without_being_imported(install: Install) -> None:
    install("acme", {"acme": "acme_module:load"})
    assert registered(GROUP)["acme"].value == "acme_module:load"
    assert "acme_module" not in sys.modules
    assert load_plugin(GROUP, "acme")() == "loaded"


def test_an_unknown_name_lists_those_that_exist(install: Install) -> None:
    install("acme", {"acme": "acme_module:load"})
    with pytest.raises(PluginError, match="'amce'") as caught:
        load_plugin(GROUP, "amce")
    assert "acme" in caught.value.remedy


@pytest.mark.parametrize("value", ["no_such_module:load", "broken_module:no_such_function"])
def test_a_broken_plugin_names_its_package(install: Install, value: str) -> None:
    install("broken", {"broken": value})
    with pytest.raises(PluginError, match="from broken") as caught:
        load_plugin(GROUP, "broken")
    assert "pip install" in caught.value.remedy


def test_two_plugins_of_one_name_are_refused(install: Install) -> None:
    install("first", {"same": "first_module:load"})
    install("second", {"same": "second_module:load"})
    with pytest.raises(PluginError, match="'same'") as caught:
        registered(GROUP)
    assert "pip uninstall" in caught.value.remedy


def test_a_group_without_plugins_is_empty() -> None:
    assert registered("vitrina.nothing") == {}
