"""``vitrina eval``, from its arguments to what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.conftest import N_PRODUCTS, Vitrina, make_image, run_vitrina
from tests.fakes import COLOURS, FakeEncoder
from tests.search.reranking.shops import ColourReranker
from vitrina.evaluation.run import read_run
from vitrina.search.reranking.base import Deadline
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vitrina:
    """Runs ``vitrina eval`` with a fake encoder; returns its exit status, standard output and standard error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        return run_vitrina("eval", *arguments)

    return run


def judgements(store: Store, folder: Path, *, extra: str = "") -> Path:
    """Queries for three items by their titles, and one more line if a test needs it."""
    chosen = [stored.item for stored in store.catalog.all_items()][:3]
    lines = [json.dumps({"query": item.title, "relevant": [item.sku], "id": item.sku}) for item in chosen]
    path = folder / "judged.jsonl"
    path.write_text("\n".join([*lines, extra]), encoding="utf-8")
    return path


def test_judgements_are_measured_and_the_run_is_written(evaluate: Vitrina, store: Store, tmp_path: Path) -> None:
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


def test_a_gate_that_is_not_met_exits_with_1(evaluate: Vitrina, store: Store, tmp_path: Path) -> None:
    path = str(judgements(store, tmp_path))
    status, _, complaint = evaluate(path, "--require", "p@10=0.2", "--require", "mrr=0.1", "--json", "run.json")
    assert status == 1
    assert "p@10=0.2: not met, p@10 is 0.1000" in complaint
    assert "mrr" not in complaint
    assert (tmp_path / "run.json").is_file(), "the run is kept for finding out why"


@pytest.mark.usefixtures("store")
def test_fields_make_queries_and_a_second_run_is_set_against_the_first(evaluate: Vitrina, tmp_path: Path) -> None:
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
def test_fields_may_come_from_a_catalog_file(evaluate: Vitrina, store: Store, tmp_path: Path) -> None:
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
    assert {result["text"]: result["n_relevant"] for result in results} == {"warm": 2, "cold": 3}  # one is both


def test_photos_and_qrels_make_queries(evaluate: Vitrina, store: Store, tmp_path: Path) -> None:
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
def test_an_error_is_two_lines_and_an_exit_status(
    evaluate: Vitrina, store: Store, tmp_path: Path, arguments: tuple[str, ...], says: str
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


def judgements_by_image(folder: Path) -> str:
    """The items of each colour by their images, whatever the catalog says."""
    lines = [
        {"query": colour, "relevant": [f"item-{number}" for number in range(place, 36, 6)]}
        for place, colour in enumerate(COLOURS)
    ]
    path = folder / "judged.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return str(path)


def test_the_reranked_search_is_measured_against_retrieval_alone(reranking_vitrina: Vitrina, tmp_path: Path) -> None:
    judged, run, report = judgements_by_image(tmp_path), str(tmp_path / "run.json"), str(tmp_path / "report.html")
    plain = str(tmp_path / "plain.json")
    assert reranking_vitrina("eval", judged, "--json", plain)[0] == 0
    before = read_run(Path(plain))
    least = f"ndcg@10={before.summaries[0].metrics['ndcg@10'].mean + 0.001}"
    assert reranking_vitrina("eval", judged, "--require", least)[0] == 1
    options = ("--rerank", "--rerank-top", "36", "--json", run, "--report", report, "--against", plain)
    status, printed, _ = reranking_vitrina("eval", judged, *options, "--require", least)
    assert status == 0, "what is required is required of the reranked run"
    assert "judged.jsonl against retrieval alone" in printed
    assert "judged.jsonl against the earlier run" in printed
    assert "Won most, 2 in all" in printed
    assert "Reranked by simple eyes: up to 36 hits per query, images and listings." in printed
    assert "Judged 192 of 216 hits." in printed
    assert "24 were not judged: It has no image." in printed
    assert "ms per query at the median" in printed
    kept = read_run(Path(run))
    assert kept.reranking is not None
    assert kept.reranking.reranker == "simple eyes"
    assert [result.ranking for result in kept.results] != [result.ranking for result in before.results]
    html = Path(report).read_text(encoding="utf-8")
    assert "Against retrieval alone" in html
    assert "Against the earlier run" in html
    assert "reranker simple eyes" in html


def test_reranking_by_images_alone(reranking_vitrina: Vitrina, tmp_path: Path) -> None:
    status, printed, _ = reranking_vitrina("eval", judgements_by_image(tmp_path), "--rerank", "--hide-listings")
    assert status == 0
    assert "Reranked by simple eyes: up to 20 hits per query, images alone, listings hidden." in printed


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--hide-listings",), 2, "Add --rerank"),
        (("--rerank-top", "5"), 2, "Add --rerank"),
        (("--rerank", "--rerank-top", "0"), 2, "top is 0"),
        (("--rerank", "--rerank-top", "101"), 2, "top is 101"),
    ],
)
def test_bad_reranking_options_are_refused_before_the_first_query(
    reranking_vitrina: Vitrina, tmp_path: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    left, printed, complaint = reranking_vitrina("eval", judgements_by_image(tmp_path), *arguments)
    assert (left, printed) == (status, "")
    assert says in complaint


def test_a_missing_or_broken_reranker_is_an_error(
    reranking_vitrina: Vitrina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(deadline: Deadline) -> None:
        raise RerankerError("It broke.", remedy="Mend it.")

    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: ColourReranker(before=failing))
    status, printed, complaint = reranking_vitrina("eval", judgements_by_image(tmp_path), "--rerank")
    assert (status, printed) == (1, "")
    assert "reranked no hit of any query" in complaint
    assert "The reranker failed." in complaint
    monkeypatch.setenv("VITRINA_RERANKER", "off")
    status, printed, complaint = reranking_vitrina("eval", judgements_by_image(tmp_path), "--rerank")
    assert (status, printed) == (1, "")
    assert "no reranker on this installation" in complaint
