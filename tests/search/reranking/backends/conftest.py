"""One model server for all tests of a run; each test gets it without traps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.fakes import COLOURS
from tests.search.reranking.backends.model_server import ModelServer, serving


def colour_of(prompt: str, image: Image.Image | None) -> float:
    """P(yes) of a model that knows colours: by the picture's mean, and without one by nothing."""
    wanted = re.search(r'The shopper wants: ("(?:[^"\\]|\\.)*")', prompt)
    assert wanted, prompt
    statement = json.loads(wanted[1])
    if image is None or statement not in COLOURS:
        return 0.5
    distance = np.abs(np.asarray(image).mean((0, 1)) - COLOURS[statement]).max()
    return 0.95 if distance < 40 else 0.05 + 0.0001 * float(distance)


@pytest.fixture(scope="session")
def _model_server() -> Iterator[ModelServer]:
    with serving(colour_of) as server:
        yield server


@pytest.fixture
def server(_model_server: ModelServer) -> Iterator[ModelServer]:
    _model_server.reset()
    yield _model_server
    _model_server.reset()
