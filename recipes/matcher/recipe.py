"""The recipe: from labelled images and ImageNet's tower to the matcher's graphs."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from recipes.encoder.corpus import LabelledRows, Say
from recipes.encoder.images import decode
from recipes.encoder.pretrained import imagenet_classifier
from recipes.matcher.export import write_features, write_matcher
from recipes.matcher.model import MODEL_COLUMNS, N_ROWS, SIDE, Eye, MatchHead, MatchTower, VectorEye
from recipes.matcher.sources import MatchCorpus, described, encoder_vectors, model_features, repeats_of, soft_labels
from recipes.matcher.trainer import TITLED_ROUNDS, MatchSchedule, MatchTrainer, Stored, TextVectors
from recipes.reranker.evaluation import judging
from recipes.reranker.statements import ROUNDS, HardNegatives, Meanings
from vitrina.search.encoders.base import BesideImages, Encoder
from vitrina.search.encoders.graphs import open_session
from vitrina.search.reranking.backends.onnx.loading import embedded_vlm
from vitrina.search.reranking.matcher import CARD_FILE, Matcher
from vitrina.tuning.loop import TrainingProgress
from vitrina.tuning.model_folder import write_json

WIDTH = 192
"""Of a token."""

STEPS_A_LINE = 25
MEASURED_ROWS = 400
EPOCHS_A_MEASUREMENT = 8


def make_matcher(
    corpus: MatchCorpus, encoder: Encoder, out: Path, work: Path, schedule: MatchSchedule, *, say: Say
) -> None:
    """Train on the corpus less the held-out rows, and write the graphs of tower and head into the folder ``out``;
    blocks for the whole run. ``work`` keeps what is made; the same call goes on from there."""
    kept = corpus.learnt
    tower, graph = MatchTower(imagenet_classifier()), work / "maps.onnx"
    if not graph.is_file():
        write_features(graph, tower)
    vlm = embedded_vlm()
    beside_images = BesideImages(encoder)
    images = encoder_vectors(kept, beside_images, work, say)
    towers = [
        Stored(described(kept, "maps", Features(graph), work, say), N_ROWS),
        Stored(model_features(kept, vlm, work, say), MODEL_COLUMNS),
    ]
    eyes = [Eye.for_features(each.features, WIDTH) for each in towers]
    products = [product for part in kept for product in part.products]
    vectors = TextVectors(beside_images.encode_texts, read_vectors(work))
    torch.manual_seed(schedule.seed)
    trainer = MatchTrainer(
        MatchHead(eyes, VectorEye.for_vectors(images, WIDTH), text_width=beside_images.dimension),
        [*towers, Stored(images[:, None].astype(np.float16), 1)],
        products,
        [part.source.partition("-")[0] for part in kept for _ in part.products],
        vectors,
        hard_negatives=HardNegatives(torch.from_numpy(images)),
        meanings=Meanings.embedded_by(beside_images, products),
        soft_labels=soft_labels(kept, towers[0].features, beside_images),
        repeats=repeats_of(kept, schedule.images_an_epoch),
        schedule=schedule,
        rounds=(*ROUNDS, *TITLED_ROUNDS),
    )
    checkpoint = work / "matcher.pt"
    if checkpoint.is_file():
        trainer.restore(checkpoint)
    held_out = corpus.held_out
    say(f"{len(products)} images to train on, {sum(len(part.products) for part in held_out)} held out")
    while not trainer.is_over:
        trainer.run_epoch(_reporter(say))
        trainer.save(checkpoint)
        write_vectors(work, vectors)
        if trainer.n_epochs_done % EPOCHS_A_MEASUREMENT == 0 or trainer.is_over:
            write_matcher(out, tower, trainer.averaged_model, beside_images.dimension)
            measured = held_out if trainer.is_over else list(map(some_rows, held_out))
            _write_card(Matcher.open(out, encoder, vlm.features), out, measured, kept, encoder, schedule, say)


def measure_matcher(corpus: MatchCorpus, encoder: Encoder, folder: Path, *, say: Say) -> None:
    """Measure the matcher of a folder with an encoder on the held-out rows, and say so in its card: the encoder that it
    was trained with may have been tuned since, where images and what is said of them kept their vectors."""
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    matcher = Matcher.open(folder, encoder, embedded_vlm().features)
    measured = measure(matcher, corpus.held_out, say)
    write_json(folder / CARD_FILE, card | {"measured_with": encoder.identity.fingerprint, "set_aside": measured})


class Features:
    """Describes pixels by the exported tower; float16, (n, places, features)."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, n_threads=torch.get_num_threads())

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        pixels = images.astype(np.float32) / 127.5 - 1
        parts = [
            self._session.run(None, {"pixels": pixels[start : start + 32]})[0] for start in range(0, len(pixels), 32)
        ]
        return np.concatenate(parts).astype(np.float16)


class MatchEvaluator:
    """A matcher that is asked as the recipe of the vision-language model asks its own: features first, then pairs."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher

    def image_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """The tokens of each image, (n, places, width)."""
        starts = range(0, len(images), 32)
        return torch.from_numpy(
            np.concatenate([self._matcher.image_tokens(images[start : start + 32]) for start in starts])
        )

    def judge(self, features: torch.Tensor, statements: Sequence[str]) -> NDArray[np.float64]:
        """P(yes) of each statement about the image at the same position, shape (n,)."""
        starts = range(0, len(statements), 1024)
        parts = [(features[start : start + 1024].numpy(), statements[start : start + 1024]) for start in starts]
        judged = [self._matcher.judge_pairs(tokens, asked, np.arange(len(asked))) for tokens, asked in parts]
        return np.concatenate(judged).astype(np.float64)


def some_rows(rows: LabelledRows, n: int = MEASURED_ROWS) -> LabelledRows:
    """At most ``n`` of the rows, from all over the file."""
    step = max(1, -(-len(rows.products) // n))
    return rows.where([at % step == 0 for at in range(len(rows.products))])


def measure(matcher: Matcher, held_out: Sequence[LabelledRows], say: Say) -> dict[str, Mapping[str, Any]]:
    """What a matcher says of held-out rows, by their source."""
    evaluator = MatchEvaluator(matcher)
    measured: dict[str, Mapping[str, Any]] = {}
    for part in held_out:
        features = evaluator.image_features([decode(image) for image in part.images])
        figures = judging(evaluator, part, features, random.Random(0))
        measured[part.source] = {"rows": len(part.products), **figures}
        say(
            "\n".join(
                [
                    f"{part.source}: {len(part.products)} rows",
                    *(f"  {name:<44}{value:.3f}" for name, value in figures.items()),
                ]
            )
        )
    return measured


def _write_card(
    matcher: Matcher,
    folder: Path,
    held_out: Sequence[LabelledRows],
    learnt: Sequence[LabelledRows],
    encoder: Encoder,
    schedule: MatchSchedule,
    say: Say,
) -> None:
    """Measure the matcher of a folder as a service would load it, and write its card."""
    card = {
        "encoder": encoder.identity.fingerprint,
        "measured_with": encoder.identity.fingerprint,
        "side": SIDE,
        "trained_on": {part.source: len(part.products) for part in learnt},
        "schedule": asdict(schedule),
        "set_aside": measure(matcher, held_out, say),
    }
    write_json(folder / CARD_FILE, card)


def read_vectors(work: Path) -> dict[str, NDArray[np.float16]]:
    """The vectors of statements that an earlier run made."""
    path = work / "statements.npz"
    if not path.is_file():
        return {}
    with np.load(path) as kept:
        return dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))


def write_vectors(work: Path, vectors: TextVectors) -> None:
    """Keep them for a run that goes on."""
    partial = work / "statements.partial.npz"
    np.savez(partial, texts=np.array(list(vectors.known)), vectors=np.stack(list(vectors.known.values())))
    partial.replace(work / "statements.npz")


def _reporter(say: Say) -> Any:
    """A line every few steps with the loss, the part that is done, and the time left."""
    losses: list[float] = []

    def report(progress: TrainingProgress) -> None:
        losses.append(progress.loss)
        if (progress.step + 1) % STEPS_A_LINE:
            return
        left = progress.seconds * (1 - progress.done) / max(1e-9, progress.done)
        step, mean = f"step {progress.step + 1}/{progress.n_steps}", sum(losses) / len(losses)
        say(f"epoch {progress.epoch + 1} {step} loss {mean:.3f}  {left / 60:.0f} min left")
        losses.clear()

    return report
