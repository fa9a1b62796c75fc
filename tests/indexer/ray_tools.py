"""What tests have Ray's workers do. Each process of Ray's imports this anew, and so nothing that it does not need."""

from __future__ import annotations

import os
import signal
from itertools import count
from pathlib import Path

from PIL import Image

from tests.fakes import FakeEncoder
from vitrina.indexer.ray_engine import CHUNK_ROWS
from vitrina.search.encoders.base import Encoder
from vitrina.search.types.models import Pixels


def load_fake(n_threads: int | None, seed: int = 0) -> Encoder:
    return FakeEncoder(seed=seed)


def prepare_dying(_: Image.Image) -> Pixels:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


calls, encoder = count(), FakeEncoder()


def prepare_once_dying(marker: Path, image: Image.Image) -> Pixels:
    """Kills the process that prepares pictures, once, in the middle of a chunk."""
    if next(calls) == CHUNK_ROWS // 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return encoder.prepare(image)
