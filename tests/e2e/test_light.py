"""With the embedded models nothing imports PyTorch and what goes with it, and nothing needs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from recipes.boutique.export import write_folder
from vitrina.search.store.store import FEATURES_FOLDER

HEAVY = (
    *("torch", "torchvision", "transformers", "open_clip", "timm", "huggingface_hub"),
    *("pyarrow", "scipy", "ir_measures"),
)

WITHOUT = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # importing it fails, as where it is not installed
from vitrina.api.cli import main
sys.argv = ["vitrina", *sys.argv[2:]]
main()
"""

EACH_WITHOUT = """
import json, sys, traceback
for name in sys.argv[1].split(","):
    sys.modules[name] = None
from vitrina.api.cli import main
for arguments in json.loads(sys.argv[2]):
    sys.argv = ["vitrina", *arguments]
    print(file=sys.stderr)
    print("#", *arguments, file=sys.stderr)
    try:
        main()
    except SystemExit as ended:
        print("exit status", ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
"""

WATCHED = """
import sys
heavy = sys.argv[1].split(",")
from vitrina.api.cli import main
sys.argv = ["vitrina", *sys.argv[2:]]
try:
    main()
finally:
    found = [name for name in heavy if name in sys.modules]
    assert not found, found
"""

SERVE = """
import sys, json, time
HEAVY = sys.argv[1].split(",")
from pathlib import Path
from fastapi.testclient import TestClient
from vitrina.api.app import create_app
from vitrina.api.settings import Settings
with TestClient(create_app(Settings(store=Path(sys.argv[2]))), base_url="http://127.0.0.1") as client:
    until = time.monotonic() + 60
    while client.get("/readyz").json()["reranker"]["status"] == "opening" and time.monotonic() < until:
        time.sleep(0.05)
    assert client.get("/readyz").json()["reranker"]["status"] == "ready"
    asked = {"text": "blue striped shirt", "rerank": {"deadline_ms": 10_000}, "explain": 1}
    answer = client.post("/v1/search", json=asked).raise_for_status().json()
    assert answer["hits"][0]["explanation"], answer
    assert answer["rerank_status"] in ("reranked", "judged"), answer["rerank_note"]
found = [name for name in HEAVY if name in sys.modules]
assert not found, found
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, ",".join(HEAVY), *arguments]
    environment = {**os.environ, "VITRINA_RERANKER": "embedded"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, env=environment)


def watched(*arguments: str) -> str:
    """The output of a command that imports none of the packages, although they are installed."""
    ended = run(WATCHED, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog indexed without PyTorch, and the features of its images."""
    folder = tmp_path_factory.mktemp("light")
    shop = write_folder(folder / "shop", 12, size=96)
    assert "12" in watched("index", str(shop), "--store", str(folder / "store"))
    assert list((folder / "store" / FEATURES_FOLDER).glob("*.db"))
    return folder / "store"


def test_searching_and_explaining_import_no_pytorch(store: Path) -> None:
    printed = watched("search", "blue striped shirt", "--explain", "1", "--json", "--store", str(store))
    [first, *_] = json.loads(printed)["hits"]
    assert first["explanation"]
    assert first["sku"] in watched("explain", "blue striped shirt", "--sku", first["sku"], "--store", str(store))


def test_the_service_imports_no_pytorch(store: Path) -> None:
    ended = run(SERVE, str(store))
    assert ended.returncode == 0, ended.stderr


def test_nothing_is_missed_without_pytorch(store: Path) -> None:
    ended = run(WITHOUT, "search", "blue striped shirt", "--explain", "1", "--json", "--store", str(store))
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["hits"][0]["explanation"]
    assert "fail" not in answer["rerank_note"]


def test_other_models_name_the_extra(store: Path) -> None:
    commands = [
        ("encoder", "use", "ViT-B-32/openai"),
        ("encoder", "export", "embedded"),
        ("reranker", "export", "embedded"),
        ("train", "encoder", "--out", "nowhere"),
    ]
    ended = run(EACH_WITHOUT, json.dumps([(*command, "--store", str(store)) for command in commands]))
    parts = ended.stderr.split("\n# ")[1:]
    assert len(parts) == len(commands)
    for command, said in zip(commands, parts, strict=True):
        assert said.startswith(" ".join(command))
        assert said.count("exit status") == said.count("exit status 1\n") == 1
        assert "pip install 'vitrina[models]'" in said
        assert "Traceback" not in said


def test_parquet_and_evaluation_name_their_extras(store: Path, tmp_path: Path) -> None:
    (tmp_path / "shop.parquet").write_bytes(b"PAR1")
    parquet = run(WITHOUT, "index", str(tmp_path / "shop.parquet"), "--store", str(tmp_path / "store"))
    evaluation = run(WITHOUT, "eval", "--by", "colour", "--store", str(store))
    for ended, extra in ((parquet, "parquet"), (evaluation, "eval")):
        assert ended.returncode == 1
        assert f"pip install 'vitrina[{extra}]'" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_base_requires_none_of_them() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    heavy = {"torch", "torchvision", "transformers", "open-clip-torch", "timm", "huggingface-hub"}
    other = {"pyarrow", "scipy", "ir-measures"}

    def names(requirements: list[str]) -> set[str]:
        return {each.partition(">")[0] for each in requirements}

    assert not (heavy | other) & names(project["dependencies"])
    assert heavy == names(project["optional-dependencies"]["models"])
    assert all(
        re.search(r"vitrina\[[^]]*\bmodels\b", " ".join(project["optional-dependencies"][extra]))
        for extra in ("dev", "train", "export")
    )
