"""``vitrina synonyms``: a shop's own synonyms are kept with the store and used by every process that has it open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.conftest import Vitrina
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.store.store import Store


def test_synonyms_are_set_shown_and_removed(vitrina: Vitrina, store: Store, tmp_path: Path) -> None:
    running = LexicalIndex(store.catalog)
    word = next(store.catalog.all_items()).item.title.split()[0]
    assert len(running.match("plugh").best(9)) == 0
    file = tmp_path / "synonyms.txt"
    file.write_text(f"# ours\nplugh, {word}\n", encoding="utf-8")
    status, printed, _ = vitrina("synonyms", str(file))
    assert (status, printed) == (0, "1 rule kept\n")
    assert running.catch_up()
    assert len(running.match("plugh").best(9))
    assert vitrina("synonyms")[:2] == (0, f"# ours\nplugh, {word}\n")
    assert vitrina("synonyms", "--clear")[:2] == (0, "Synonyms removed\n")
    assert running.catch_up()
    assert len(running.match("plugh").best(9)) == 0
    status, _, note = vitrina("synonyms")
    assert status == 0
    assert "no synonyms of its own" in note


@pytest.mark.usefixtures("store")
def test_a_file_with_a_mistake_changes_nothing(vitrina: Vitrina, tmp_path: Path) -> None:
    file = tmp_path / "synonyms.txt"
    file.write_text("a, b\nalone\n", encoding="utf-8")
    status, _, complaint = vitrina("synonyms", str(file))
    assert status == 2
    assert "Line 2" in complaint
    file.write_bytes(b"caf\xe9, coffee\n")
    assert "UTF-8" in vitrina("synonyms", str(file))[2]
    assert vitrina("synonyms", str(tmp_path / "none.txt"))[0] == 2
    assert vitrina("synonyms", str(file), "--clear")[0] == 2
    assert vitrina("synonyms")[1] == ""
