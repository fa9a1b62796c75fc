"""``vitrina encoder calibrate``, from judgements to a search with confidences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.conftest import Vitrina
from tests.fakes import FakeEncoder
from vitrina.search.store.store import Store
from vitrina.search.types.calibration import QueryKind, read_calibration


@pytest.fixture
def uncalibrated(vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch) -> Vitrina:
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    return vitrina


@pytest.fixture
def judgements(store: Store, tmp_path: Path) -> Path:
    """Every title and every colour of the boutique with its items, and what it does not sell."""
    lines: dict[str, list[str]] = {}
    for stored in store.catalog.all_items():
        for text in (stored.item.title, str(stored.item.attributes["article"]), str(stored.item.attributes["colour"])):
            lines.setdefault(text, []).append(stored.item.sku)
    lines |= {f"quagga zebra {number}": [] for number in range(20)}
    path = tmp_path / "judged.jsonl"
    path.write_text("\n".join(json.dumps({"query": text, "relevant": skus}) for text, skus in lines.items()))
    return path


def test_judgements_give_hits_a_confidence(uncalibrated: Vitrina, store: Store, judgements: Path) -> None:
    assert uncalibrated("search", "shirt", "--min-confidence", "0.5")[0] == 2
    assert "confidence" not in uncalibrated("search", "shirt")[1]
    status, printed, _ = uncalibrated("encoder", "calibrate", "--judgements", str(judgements))
    assert status == 0
    assert "calibration error" in printed
    identity = FakeEncoder().identity
    kept = read_calibration(store.folder / "calibrations" / f"{identity.key}.json")
    assert kept is not None
    assert set(kept.curves) == {QueryKind.TEXT}
    status, printed, _ = uncalibrated("search", "shirt", "--min-confidence", "0.5", "--json")
    assert status == 0
    assert all(hit["confidence"] >= 0.5 for hit in json.loads(printed)["hits"])
    assert json.loads(uncalibrated("search", "zebra quagga 5", "--json")[1])["no_good_match"]


def test_fields_replace_judgements(uncalibrated: Vitrina, store: Store) -> None:
    status, printed, _ = uncalibrated("encoder", "calibrate", "--by", "colour", "--by", "title", "--like", "colour")
    assert status == 0
    assert "image" in printed
    kept = read_calibration(next((store.folder / "calibrations").iterdir()))
    assert kept is not None
    assert QueryKind.TEXT in kept.curves


@pytest.mark.usefixtures("store")
def test_too_little_to_calibrate_on(uncalibrated: Vitrina, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text('{"query": "shirt", "relevant": []}')
    for arguments, says in (((), "nothing to calibrate on"), (("--judgements", str(few)), "too few queries")):
        status, _, complaint = uncalibrated("encoder", "calibrate", *arguments)
        assert status == 2
        assert says in complaint
