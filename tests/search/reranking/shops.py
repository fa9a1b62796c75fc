"""A small shop with pictures, and rerankers that look at them with simple eyes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from tests.fakes import COLOURS, FakeEncoder, make_entry, make_image, png
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Probabilities, RerankCandidate, Scoring
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.item import AttributeValue
from vitrina.search.types.models import RerankerIdentity

ARTICLES = ("shirt", "boots", "mug", "dress")
WRONG_COLOURS = {5: "black", 6: "white"}
"""Items whose field says another colour than the picture shows: a white thing listed as black, a red one as white."""


@dataclass
class ColourReranker:
    """Tells colours by the picture's mean, exactly; says even odds of anything else. Writes always the same, where it
    ``writes`` at all. Counts what it is asked."""

    name: str = "simple eyes"
    fusion_weights: FusionWeights | None = None
    writes: str = ""
    before: Callable[[Deadline], None] = lambda deadline: None
    after: Callable[[Probabilities, Deadline], Probabilities] = lambda answers, deadline: answers
    asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    @property
    def identity(self) -> RerankerIdentity:
        return RerankerIdentity(self.name, self.name.encode().hex())

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(Scoring.LOGITS, writes=bool(self.writes))

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        self.asked.append((tuple(candidate.key for candidate in candidates), tuple(statements)))
        self.before(deadline)
        answers = np.array(
            [[yes(candidate.pixels, statement) for statement in statements] for candidate in candidates], np.float32
        )
        return self.after(answers.reshape(len(candidates), len(statements)), deadline)

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        return iter([self.writes])

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        return None

    @property
    def n_judged(self) -> int:
        """Claims about looks, all together."""
        return sum(len(keys) * len(statements) for keys, statements in self.asked)


def yes(image: Image.Image | None, statement: str) -> float:
    """P(yes): of claims that name colours, whether the picture is of one of them."""
    named = [word for word in statement.split() if word in COLOURS]
    if image is None or not named:
        return 0.5
    return 0.98 if colour_of(image) in named else 0.02


def colour_of(image: Image.Image) -> str:
    """The nearest of the known colours."""
    mean = np.asarray(image.convert("RGB"), np.float64).reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.abs(mean - COLOURS[name]).sum()))


def fill(store: Store, encoder: FakeEncoder, n_items: int = 36) -> None:
    """Every colour with every article in turn, one picture each; a few listed in another colour than they have, and
    each ninth item without a picture."""
    colours = list(COLOURS)
    entries = []
    for number in range(n_items):
        colour, article = colours[number % 6], ARTICLES[number // 6 % 4]
        shown = [] if number % 9 == 8 else [make_image(colour, noise=number)]
        for each in shown:
            store.images.put(png(each))
        attributes: Mapping[str, AttributeValue] = {
            "colour": WRONG_COLOURS.get(number, colour).title(),
            "article": article,
        }
        entries.append(make_entry(encoder, f"item-{number}", f"A fine {article}", images=shown, attributes=attributes))
    store.catalog.commit(open_index_version(store, encoder), entries)


@dataclass
class Moody:
    """Ways to fail, drawn by chance: ``ColourReranker`` with them is late, broken, partial, or talks nonsense."""

    rng: random.Random
    share: float = 0.6

    def before(self, deadline: Deadline) -> None:
        """Nothing, an error, or a call that ends when it likes."""
        mood = self.rng.random() / self.share
        if mood < 0.15:
            raise RerankerError("It broke.", remedy="Mend it.")
        if mood < 0.2:
            raise ValueError("It broke in a way that nobody foresaw.")
        if mood < 0.3:
            time.sleep(deadline.seconds_left + 0.02)
        elif mood < 0.35:
            time.sleep(deadline.seconds_left)

    def after(self, answers: Probabilities, deadline: Deadline) -> Probabilities:
        """The answers, some or all of them gone, impossible, or of the wrong shape."""
        mood = self.rng.random() / self.share
        gaps = np.array([[self.rng.random() < 0.5 for _ in row] for row in answers], np.bool_).reshape(answers.shape)
        if mood < 0.2:
            answers[gaps] = np.nan
        elif mood < 0.3:
            answers[gaps] = self.rng.choice([np.inf, -np.inf, 7.0, -0.5])
        elif mood < 0.4:
            answers[:] = np.nan
        elif mood < 0.45:
            return answers[:-1]
        return answers
