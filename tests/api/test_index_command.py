"""``vitrina index``, and the features that it precomputes for the reranker."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from tests.api.conftest import N_PRODUCTS, Vitrina, run_vitrina
from tests.fakes import FakeEncoder
from tests.search.reranking.backends.transformers import tiny


def test_it_prints_what_it_did_and_a_second_run_changes_nothing(vitrina: Vitrina, shop: Path, tmp_path: Path) -> None:
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


def test_columns_are_mapped_and_dead_letters_written(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "odd.csv"
    catalog.write_text("nr;bezeichnung\n1;Becher\n;Kanne\n1;Tasse\n", encoding="utf-8")
    assert vitrina("index", str(catalog), "--map", "sku=nope")[0] == 1
    status, printed, _ = vitrina("index", str(catalog), "--map", "sku=nr", "--map", "title=bezeichnung")
    assert status == 3
    assert "1 added, 2 rejected" in printed
    letters = Path(printed.split("one line each: ")[1].splitlines()[0])
    reasons = [json.loads(line) for line in letters.read_text(encoding="utf-8").splitlines()]
    assert [letter["origin"] for letter in reasons] == ["odd.csv:3", "odd.csv:4"]
    assert all(letter["reason"] and letter["remedy"] for letter in reasons)
    assert vitrina("search", "Becher")[0] == 0


def test_a_zip_of_a_catalog_and_its_images(vitrina: Vitrina, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    (folder / "images").mkdir(parents=True)
    (folder / "products.csv").write_text("sku,title,image\nA,Mug,images/a.png\n", encoding="utf-8")
    Image.new("RGB", (8, 8), "red").save(folder / "images" / "a.png")
    packed = shutil.make_archive(str(tmp_path / "export"), "zip", tmp_path, "shop")
    status, printed, _ = vitrina("index", packed)
    assert (status, "1 added" in printed, "without an image" in printed) == (0, True, False)
    assert "1 unchanged" in vitrina("index", packed)[1]


def test_progress_is_told_as_json_lines(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "shop.csv"
    rows = [f"{at},mug {at}" for at in range(300)] + [",cup", ",pot"]
    catalog.write_text("\n".join(["sku,title", *rows]), encoding="utf-8")
    status, printed, _ = vitrina("index", str(catalog), "--progress", "json")
    events = [json.loads(line) for line in printed.splitlines()]
    assert [event["event"] for event in events[-2:]] == ["report", "end"]
    assert {event["event"] for event in events[:-2]} == {"progress"}
    first, last, report, end = events[0], events[-3], events[-2], events[-1]
    assert (first["source"], first["stage"], last["stage"]) == ("shop.csv", "indexing", "finishing")
    assert 0 < first["n_done"] <= last["n_done"] == 302
    assert (last["n_added"], last["n_rejected"]) == (300, 2)
    assert last["n_total"] == pytest.approx(302, rel=0.05)  # told from the file's size
    assert first["per_second"] > 0
    assert first["seconds_left"] is not None
    assert list(first["stages"]) == ["read", "fetch", "decode", "embed", "commit"]
    assert first["slowest_stage"] in first["stages"]
    assert last["left_out"][0]["n"] == 2
    assert "The row has no sku" in last["left_out"][0]["reason"]
    assert report["changes"] == "300 added, 2 rejected"
    assert report["table"]["rows read"] == "302"
    assert Path(report["dead_letters"]).is_file()
    assert (end["n_items"], end["exit_status"], status) == (300, 3, 3)
    _, printed, complaint = vitrina("index", str(catalog), "--progress", "off")
    assert "300 unchanged" in printed
    assert "%" not in complaint


def test_the_rows_of_dead_letters_alone_are_tried_again(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog, photos = tmp_path / "odd.csv", tmp_path / "photos"
    photos.mkdir()
    rows = ["nr;bezeichnung;bild", "1;Becher;a.png", ";Kanne;", "1;Becher;", "2;Tasse;b.png", "3;Glas;"]
    catalog.write_text("\n".join(rows), encoding="utf-8")
    Image.new("RGB", (8, 8), "red").save(photos / "a.png")
    options = ("--map", "sku=nr", "--map", "title=bezeichnung", "--map", "image=bild", "--images", str(photos))
    _, printed, _ = vitrina("index", str(catalog), *options)
    letters = Path(printed.split("vitrina index --retry ")[1].splitlines()[0])
    assert len(letters.read_text("utf-8").splitlines()) == 3

    status, printed, _ = vitrina("index", "--retry", str(letters))  # nothing is mended
    assert (status, "0 added, 1 updated, 1 unchanged, 2 rejected" in printed) == (3, True)
    assert len(letters.read_text("utf-8").splitlines()) == 3

    rows[2:5] = ["4;Kanne;", "5;Becher;", "2;Tasse;b.png"]
    catalog.write_text("\n".join([*rows, "6;Neu;"]), encoding="utf-8")
    Image.new("RGB", (8, 8), "blue").save(photos / "b.png")
    _, planned, _ = vitrina("index", "--retry", str(letters), "--dry-run")
    assert "2 would be added, 1 would be updated, 1 would be unchanged" in planned
    status, printed, _ = vitrina("index", "--retry", str(letters))
    assert (status, "2 added, 1 updated, 1 unchanged" in printed) == (0, True)
    assert f"None of the 3 dead letters is left; {letters} was removed" in printed
    assert not letters.exists()
    assert "5 items in" in printed  # without the row that is new
    assert "1 added, 5 unchanged" in vitrina("index", str(catalog), *options)[1]


def test_dead_letters_need_their_source(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog, letters = tmp_path / "shop.csv", tmp_path / "letters.jsonl"
    catalog.write_text("sku,title\n1,mug\n2,cup\n", encoding="utf-8")
    lines = [{"origin": "shop.csv:3", "reason": "a", "remedy": "b", "sku": "2"}]
    lines.append({"origin": "shop.csv:9", "reason": "a", "remedy": "b", "sku": "9"})
    letters.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    status, _, complaint = vitrina("index", "--retry", str(letters))
    assert (status, f"vitrina index SOURCE --retry {letters}" in complaint) == (1, True)
    assert vitrina("index", str(catalog), "--retry", str(letters), "--sync")[0] == 2
    assert vitrina("index")[0] == 2
    status, printed, noted = vitrina("index", str(catalog), "--retry", str(letters))
    assert (status, "1 added" in printed, "1 items in" in printed) == (0, True, True)
    assert "1 of the dead letters are of rows that the source no longer has; they stay in the file" in noted
    assert [json.loads(line)["sku"] for line in letters.read_text("utf-8").splitlines()] == ["9"]


def test_what_is_gone_from_the_source_is_deleted_only_if_that_is_wanted(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "shop.csv"

    def index(skus: str, *options: str) -> str:
        catalog.write_text("sku,title\n" + "".join(f"{sku},Mug {sku}\n" for sku in skus), encoding="utf-8")
        _, printed, noted = vitrina("index", str(catalog), *options)
        return printed + noted

    index("ABCDEFGHIJ")
    assert "1 item is no longer in shop.csv. To delete what is gone: vitrina index --sync" in index("ABCDEFGHI")
    assert "1 item is no longer in shop.csv and would be deleted" in index("ABCDEFGHI", "--sync", "--dry-run")
    assert "1 item is no longer in shop.csv: deleted" in index("ABCDEFGHI", "--prune")
    assert "6 items are no longer in shop.csv, of 9: none was deleted. If that is right, add --yes" in index(
        "ABC", "--sync"
    )
    assert "9 items in" in index("ABC")
    assert "3 items in" in index("ABC", "--sync", "--yes")


def test_imports_into_one_store_take_turns(vitrina: Vitrina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = tmp_path / "shop.csv"
    catalog.write_text("sku,title\nA,Mug\n", encoding="utf-8")
    (tmp_path / "store").mkdir()
    held = FileLock(tmp_path / "store" / "import.lock", is_singleton=False)
    held.acquire()
    noted: list[str] = []

    def note(text: str) -> None:
        noted.append(text)
        held.release()

    monkeypatch.setattr("vitrina.api.cli.console.print_note", note)
    _, printed, _ = vitrina("index", str(catalog))
    assert noted == ["Another import into this store is under way; waiting for it to finish."]
    assert "1 added" in printed


ODD = """nr,sku,title,cost,photo,blank
1,a,Red mug,$12.50,img/a.png,
2,b,Blue mug,$8.00,img/b.png,
3,c,Green mug,Call for price,img/c.png,
4,,Grey mug,$9.00,img/d.png,
"""


def test_the_run_says_what_was_read_and_what_was_left_out(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "odd.csv"
    catalog.write_text(ODD.replace("cost", "price"), encoding="utf-8")
    (tmp_path / "img").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "img" / "a.png")
    status, printed, _ = vitrina("index", str(catalog), "--map", "image=photo")
    assert status == 3
    table = dict(re.findall(r"^  (\w+(?: \w+)?) {2,}(.*)$", printed, re.MULTILINE))
    assert table["rows read"] == "4"
    assert table["items"] == "3"
    assert table["variants"] == "0"
    assert table["images"] == "3, 2 of them could not be used"
    assert table["prices"] == "2; 1 item has none"
    assert table["left out"] == "1 row"
    assert (table["sku"], table["image"]) == ("from sku", "from photo")
    assert table["attributes"] == "nr"
    assert table["not used"] == "blank (empty)"
    assert "left out: 1 row, as at odd.csv:5: The row has no sku: sku is empty. Fill it in" in printed
    assert "left out: 1 x price, as at odd.csv:4: 'Call for price' is not a price. Write" in printed
    assert "left out: 2 x image, as at odd.csv:3: The image" in printed


def test_a_dry_run_shows_examples_and_what_would_mend_it(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "odd.csv"
    odd = ODD.replace("photo", "seen").replace("cost", "amnt")
    odd += "5,e,Black mug,Call for price,none yet,\n6,f,White mug,$7.00,img/f.png,\n"
    catalog.write_text(odd, encoding="utf-8")
    status, printed, _ = vitrina("index", str(catalog), "--dry-run")
    assert status == 3
    assert printed.count("  for example ") == 3
    assert "for example b (odd.csv:3): Blue mug" in printed
    assert "no image: no column is known to hold it (columns: nr, sku, title, amnt, seen, blank)" in printed
    assert "; seen may, add --map image=seen" in printed
    assert "no price: no column is known to hold it" in printed
    _, printed, _ = vitrina("index", str(catalog), "--dry-run", "--map", "price=amnt")
    assert "    price       12.50 USD" in printed
    catalog.write_text("sku,title,Weight kg\n1,Red mug,1.5\n2,Blue mug,2.25\n", encoding="utf-8")
    assert "Weight kg may" not in vitrina("index", str(catalog), "--dry-run")[1]


def test_the_exit_status_says_whether_all_went_in(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "shop.csv"
    for content, expected in (("sku,title\n1,mug\n", 0), ("sku,title\n1,mug\n,cup\n", 3), ("sku,title\n,mug\n", 1)):
        catalog.write_text(content, encoding="utf-8")
        assert vitrina("index", str(catalog))[0] == expected
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    status, _, complaint = vitrina("index", str(tmp_path / "cut.parquet"))
    assert status == 1
    assert "cut.parquet is not a Parquet file that can be read" in complaint


def test_a_nightly_run_that_dares_not_delete_tells_by_its_exit_status(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "shop.csv"

    def index(skus: str, *options: str) -> int:
        catalog.write_text("sku,title\n" + "".join(f"{sku},mug {sku}\n" for sku in skus), encoding="utf-8")
        return vitrina("index", str(catalog), *options)[0]

    assert index("ABCDEF") == 0
    assert (index("ABC", "--sync"), index("ABC"), index("ABC", "--sync", "--yes"), index("ABC", "--sync")) == (
        3,
        0,
        0,
        0,
    )


def test_a_run_in_which_no_image_could_be_used_tells_by_its_exit_status(vitrina: Vitrina, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    catalog = tmp_path / "shop.csv"
    for images, expected in (("bc", 3), ("ac", 0), ("", 0)):
        rows = "".join(f"{name},mug {name},{name}.png\n" for name in images) or "d,mug,\n"
        catalog.write_text(f"sku,title,image\n{rows}", encoding="utf-8")
        assert vitrina("index", str(catalog), "--dry-run")[0] == expected
        assert vitrina("index", str(catalog))[0] == expected


def test_a_dialect_of_ones_own(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog, dialect = tmp_path / "till.csv", tmp_path / "till.toml"
    catalog.write_text("plu;text;vk;zu\n10;Shirt;;\n11;Shirt red;9,90;10\n20;Bag;5,00;\n", encoding="utf-8")
    dialect.write_text(
        'name = "our till"\n[fields]\nsku = ["plu"]\ntitle = ["text"]\nprice = ["vk"]\n'
        '[join]\nby = "parent"\ncolumn = ["zu"]\nnames = ["{plu}"]\nkinds = {column = ["zu"], variant = "."}\n'
        '[variants]\nsku = ["plu"]\nprice = ["vk"]\ntitle = ["text"]\n',
        encoding="utf-8",
    )
    status, printed, _ = vitrina("index", str(catalog), "--dialect", str(dialect))
    assert (status, "our till" in printed, "2 added" in printed) == (0, True, True)
    dialect.write_text('name = "x"\nfeilds = {}\n', encoding="utf-8")
    status, _, noted = vitrina("index", str(catalog), "--dialect", str(dialect))
    assert (status, "feilds: Extra inputs are not permitted" in re.sub(r"\s+", " ", noted)) == (1, True)


def test_images_in_another_folder_and_an_encoding_that_is_given(vitrina: Vitrina, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "media" / "a.png")
    catalog = tmp_path / "exports" / "shop.csv"
    catalog.parent.mkdir()
    catalog.write_bytes("sku,title,image\n1,Größe,/a.png\n".encode("cp850"))
    options = ("--images", str(tmp_path / "media"), "--encoding", "cp850")
    status, printed, _ = vitrina("index", str(catalog), *options)
    assert status == 0
    assert "could not be used" not in printed
    assert vitrina("search", "Größe")[0] == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("fast-vlm", tmp_path_factory.mktemp("vlm"))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Path) -> Vitrina:
    """Runs ``vitrina index`` over the boutique with a reranker; returns its exit status, standard output and standard
    error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(reranker: object, *options: str) -> tuple[int, str, str]:
        monkeypatch.setenv("VITRINA_RERANKER", str(reranker))
        return run_vitrina("index", str(shop), *options)

    return run


def test_features_are_precomputed_once(index: Vitrina, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, printed, _ = index(folder)
    assert status == 0
    assert f"Features of {N_PRODUCTS} images precomputed for the reranker while they were indexed" in printed
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("It was opened."))
    status, printed, _ = index(folder)
    assert status == 0
    assert "for the reranker" not in printed


def test_features_of_images_of_earlier_runs_are_precomputed_afterwards(index: Vitrina, folder: Path) -> None:
    index("off")
    _, printed, _ = index(folder)
    assert f"Features of {N_PRODUCTS} images precomputed for the reranker in " in printed
    assert " per second" in printed


@pytest.mark.parametrize("reranker", ["off", "http://127.0.0.1:9/v1", "anthropic", "some/model-on-the-hub"])
def test_nothing_is_precomputed_for_a_reranker_outside_this_process(
    index: Vitrina, reranker: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("It was opened."))
    status, printed, complaint = index(reranker)
    assert status == 0
    assert "for the reranker" not in printed + complaint
    assert not (tmp_path / "home" / "features").exists()


def test_a_dry_run_precomputes_nothing(index: Vitrina, folder: Path, tmp_path: Path) -> None:
    status, printed, _ = index(folder, "--dry-run")
    assert status == 0
    assert "for the reranker" not in printed
    assert not (tmp_path / "home" / "features").exists()


def test_large_models_are_not_opened(index: Vitrina, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.api.rerankers.MAX_SMALL_BYTES", 1000)
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("It was opened."))
    assert index(folder)[0] == 0


def damaged_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"nothing of the kind")


def no_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()


def code_of_its_own(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    changed = config | {"model_type": "foreign", "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}
    (folder / "config.json").write_text(json.dumps(changed))


@pytest.mark.parametrize("harm", [damaged_weights, no_configuration, code_of_its_own])
def test_a_reranker_that_fails_does_not_stop_indexing(
    index: Vitrina, folder: Path, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    harm(copy)
    status, printed, complaint = index(copy)
    assert status == 0
    assert f"{N_PRODUCTS} items in " in printed
    assert "No features were precomputed for the reranker" in complaint


def test_a_damaged_feature_cache_does_not_stop_indexing(index: Vitrina, folder: Path, tmp_path: Path) -> None:
    index(folder)
    (file,) = (tmp_path / "home" / "features").glob("*.db")
    file.write_bytes(b"no database at all" * 1000)
    status, printed, complaint = index(folder)
    assert status == 0
    assert f"{N_PRODUCTS} items in " in printed
    assert "delete it" in complaint.lower()
