from __future__ import annotations

from pathlib import Path

from benchmarks.catalogs import Figure, read_sections, row, write_sections


def test_a_section_measured_again_leaves_the_others(tmp_path: Path) -> None:
    out = tmp_path / "results.md"
    write_sections(out, {"unseen": "one", "speed": "two"})
    write_sections(out, read_sections(out) | {"unseen": "three"})
    assert read_sections(out) == {"speed": "two", "unseen": "three"}


def test_a_reference_is_held_to_nothing() -> None:
    reference = Figure("BM25", 0.1, None)
    assert reference.is_met
    assert row(reference) == "| BM25 | 0.1 |  |  |  |"


def test_a_missed_bound_is_marked() -> None:
    assert "**no**" in row(Figure("recall", 0.1, 0.2))
    assert "yes" in row(Figure("error", 0.1, 0.2, "at most"))
