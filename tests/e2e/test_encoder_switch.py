"""Real encoders, the command line and a service: one encoder takes over from another while queries go on."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from recipes.boutique.export import write_folder
from tests.api.conftest import run_vitrina
from tests.search.encoders.conftest import write_tiny_encoder
from vitrina.api.app import create_app
from vitrina.api.settings import Settings
from vitrina.search.store.store import Store

N_PRODUCTS = 12

Vitrina = Callable[..., str]


@pytest.fixture
def vitrina(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vitrina:
    """Runs a command that must succeed; returns what it printed."""
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("VITRINA_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str) -> str:
        status, printed, complaint = run_vitrina(*arguments)
        assert status == 0, complaint
        return printed

    return run


def folder_with_encoder(folder: Path, seed: int) -> Path:
    folder.mkdir()
    write_tiny_encoder(folder, seed)
    return folder.resolve()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.timeout(300)
def test_a_shops_own_encoder_takes_over_while_queries_go_on(
    vitrina: Vitrina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (folder_with_encoder(tmp_path / name, seed) for seed, name in enumerate(("one", "two")))
    catalog = write_folder(tmp_path / "shop", N_PRODUCTS, size=32)
    monkeypatch.setenv("VITRINA_ENCODER", str(one))
    vitrina("index", str(catalog))
    monkeypatch.delenv("VITRINA_ENCODER")
    statuses, encoders, stop = set[int](), list[str](), threading.Event()
    with TestClient(create_app(Settings())) as client:

        def keep_asking() -> None:
            while not stop.is_set():
                response = client.post("/v1/search", json={"text": "navy shirt"})
                statuses.add(response.status_code)
                encoders.append(response.json()["encoder"])

        def answered_by(folder: Path) -> bool:
            return encoders[-1:] == [f"local-dir:{folder}"]

        thread = threading.Thread(target=keep_asking)
        thread.start()
        try:
            wait_for(lambda: answered_by(one))
            assert f"{N_PRODUCTS} items embedded" in vitrina("encoder", "use", str(two))
            wait_for(lambda: answered_by(two))
            digits = {folder.name: digits_of(vitrina, folder) for folder in (one, two)}
            shutil.rmtree(one)
            shutil.rmtree(two)
            assert vitrina("search", "navy shirt").count("\n") > N_PRODUCTS / 2  # from the copy in the store
            assert "0 items embedded" in vitrina("encoder", "use", digits["one"])
            wait_for(lambda: answered_by(one))
        finally:
            stop.set()
            thread.join()
    assert statuses == {200}
    assert list(dict.fromkeys(encoders)) == [f"local-dir:{one}", f"local-dir:{two}"]
    backup = tmp_path / "backup"
    shutil.copytree(tmp_path / "store", backup)
    shutil.rmtree(tmp_path / "store")
    assert vitrina("search", "navy shirt", "--store", str(backup)).count("\n") > N_PRODUCTS / 2
    assert "dropped" in vitrina("encoder", "drop", "--store", str(backup))
    store = Store(backup)
    assert [folder.name for folder in store.models.folder.iterdir()] == [store.catalog.index_versions()[0].identity.key]
    store.close()


def digits_of(vitrina: Vitrina, folder: Path) -> str:
    """The fingerprint's first digits, as ``vitrina encoder show`` prints them."""
    (row,) = (line for line in vitrina("encoder", "show").splitlines() if f"local-dir:{folder} " in line)
    return row.removeprefix("live").split()[1]
