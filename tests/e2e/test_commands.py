"""The commands of the README and of the quickstart, pasted into a clean folder, one block after the other.

A block that is not run, or only by the slow tests, says so in a comment above it; which ones they are is asserted.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from recipes.boutique.export import write_folder
from tests.e2e.test_dockerfile import free_port

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/quickstart.md")
N_PRODUCTS = 12

BLOCK = re.compile(r"(?:^<!-- (.+?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: what the comment above it says, its language, and its text."""

    note: str
    language: str
    text: str

    @property
    def is_skipped(self) -> bool:
        return self.note.startswith("not run by the tests: ")

    @property
    def is_slow(self) -> bool:
        return self.note.startswith("run by the slow tests: ")


def blocks_of(page: str) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))]


class CleanFolder:
    """A folder with the files that the pages speak of, and an environment in which ``vitrina`` is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "here"
        self.folder.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        self.port = free_port()
        (programs / "vitrina").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vitrina.api.cli "$@"\n')
        (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (programs / "curl").write_text(f'#!/bin/sh\nexec {shutil.which("curl")} --fail-with-body --max-time 60 "$@"\n')
        for program in programs.iterdir():
            program.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VITRINA_", "XDG_"))}
        folders = {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data")}
        self.environment = {**kept, **folders, "PATH": f"{programs}:{os.environ['PATH']}"}

    def write_catalog(self) -> None:
        """``products.csv`` with a picture folder, ``photo.jpg`` and ``judged.jsonl``, as a shop might have them."""
        catalog = write_folder(self.folder, N_PRODUCTS, size=96)
        products = [json.loads(line) for line in catalog.read_text(encoding="utf-8").splitlines()]
        renamed = self.folder / "images" / "A-17.jpg"
        (self.folder / products[3]["image"]).rename(renamed)
        products[3] |= {"sku": "A-17", "image": "images/A-17.jpg", "colour": "navy blue"}
        for extra in (catalog, self.folder / "boxes.jsonl"):
            extra.unlink()
        shutil.copy(renamed, self.folder / "photo.jpg")
        with (self.folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(products[0]))
            writer.writeheader()
            writer.writerows(products)
        judged = ({"query": each["title"], "relevant": [each["sku"]]} for each in products[:10])
        (self.folder / "judged.jsonl").write_text("".join(json.dumps(each) + "\n" for each in judged))

    @contextmanager
    def running(self, block: Block) -> Iterator[None]:
        """Run a block; a service that it starts in its last line runs until the end."""
        lines = block.text.splitlines()
        has_service = lines[-1].startswith("vitrina serve")
        assert not any(line.startswith("vitrina serve") for line in lines[:-1])
        self.execute(block.language, "\n".join(lines[:-1] if has_service else lines))
        with self.serving() if has_service else nullcontext():
            yield

    def execute(self, language: str, text: str) -> None:
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        command = {"sh": ["bash", "-euo", "pipefail", "-c", text], "python": ["python", "-c", text]}[language]
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=600
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        assert "Traceback" not in ended.stderr, ended.stderr

    @contextmanager
    def serving(self) -> Iterator[None]:
        command = ["vitrina", "serve", "--port", self.port]
        service = subprocess.Popen(command, cwd=self.folder, env=self.environment)
        try:
            for _ in range(2_400):
                assert service.poll() is None
                try:
                    if httpx.get(f"http://127.0.0.1:{self.port}/healthz").is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield
        finally:
            service.terminate()
            assert service.wait(timeout=30) in (0, -15)


def run_page(page: str, folder: CleanFolder, *, slow: bool) -> list[str]:
    """Run a page's blocks in order, the slow ones only if asked; the first lines of those that were run."""
    ran = []
    with ExitStack() as services:
        for block in blocks_of(page):
            if block.language == "text" or block.is_skipped or (block.is_slow and not slow):
                continue
            services.enter_context(folder.running(block))
            ran.append(block.text.splitlines()[0])
    return ran


def test_every_block_is_run_or_says_why_not() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page)]
    assert {block.language for block in blocks} <= {"sh", "python", "text"}  # text: nothing to run
    assert all(block.is_skipped or block.is_slow for block in blocks if block.note)
    skipped = [block.text.split("#")[0].strip() for block in blocks if block.is_skipped]
    assert skipped == ["make demo", "pip install ."]
    slow = [block.text.splitlines()[0].split()[:3] for block in blocks if block.is_slow]
    assert slow == [["vitrina", "train", "encoder"], ["vitrina", "demo"]]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a minute on two idle cores, ten on two that others use
def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    folder = CleanFolder(tmp_path)
    folder.write_catalog()
    ran = run_page("README.md", folder, slow=False)
    assert [line.split()[0] for line in ran] == ["vitrina", "import", "curl", "vitrina"]
    for written in ("report.html", "found.html", "shop/catalog.db"):
        assert (folder.folder / written).stat().st_size, written


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_commands_of_the_quickstart(tmp_path: Path) -> None:
    """With nothing but what the page itself makes."""
    folder = CleanFolder(tmp_path)
    ran = run_page("docs/quickstart.md", folder, slow=False)
    assert [line.split()[0] for line in ran] == ["cat", "vitrina", "curl", "import"]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_slow_commands_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "N_PRODUCTS", 300)
    folder = CleanFolder(tmp_path)
    folder.write_catalog()
    run_page("README.md", folder, slow=True)
    assert (folder.folder / "mine" / "README.md").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_slow_commands_of_the_quickstart(tmp_path: Path) -> None:
    folder = CleanFolder(tmp_path)
    run_page("docs/quickstart.md", folder, slow=True)
    assert (folder.folder / "demo" / "store" / "catalog.db").is_file()
