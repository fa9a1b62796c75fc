"""The notebooks: stripped as they are kept, and running from top to bottom."""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
import tarfile
from importlib.resources import files
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_without_outputs(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


DEMO = 'Path(str(files("vitrina.api"))) / "demo"'
"""Where a notebook finds the boutique."""


DEMO_ITEMS = {*range(64), 67, 70, 75, 161}
"""Two of each of the 32 kinds of products, and what the notebooks ask for besides: a dotted dress, a checked shirt,
grey trousers and white sneakers."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's files, the boutique with a part of its items: to index them is most of what a notebook takes."""
    installed, folder = Path(str(files("vitrina.api"))) / "demo", tmp_path_factory.mktemp("demo")
    shutil.copytree(installed, folder, dirs_exist_ok=True)
    with tarfile.open(installed / "boutique.tar") as whole, tarfile.open(folder / "boutique.tar", "w") as part:
        for at, member in enumerate(whole):
            if at // 2 in DEMO_ITEMS:  # two files an item
                part.addfile(member, whole.extractfile(member))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)  # about 20 s on two idle cores, five times that on two that others use
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_shows_images(path: Path, demo: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert sum(cell.source.count(DEMO) for cell in notebook.cells) == 1
    for cell in notebook.cells:
        cell.source = cell.source.replace(DEMO, f"Path({str(demo)!r})")
    client = NotebookClient(
        notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    asyncio.run(client.async_execute())
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    images = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(images) >= 3  # by words, by a photo, by both
    for image in images:
        greys = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).convert("L"))
        assert greys.std() > 10  # something is on it
    assert not list(tmp_path.iterdir())  # it leaves nothing behind
