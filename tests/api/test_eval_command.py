"""``vitrina eval``, from its arguments to what it prints and leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.conftest import N_PRODUCTS, make_image, run_vitrina
from tests.fakes import FakeEncoder
from vitrina.search.store.store import Store

Evaluate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Evaluate:
    """Runs ``vitrina eval`` with a fake encoder; returns its exit status, standard output and standard error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        return run_vitrina("eval", *arguments)

    return run


def judgements(store: Store, folder: Path, *, extra: str = "") -> Path:
    """Three items asked for by their titles, and what else a test needs."""
    chosen = [stored.item for stored in store.catalog.all_items()][:3]
    lines = [json.dumps({"query": item.title, "relevant": [item.sku], "id": item.sku}) for item in chosen]
    path = folder / "judged.jsonl"
    path.write_text("\n".join([*lines, extra]), encoding="utf-8")
    return path


def test_judgements_are_measured_and_kept(evaluate: Evaluate, store: Store, tmp_path: Path) -> None:
    status, printed, _ = evaluate(
        str(judgements(store, tmp_path)), "--json", "run.json", "--report", "report.html", "--require", "mrr=0.5"
    )
    assert status == 0
    assert "judged.jsonl, 3 queries" in printed
    assert "nDCG@10" in printed
    assert "mrr=0.5: met" in printed
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert len(run["results"]) == 3
    assert all(len(result["ranking"]) == N_PRODUCTS for result in run["results"])
    assert run["encoder"] == "fake"
    assert "judged.jsonl" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_requirement_that_is_not_met_is_said_and_exits_with_one(
    evaluate: Evaluate, store: Store, tmp_path: Path
) -> None:
    path = str(judgements(store, tmp_path))
    status, _, complaint = evaluate(path, "--require", "p@10=0.2", "--require", "mrr=0.1", "--json", "run.json")
    assert status == 1
    assert "p@10=0.2: not met, p@10 is 0.1000" in complaint
    assert "mrr" not in complaint
    assert (tmp_path / "run.json").is_file(), "the run is kept for finding out why"


@pytest.mark.usefixtures("store")
def test_fields_make_queries_and_a_second_run_is_compared(evaluate: Evaluate, tmp_path: Path) -> None:
    fields = ("--by", "colour", "--by", "{colour} {article}", "--by", "title", "--min-rows", "1")
    status, printed, _ = evaluate(*fields, "--like", "article", "--json", "run.json")
    assert status == 0
    assert all(f"{kind}, " in printed for kind in ("all", "colour", "{colour} {article}", "title", "like article"))
    status, printed, _ = evaluate(*fields, "--against", "run.json", "--report", "report.html")
    assert status == 0
    assert "title against the earlier run" in printed
    assert "Lost most" not in printed
    _, printed, complaint = evaluate("--by", "colour", "--min-rows", "1", "--max-queries", "2", "--against", "run.json")
    assert "colour, 2 queries" in printed
    assert "Only those in both are compared" in complaint


@pytest.mark.usefixtures("store")
def test_fields_may_come_from_a_catalog_file(evaluate: Evaluate, store: Store, tmp_path: Path) -> None:
    skus = [stored.item.sku for stored in store.catalog.all_items()][:4]
    labels = tmp_path / "labels.csv"
    rows = [f"{sku},t,{'warm' if at < 2 else 'cold'}" for at, sku in enumerate(skus)]
    labels.write_text("\n".join(["sku,title,mood", *rows, f"{skus[0]},t,cold", "elsewhere,t,warm"]), encoding="utf-8")
    status, printed, complaint = evaluate(
        "--by", "mood", "--labels", str(labels), "--min-rows", "2", "--json", "r.json"
    )
    assert status == 0
    assert "mood, 2 queries" in printed
    assert "1 of 5 judged skus are not in the catalog" in complaint
    results = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["results"]
    assert {result["text"]: result["n_relevant"] for result in results} == {"warm": 2, "cold": 2}


def test_photos_and_qrels_ask_too(evaluate: Evaluate, store: Store, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(make_image("blue"))
    first = next(store.catalog.all_items()).item.sku
    path = judgements(store, tmp_path, extra=json.dumps({"image": "photo.png", "relevant": {first: 2}}))
    assert "4 queries" in evaluate(str(path))[1]
    (tmp_path / "j.qrels").write_text(f"q1 0 {first} 1\n", encoding="utf-8")
    (tmp_path / "q.tsv").write_text("q1\tblue shirt\n", encoding="utf-8")
    assert "j.qrels, 1 query" in evaluate("j.qrels", "--queries", "q.tsv")[1]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "nothing to measure with"),
        (("missing.jsonl",), "missing.jsonl"),
        (("--by", "color"), "Similar: colour"),
        (("--by", "{colour"), "cannot be read"),
        (("--by", "colour", "--min-rows", "1000"), "Lower --min-rows"),
        (("--by", "colour", "--require", "ndgc@10=0.6"), "Did you mean ndcg@10?"),
        (("--by", "colour", "--require", "size:ndcg@10=0.6"), "There are: colour"),
        (("--by", "colour", "--against", "missing.json"), "missing.json"),
        (("--by", "colour", "--report", "nowhere/report.html"), "There is no folder nowhere"),
        (("--by", "colour", "--queries", "q.tsv"), "qrels file"),
        (("--labels", "x.csv", "elsewhere.jsonl"), "Add --by FIELD"),
        (("elsewhere.jsonl",), "None of the 1 judged skus is in the catalog"),
        (("broken.jsonl",), "broken.jsonl, line 2"),
        (("irrelevant.jsonl",), "No query has a relevant item"),
        (("unreadable.jsonl",), "unreadable.jpg cannot be used"),
    ],
)
def test_mistakes_are_two_lines_and_an_exit_status(
    evaluate: Evaluate, store: Store, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    sku = next(store.catalog.all_items()).item.sku
    (tmp_path / "unreadable.jpg").write_bytes(b"\xff\xd8\xff cut short")
    for name, lines in {
        "elsewhere": ['{"query": "a", "relevant": ["nobody"]}'],
        "broken": ['{"query": "a", "relevant": ["b"]}', '{"query": "a"'],
        "irrelevant": [json.dumps({"query": "a", "relevant": {sku: 0}})],
        "unreadable": [json.dumps({"image": "unreadable.jpg", "relevant": [sku]})],
    }.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    status, printed, complaint = evaluate(*arguments)
    assert (status, printed) == (2, "")
    assert says in complaint
    assert "Traceback" not in complaint
