"""``vitrina encoder``, from its arguments to what it prints."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.api.conftest import N_PRODUCTS, Vitrina, run_vitrina
from tests.fakes import FakeEncoder
from vitrina.search.encoders.base import Encoder
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError

ENCODERS = {encoder.identity.name: encoder for encoder in (FakeEncoder(), FakeEncoder("new", seed=9, dimension=20))}


def load(name: str, **_: object) -> Encoder:
    if name not in ENCODERS:
        raise EncoderError(f"There is no encoder {name}.", remedy="Bring it.")
    return ENCODERS[name]


@pytest.fixture
def vitrina(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store) -> Vitrina:
    """Runs ``vitrina`` on the boutique; returns its exit status, standard output and standard error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", load)
    monkeypatch.setenv("VITRINA_STORE", str(store.folder))
    monkeypatch.setenv("COLUMNS", "200")

    return run_vitrina


def test_use_shows_what_it_did_and_the_next_commands_follow(vitrina: Vitrina, store: Store) -> None:
    status, printed, bar = vitrina("encoder", "use", "new")
    assert status == 0
    assert f"{N_PRODUCTS} items embedded; new answers queries" in printed
    assert f"{N_PRODUCTS}/{N_PRODUCTS}" in bar
    assert "fake is kept. Switch back: vitrina encoder use" in printed
    assert vitrina("search", "shirt")[0] == 0
    assert "new" in vitrina("status")[1]
    assert store.catalog.active_encoder() == ENCODERS["new"].identity
    assert "0 items embedded" in vitrina("encoder", "use", "fake")[1]
    assert store.catalog.active_encoder() == ENCODERS["fake"].identity
    assert f"{N_PRODUCTS} items embedded" in vitrina("encoder", "use", "fake", "--force")[1]


def test_show_lists_every_encoder_and_how_much_it_has_embedded(vitrina: Vitrina, store: Store) -> None:
    store.catalog.open_index_version(ENCODERS["new"].identity, active=False)
    status, printed, _ = vitrina("encoder", "show")
    active, other = printed.splitlines()[1:]
    assert status == 0
    assert active.split()[:2] == ["active", "fake"]
    assert f"{N_PRODUCTS} of {N_PRODUCTS}" in active
    assert other.split()[0] == "new"
    assert f"0 of {N_PRODUCTS}" in other


def test_drop_and_drop_old(vitrina: Vitrina, store: Store) -> None:
    vitrina("encoder", "use", "new", "--drop-old")
    assert [version.identity.name for version in store.catalog.index_versions()] == ["new"]
    assert "none but the active one" in vitrina("encoder", "drop")[1]
    vitrina("encoder", "use", "fake")
    status, _, complaint = vitrina("encoder", "drop", "new", "fake")
    assert (status, "cannot be dropped" in complaint) == (1, True)
    assert len(store.catalog.index_versions()) == 2
    assert "new dropped" in vitrina("encoder", "drop", "new")[1]
    status, _, complaint = vitrina("encoder", "drop", "new")
    assert (status, "vitrina encoder show" in complaint) == (2, True)


def test_lost_images_are_counted_and_named(vitrina: Vitrina, store: Store) -> None:
    lost = next(store.catalog.all_items()).image_ids[0]
    with closing(sqlite3.connect(store.folder / "pictures.db", isolation_level=None)) as images:
        images.execute("DELETE FROM pictures WHERE id = ?", (lost,))
    status, printed, _ = vitrina("encoder", "use", "new")
    assert status == 0
    assert "1 images are missing or damaged" in printed
    letters = Path(printed.split("one line each: ")[1].splitlines()[0])
    assert lost in letters.read_text(encoding="utf-8")


def test_a_missing_encoder_changes_nothing(vitrina: Vitrina, store: Store) -> None:
    status, _, complaint = vitrina("encoder", "use", "nowhere")
    assert (status, "no encoder nowhere" in complaint) == (1, True)
    assert [version.identity.name for version in store.catalog.index_versions()] == ["fake"]
