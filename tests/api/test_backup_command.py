"""``vitrina backup`` and ``vitrina restore``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.api.conftest import Vitrina
from vitrina.search.store.store import Store


def test_back_up_lose_and_restore(vitrina: Vitrina, store: Store, tmp_path: Path) -> None:
    n_items = store.catalog.count("items")
    file = tmp_path / "shop.tar"
    status, printed, _ = vitrina("backup", str(file))
    assert (status, printed.startswith(f"{n_items} items in ")) == (0, True)
    status, printed, _ = vitrina("restore", str(file), "--check")
    assert (status, printed.startswith(f"Whole: {n_items} items as of 20")) == (0, True)
    status, printed, note = vitrina("restore", str(file), "--store", str(tmp_path / "again"))
    assert (status, "restored to" in printed, "Restart the services" in note) == (0, True, True)
    with closing(Store.existing(tmp_path / "again")) as restored:
        assert restored.catalog.counts() == store.catalog.counts()


def test_nothing_is_overwritten_unasked(vitrina: Vitrina, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "shop.tar"
    assert vitrina("backup", str(file))[0] == 0
    status, _, complaint = vitrina("backup", str(file))
    assert (status, "--overwrite" in complaint) == (2, True)
    status, _, complaint = vitrina("restore", str(file))
    assert (status, "--overwrite" in complaint, "not empty" in complaint) == (2, True, True)
    skus = [stored.item.sku for stored in store.catalog.all_items()]
    assert vitrina("delete", skus[0])[0] == 0
    assert vitrina("restore", str(file), "--overwrite")[0] == 0
    with closing(Store.existing(store.folder)) as restored:
        assert {stored.item.sku for stored in restored.catalog.all_items()} == set(skus)


def test_a_cut_file_says_so(vitrina: Vitrina, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "shop.tar"
    assert vitrina("backup", str(file))[0] == 0
    file.write_bytes(file.read_bytes()[:-20_000])
    for arguments in (("--check",), ("--store", str(tmp_path / "again"))):
        status, _, complaint = vitrina("restore", str(file), *arguments)
        assert (status, "not a whole backup" in complaint) == (2, True)
    assert not (tmp_path / "again").exists()
    assert store.catalog.count("items")


def test_there_must_be_something_to_back_up(vitrina: Vitrina, tmp_path: Path) -> None:
    status, _, complaint = vitrina("backup", str(tmp_path / "x.tar"), "--store", str(tmp_path / "none"))
    assert (status, "Nothing is indexed" in complaint) == (2, True)
