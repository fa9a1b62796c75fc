"""Plug-ins are found by entry point; broken and doubly named ones are refused with a remedy."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.fakes import FakeEncoder, make_entry, open_replica
from vitrina.search.encoders.registry import load_encoder, open_index_version
from vitrina.search.plugins import load_plugin, registered
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.store.store import Store, StoreOptions
from vitrina.search.types.errors import PluginError

GROUP = "vitrina.encoders"

LOAD = "def load(): return 'loaded'"

MAKE = """
from vitrina.search.index.faiss import FaissIndex
class make(FaissIndex): pass
"""

ENCODER = """
from tests.fakes import FakeEncoder
def load(name, options): return FakeEncoder(name)
"""


RERANKER = """
from contextlib import nullcontext
from tests.search.reranking.shops import ColourReranker
def open_reranker(name, options): return nullcontext(ColourReranker(f"{name}/{options.model}"))
"""


class Install(Protocol):
    def __call__(self, package: str, entries: Mapping[str, str], group: str = GROUP, code: str = LOAD) -> None: ...


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package with entry points of a group on the path."""

    def put(package: str, entries: Mapping[str, str], group: str = GROUP, code: str = LOAD) -> None:
        folder = tmp_path / package
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
        (folder / f"{package}_module.py").write_text(code)
        monkeypatch.delitem(sys.modules, f"{package}_module", raising=False)  # an earlier test's
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


def test_the_encoder_of_a_package_is_loaded_by_the_name_of_its_plugin(install: Install) -> None:
    install("acme", {"acme": "acme_module:load"}, code=ENCODER)
    assert load_encoder("acme:v3").identity.name == "acme:v3"
    assert load_encoder("acme").identity.name == "acme"


def test_a_store_may_use_the_vector_index_of_a_package(install: Install, tmp_path: Path, encoder: FakeEncoder) -> None:
    install("acme", {"acme": "acme_module:make"}, "vitrina.indexes", MAKE)
    store = Store(tmp_path / "store", StoreOptions(vector_index="acme"))
    store.catalog.commit(open_index_version(store, encoder), [make_entry(encoder, "a", "red mug")])
    replica = open_replica(store, encoder)
    assert type(replica.indexes["text"]).__module__ == "acme_module"
    assert len(replica) == 1
    store.close()


def test_what_the_package_brings_is_registered_too() -> None:
    assert {"embedded", "onnx", "open_clip"} <= set(registered("vitrina.encoders"))
    assert "faiss" in registered("vitrina.indexes")


def test_a_group_without_plugins_is_empty() -> None:
    assert registered("vitrina.nothing") == {}


def test_a_reranker_is_opened_by_the_plugin_of_its_name(install: Install) -> None:
    install("acme", {"acme": "acme_module:open_reranker"}, "vitrina.rerankers", RERANKER)
    for name in ("acme", "acme:v3"):
        with open_by_name(name, RerankerOptions(model="judge")) as reranker:
            assert reranker.identity.name == f"{name}/judge"
    assert {"anthropic", "embedded", "openai", "transformers"} <= registered("vitrina.rerankers").keys()
