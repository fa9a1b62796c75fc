"""``vitrina demo``."""

from __future__ import annotations

from pathlib import Path

from tests.api.conftest import Vitrina


def test_it_searches_three_ways_and_draws_the_results(vitrina: Vitrina, tmp_path: Path) -> None:
    status, printed, _ = vitrina("demo", "--products", "40", "--folder", str(tmp_path / "demo"))
    assert status == 0
    assert printed.count("vitrina search") == 3
    assert (tmp_path / "demo" / "contact-sheet.png").stat().st_size > 20_000
    assert "vitrina serve" in printed


def test_with_a_reranker_some_hits_are_explained(reranking_vitrina: Vitrina, tmp_path: Path) -> None:
    status, printed, _ = reranking_vitrina("demo", "--products", "40", "--folder", str(tmp_path / "demo"))
    assert status == 0
    assert printed.count("vitrina search") == 4
    assert "--explain 3" in printed
    assert "✓ colour: white" in printed
