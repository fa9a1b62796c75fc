"""``vitrina`` as a whole: help, start-up, retired options, and how errors are reported."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.api.conftest import Vitrina
from tests.fakes import FakeEncoder

COMMANDS = {
    *("index", "search", "explain", "serve", "items", "duplicates", "status", "delete", "rebuild"),
    *(
        "eval",
        "audit",
        "backup",
        "restore",
        "demo",
        "duplicates",
        "encoder",
        "items",
        "keys",
        "reranker",
        "suggest",
        "synonyms",
        "train",
    ),
}


def test_help_lists_every_command_and_imports_no_model_library() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from vitrina.api.cli import app; "
        "print(CliRunner().invoke(app, ['--help']).stdout); "
        "sys.exit(bool({'torch', 'transformers', 'open_clip', 'faiss', 'sqlalchemy', 'pyarrow'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert set(re.findall(r"^. (\w+)  ", ended.stdout, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("index", "--map --dry-run --sync --yes --source"),
        ("search", "--image --without --filter --limit --min-confidence --rerank --no-rerank --explain --json"),
        ("explain", "--sku --image --without --filter --limit --min-confidence --rerank --no-rerank --json"),
        ("serve", "--host --port"),
        ("items", "--source --since --limit --cursor --json"),
        ("duplicates", "--json"),
        ("status", ""),
        ("delete", ""),
        ("rebuild", ""),
        ("eval", "--queries --by --like --labels --min-rows --max-queries --seed --against --json --report --require"),
        ("eval", "--rerank --rerank-top --hide-listings"),
        ("audit", "--field --limit --csv --report"),
        ("encoder use", "--force --drop-old"),
        ("encoder show", ""),
        ("encoder drop", ""),
        ("encoder calibrate", "--judgements --queries --by --like"),
        ("encoder export", "--precision --calibrate-on --out"),
        ("reranker calibrate", "--judgements --queries"),
        ("train encoder", "--out --from --caption --loss --freeze --lora --epochs --batch-size --learning-rate"),
        ("train encoder", "--held-out --patience --seed --threads --licence --run-dir --resume"),
        ("train reranker", "--judgements --queries --out --from --lora --image-tower --listings --epochs --batch-size"),
        ("train reranker", "--micro-batch-size --learning-rate --held-out --patience --seed --threads --licence"),
        ("train reranker", "--run-dir --resume"),
    ],
)
def test_each_help_lists_every_option(command: str, options: str, vitrina: Vitrina) -> None:
    status, printed, _ = vitrina(*command.split(), "--help")
    assert status == 0
    assert set(re.findall(r"--[a-z-]+", printed)) >= {"--store", *options.split()}


def test_a_source_that_cannot_be_read_has_an_exit_status_of_its_own(vitrina: Vitrina) -> None:
    status, printed, complaint = vitrina("index", "missing.csv")
    assert (status, printed) == (1, "")
    assert "missing.csv" in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("search", "shirt"), "Nothing is indexed"),
        (("status",), "vitrina index"),
        (("index", ".", "--map", "sku"), "FIELD=COLUMN"),
        (("search",), "Nothing is indexed"),
        (("search", "--without", "red"), "only says what to avoid"),
        (("search", "a", "--sort", "cheapest"), "price_asc"),
        (("search", "a", "--limit", "0"), "limit 0"),
        (("search", "a", "--filter", "colour"), "KEY=VALUE"),
        (("search", "--image", "missing.jpg"), "missing.jpg"),
    ],
)
def test_an_error_is_two_lines_and_an_exit_status(vitrina: Vitrina, arguments: tuple[str, ...], says: str) -> None:
    status, printed, complaint = vitrina(*arguments)
    assert status == 2
    assert printed == ""
    assert says in complaint
    assert "Traceback" not in complaint


@pytest.mark.usefixtures("store")
def test_a_store_of_another_encoder_is_refused_with_the_command_that_switches(
    vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder(name="another"))
    monkeypatch.setenv("VITRINA_ENCODER", "another")
    status, _, complaint = vitrina("search", "shirt")
    assert status == 1
    assert "Leave out VITRINA_ENCODER" in complaint
    assert "vitrina encoder use another" in complaint
