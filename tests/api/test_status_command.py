"""``vitrina status``, ``vitrina delete`` and ``vitrina rebuild``, and what ``vitrina serve`` prints of its reranker."""

from __future__ import annotations

import pytest

from tests.api.conftest import N_PRODUCTS, Vitrina
from vitrina.api.cli.serve import reranker_line
from vitrina.api.settings import Settings
from vitrina.search.store.store import Store


@pytest.mark.usefixtures("store")
def test_delete_and_rebuild(vitrina: Vitrina, store: Store) -> None:
    skus = [stored.item.sku for stored in store.catalog.all_items()]
    status, printed, complaint = vitrina("delete", skus[0], "nobody")
    assert (status, "1 deleted" in printed, "nobody" in complaint) == (0, True, True)
    assert vitrina("delete", skus[0])[0] == 2
    status, printed, _ = vitrina("rebuild")
    assert status == 0
    assert f"{2 * (N_PRODUCTS - 1)} vectors" in printed
    _, printed, _ = vitrina("status")
    assert "text index" in printed
    assert f"flat, {N_PRODUCTS - 1} rows (exact, since" in printed


def test_status_and_serve_name_the_reranker(reranking_vitrina: Vitrina) -> None:
    status, printed, _ = reranking_vitrina("status")
    assert status == 0
    assert "eyes at vlm.example" in printed
    assert reranker_line(Settings()) == "Opening the reranker eyes at vlm.example in the background."
    assert "VITRINA_RERANKER" in reranker_line(Settings(reranker="off"))
