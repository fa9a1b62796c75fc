"""The matcher: whether phrases are true of images, by two small graphs on ONNX Runtime.

The tower turns an image, what the vision-language model's tower makes of it, and the embedded encoder's vector of it
into 38 tokens, which are cached; a phrase, as that encoder's vector of it, attends to them in the head. Made by
``recipes/matcher``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.encoders.base import BesideImages, Encoder, Preprocessing
from vitrina.search.encoders.graphs import open_session
from vitrina.search.types.logistic import expit

MATCHER_FOLDER = "matcher"
"""Inside the folder of a vision-language model whose judging a matcher does."""

TOWER_FILE, HEAD_FILE, CARD_FILE = "tower.onnx", "head.onnx", "matcher.json"

SIDE = 160
"""Pixels of a side."""

PREPARE: Final = Preprocessing((SIDE, SIDE), (0.5,) * 3, (0.5,) * 3, resize_mode="squash")
"""Squashes images to a square, and their levels to -1 to 1."""

ImageTokens = NDArray[np.float16]
"""The tokens of an image, which phrases attend to, shape (places, width)."""

SeeImages = Callable[[Sequence[Image.Image]], NDArray[np.float32]]
"""The tower of the vision-language model beside the matcher: features of each image, (n, places, width)."""


class Matcher:
    """Both graphs, the ``encoder`` that they were trained with, and the tower of the model beside it. Every method
    blocks, and may be called from any thread."""

    def __init__(self, tower: Any, head: Any, encoder: Encoder, see: SeeImages) -> None:
        self._tower, self._head, self._encoder, self._see = tower, head, BesideImages(encoder), see

    @classmethod
    def open(cls, folder: Path, encoder: Encoder, see: SeeImages, *, n_threads: int = 1) -> Self:
        """Open a folder that the recipe made. Raises onnxruntime's errors where a file cannot be run."""
        tower, head = (open_session(folder / name, n_threads) for name in (TOWER_FILE, HEAD_FILE))
        return cls(tower, head, encoder, see)

    def image_tokens(self, images: Sequence[Image.Image]) -> NDArray[np.float16]:
        """The tokens of upright RGB images; float16, shape (n, places, width)."""
        pixels = np.stack([PREPARE(image) for image in images])
        given = {"pixels": pixels, "features": self._see(images), "vectors": self._encoder.encode_images(images)}
        tokens: NDArray[np.float32] = self._tower.run(None, given)[0]
        return tokens.astype(np.float16)

    def judge_pairs(
        self, tokens: NDArray[np.float16], statements: Sequence[str], owners: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """P(yes) of each statement about the image at its owner's position in ``tokens``, (n, places, width); shape
        (n statements,)."""
        once = sorted(set(statements))
        places = {text: at for at, text in enumerate(once)}
        vectors = self._encoder.encode_texts(once)[[places[text] for text in statements]]
        given = {"tokens": tokens.astype(np.float32), "texts": vectors, "owners": owners}
        logits: NDArray[np.float32] = self._head.run(None, given)[0]
        return expit(logits).astype(np.float32)


def matcher_digest(folder: Path) -> str:
    """SHA-256 (hex) over both graphs and the card."""
    digested = hashlib.sha256()
    for name in (TOWER_FILE, HEAD_FILE, CARD_FILE):
        with (folder / name).open("rb") as file:
            digested.update(hashlib.file_digest(file, "sha256").digest())
    return digested.hexdigest()
