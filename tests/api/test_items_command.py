"""``vitrina items``."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import N_PRODUCTS, Vitrina


@pytest.mark.usefixtures("store")
def test_it_lists_what_is_there_page_by_page(vitrina: Vitrina) -> None:
    status, table, note = vitrina("items", "--limit", "30")
    assert status == 0
    assert f"{N_PRODUCTS} from" in table
    cursor = note.split("--cursor ")[1].split()[0]
    page = json.loads(vitrina("items", "--json", "--cursor", cursor)[1])
    assert len(page["items"]) == N_PRODUCTS - 30
    assert all(item["sku"] not in table for item in page["items"])
    assert json.loads(vitrina("items", "--json", "--since", "2999-01-01")[1])["items"] == []
    assert vitrina("items", "--cursor", "x")[0] == 2
