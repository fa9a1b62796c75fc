"""``vitrina reranker calibrate``: from judgements to the weight of the reranker."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from tests.api.conftest import Vitrina
from tests.search.reranking.shops import ColourReranker
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import Store


@pytest.fixture
def judgements(reranking_store: Store, tmp_path: Path) -> Path:
    """Every colour, and every colour of every article, with the items that have it in the catalog."""
    found: dict[str, list[str]] = defaultdict(list)
    for stored in reranking_store.catalog.all_items():
        colour, article = (str(stored.item.attributes[field]) for field in ("colour", "article"))
        for text in (colour, f"{colour} {article}", f"a {colour} {article}"):
            found[text].append(stored.item.sku)
    path = tmp_path / "judged.jsonl"
    path.write_text("\n".join(json.dumps({"query": text, "relevant": skus}) for text, skus in found.items()))
    return path


def test_judgements_say_how_much_the_reranker_counts(
    reranking_vitrina: Vitrina, reranking_store: Store, judgements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, printed, complaint = reranking_vitrina("reranker", "calibrate", "--judgements", str(judgements))
    assert (status, complaint.count("Traceback")) == (0, 0)
    assert "the whole phrase counts" in printed
    with RerankPipeline.open(reranking_store, ColourReranker()) as stage:
        assert stage.fusion_weights.source.startswith(
            f"{len(judgements.read_text().splitlines())} queries on a catalog of"
        )
        assert stage.fusion_weights.slope > 0


def test_too_few_judgements_are_refused(
    reranking_vitrina: Vitrina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text('{"query": "red shirt", "relevant": []}')
    status, _, complaint = reranking_vitrina("reranker", "calibrate", "--judgements", str(few))
    assert status == 2
    assert "too few queries" in complaint


def test_without_a_reranker_the_error_says_how_to_set_one(
    reranking_vitrina: Vitrina, judgements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_RERANKER", "off")
    status, _, complaint = reranking_vitrina("reranker", "calibrate", "--judgements", str(judgements))
    assert status == 1
    assert "VITRINA_RERANKER" in complaint
