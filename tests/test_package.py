"""The wheel: everything that `vitrina` needs is in it, and nothing else."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("search", "indexer", "api", "evaluation", "tuning")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked. Built from a copy, so that no earlier build's files get in."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("made")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    for name in ("vitrina", *FOLDERS, "recipes"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(made), str(source)]
    subprocess.run(build, check=True, capture_output=True, timeout=110)
    [file] = made.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(made / "unpacked")
    return made / "unpacked"


def files_in(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_every_file_lies_in_the_package_or_is_metadata(wheel: Path) -> None:
    assert {re.sub(r"-.*", "", path.name) for path in wheel.iterdir()} == {"vitrina"}
    names = {part for file in files_in(wheel) for part in Path(file).parts}
    assert not names & {"recipes", "benchmarks", "tests", "notebooks", "shapes", "render.py", "conftest.py"}


@pytest.mark.slow
def test_every_module_and_data_file_is_in_it(wheel: Path) -> None:
    packed = files_in(wheel / "vitrina")
    for folder in FOLDERS:
        assert {f"{folder}/{file}" for file in files_in(ROOT / folder)} <= packed
    assert files_in(ROOT / "vitrina") <= packed


@pytest.mark.slow
def test_the_examples_of_the_readme_find_what_they_import(wheel: Path) -> None:
    for example in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL):
        lines = [f"import sys; sys.path.insert(0, {str(wheel)!r})", *names_of_vitrina(ast.parse(example))]
        lines.append(f"assert vitrina.__file__.startswith({str(wheel)!r}), vitrina.__file__")
        ran = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr


def names_of_vitrina(example: ast.Module) -> list[str]:
    """The imports of an example, and each name it takes from ``vitrina`` itself, as statements."""
    nodes = list(ast.walk(example))
    imports = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    return ["import vitrina", *imports, *(text for node in attributes if (text := ast.unparse(node))[:8] == "vitrina.")]
