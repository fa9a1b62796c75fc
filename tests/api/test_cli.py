"""The ``vitrina`` command, from its arguments to what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import N_PRODUCTS, Vitrina, make_image, run_vitrina
from tests.fakes import CALIBRATION, FakeEncoder
from vitrina.search.store.store import Store


@pytest.fixture
def vitrina(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vitrina:
    """Runs the command with a fake encoder; returns its exit status, standard output and standard error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder(calibration=CALIBRATION))
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    return run_vitrina


@pytest.mark.usefixtures("store")
def test_search_prints_a_table_and_the_http_answer(vitrina: Vitrina, client: TestClient) -> None:
    status, table, _ = vitrina("search", "shirt", "--limit", "4")
    _, printed, _ = vitrina("search", "shirt", "--limit", "4", "--json")
    over_http = client.post("/v1/search", json={"text": "shirt", "limit": 4}).json()
    answer = json.loads(printed)
    assert status == 0
    assert answer["hits"] == over_http["hits"]
    assert set(answer) == set(over_http)
    assert all(hit["sku"] in table for hit in answer["hits"])


@pytest.mark.usefixtures("store")
def test_search_says_how_sure_it_is_and_leaves_out_what_is_unlikely(vitrina: Vitrina) -> None:
    _, everything, _ = vitrina("search", "shirt", "--limit", "40")
    status, likely, _ = vitrina("search", "shirt", "--limit", "40", "--min-confidence", "0.5")
    assert status == 0
    assert "confidence" in everything
    assert 1 < len(likely.splitlines()) < len(everything.splitlines())
    assert all(int(line.split()[-1].removesuffix("%")) >= 50 for line in likely.splitlines()[1:])
    _, _, complaint = vitrina("search", "espresso machine")
    assert "these are the closest" in complaint


@pytest.mark.usefixtures("store")
def test_search_by_image_without_and_filter(vitrina: Vitrina, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(make_image("blue"))
    arguments = ("search", "blue", "--image", str(photo), "--without", "leather", "--filter", "price_cents=1000..20000")
    status, printed, _ = vitrina(*arguments, "--json")
    assert status == 0
    assert all(1000 <= hit["price_cents"] <= 20000 for hit in json.loads(printed)["hits"])


def test_index_says_what_it_did_and_again_changes_nothing(vitrina: Vitrina, shop: Path, tmp_path: Path) -> None:
    _, planned, _ = vitrina("index", str(shop), "--dry-run")
    assert f"{N_PRODUCTS} would be added" in planned
    assert vitrina("status")[1].count(" 0") >= 3
    _, first, _ = vitrina("index", str(shop))
    _, again, _ = vitrina("index", str(shop))
    assert f"{N_PRODUCTS} added" in first
    assert f"{N_PRODUCTS} unchanged" in again
    _, status, _ = vitrina("status")
    assert "colour" in status
    assert "fake" in status


def test_index_maps_columns_and_names_the_dead_letters(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "odd.csv"
    catalog.write_text("nr;bezeichnung\n1;Becher\n;Kanne\n1;Becher\n", encoding="utf-8")
    assert vitrina("index", str(catalog), "--map", "sku=nope")[0] == 2
    status, printed, _ = vitrina("index", str(catalog), "--map", "sku=nr", "--map", "title=bezeichnung")
    assert status == 0
    assert "1 added, 2 rejected" in printed
    letters = Path(printed.split("one line each: ")[1].splitlines()[0])
    reasons = [json.loads(line) for line in letters.read_text(encoding="utf-8").splitlines()]
    assert [letter["origin"] for letter in reasons] == ["odd.csv:3", "odd.csv:4"]
    assert all(letter["reason"] and letter["remedy"] for letter in reasons)
    assert vitrina("search", "Becher")[0] == 0


@pytest.mark.usefixtures("store")
def test_delete_and_rebuild(vitrina: Vitrina, store: Store) -> None:
    skus = [stored.item.sku for stored in store.catalog.all_items()]
    status, printed, complaint = vitrina("delete", skus[0], "nobody")
    assert (status, "1 deleted" in printed, "nobody" in complaint) == (0, True, True)
    assert vitrina("delete", skus[0])[0] == 2
    status, printed, _ = vitrina("rebuild")
    assert status == 0
    assert f"{2 * (N_PRODUCTS - 1)} vectors" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("search", "shirt"), "Nothing is indexed"),
        (("status",), "vitrina index"),
        (("index", "missing.csv"), "missing.csv"),
        (("index", ".", "--map", "sku"), "FIELD=COLUMN"),
        (("search",), "asks for nothing"),
        (("search", "a", "--limit", "0"), "limit 0"),
        (("search", "a", "--filter", "colour"), "KEY=VALUE"),
        (("search", "--image", "missing.jpg"), "missing.jpg"),
    ],
)
def test_mistakes_are_two_lines_and_an_exit_status(vitrina: Vitrina, arguments: tuple[str, ...], says: str) -> None:
    status, printed, complaint = vitrina(*arguments)
    assert status == 2
    assert printed == ""
    assert says in complaint
    assert "Traceback" not in complaint


@pytest.mark.usefixtures("store")
def test_a_store_of_another_encoder_is_refused_with_the_command_that_mends_it(
    vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder(name="another"))
    monkeypatch.setenv("VITRINA_ENCODER", "another")
    status, _, complaint = vitrina("search", "shirt")
    assert status == 1
    assert "Leave out VITRINA_ENCODER" in complaint
    assert "vitrina encoder use another" in complaint


def test_demo_leaves_a_contact_sheet(vitrina: Vitrina, tmp_path: Path) -> None:
    status, printed, _ = vitrina("demo", "--products", "40", "--folder", str(tmp_path / "demo"))
    assert status == 0
    assert printed.count("vitrina search") == 3
    assert (tmp_path / "demo" / "contact-sheet.png").stat().st_size > 20_000
    assert "vitrina serve" in printed
