"""The matcher: whether phrases are true of images, by two small graphs on ONNX Runtime.

The tower turns an image into 25 tokens, which are cached; a phrase, as the embedded encoder's vector of it, attends to
them in the head. Made by ``recipes/matcher``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter

from vitrina.search.encoders.graphs import open_session
from vitrina.search.reranking.fusion import logit, probability
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.logistic import expit
from vitrina.search.types.models import Vectors, read_entry

MATCHER_FOLDER = "matcher"
"""Inside the folder of a vision-language model whose judging a matcher does."""

TOWER_FILE, HEAD_FILE, CARD_FILE = "tower.onnx", "head.onnx", "matcher.json"

SIDE = 160
"""Pixels of a side, to which images are squashed."""

ImageTokens = NDArray[np.float16]
"""The tokens of an image, which phrases attend to, shape (places, width)."""

EmbedTexts = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class AnswerFusion:
    """How a matcher's answers and a vision-language model's make one: a logit is ``matcher`` times the one's, ``model``
    times the other's, and ``intercept``. Fitted to rows that neither was trained on."""

    matcher: float = 1.0
    model: float = 0.0
    intercept: float = 0.0

    def __call__(self, matched: NDArray[np.float32], said: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(yes) from both, of any shape; the matcher's own where the model says nothing (NaN)."""
        both = self.matcher * logit(matched) + self.model * logit(np.nan_to_num(said, nan=0.5)) + self.intercept
        return np.where(np.isnan(said), matched, probability(both)).astype(np.float32)


def read_answer_fusion(folder: Path) -> AnswerFusion:
    """The answer fusion on the card of a matcher; the matcher alone where there is none. Raises RerankerError."""
    return read_entry(folder / CARD_FILE, "answer_fusion", TypeAdapter(AnswerFusion), RerankerError) or AnswerFusion()


class Matcher:
    """Both graphs, and what embeds phrases. Every method blocks, and may be called from any thread.

    ``embed`` gives texts the unit vectors (n, d) of the encoder that the head was trained with.
    """

    def __init__(self, tower: Any, head: Any, embed: EmbedTexts) -> None:
        self._tower, self._head, self._embed = tower, head, embed

    @classmethod
    def open(cls, folder: Path, embed: EmbedTexts, *, n_threads: int = 1) -> Self:
        """Open a folder that the recipe made. Raises onnxruntime's errors where a file cannot be run."""
        return cls(open_session(folder / TOWER_FILE, n_threads), open_session(folder / HEAD_FILE, n_threads), embed)

    def image_tokens(self, images: Sequence[Image.Image]) -> NDArray[np.float16]:
        """The tokens of upright RGB images; float16, shape (n, places, width)."""
        tokens: NDArray[np.float16] = run(self._tower, np.stack([_pixels(image) for image in images])).astype(
            np.float16
        )
        return tokens

    def judge_pairs(
        self, tokens: NDArray[np.float16], statements: Sequence[str], owners: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """P(yes) of each statement about the image at its owner's position in ``tokens``, (n, places, width); shape
        (n statements,)."""
        once = sorted(set(statements))
        places = {text: at for at, text in enumerate(once)}
        vectors = self._embed(once)[[places[text] for text in statements]]
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


def run(session: Any, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The one output of a graph of one input."""
    found: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return found


def _pixels(image: Image.Image) -> NDArray[np.float32]:
    squashed = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(squashed, np.float32).transpose(2, 0, 1) / np.float32(127.5) - 1
