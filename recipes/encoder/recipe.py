"""The recipe of the embedded encoder: from pretrained towers and labelled images to an open_clip folder."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.encoder.corpus import LabelledRows, Say
from recipes.encoder.evaluation import describe, evaluate
from recipes.encoder.images import Album
from recipes.encoder.labels import LabelledProduct
from recipes.encoder.pretrained import (
    IMAGE_TOWER,
    imagenet_classifier,
    imagenet_names,
    principal_directions,
    pruned_tokens,
    text_configuration,
    text_weights,
    write_tokenizer,
)
from recipes.encoder.sources import album_of, is_learnt, sampling_weights
from recipes.encoder.texts import Pair, TextTable, grouped_texts, pooled_texts, save_array, stored_vectors
from recipes.encoder.trainer import (
    Knowledge,
    TowerLossWeights,
    TowerSchedule,
    TowerTrainer,
    class_ids,
    freeze,
    tower_features,
    train_heads,
)
from vitrina.search.encoders.base import Size
from vitrina.search.encoders.open_clip import create_untrained, load_model
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning.loop import TrainingProgress
from vitrina.tuning.model_folder import WEIGHTS_FILE, write_card, write_json, write_weights

MAX_ENCODER_BYTES = 40_000_000
"""The package carries the folder: both towers, the tokenizer and the exports."""

EPOCHS_A_MEASUREMENT = 4
STEPS_A_LINE = 20


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """A part of the run, with a schedule of its own and its heads trained last."""

    name: str
    schedule: TowerSchedule


STAGES = (
    TrainingStage("first", TowerSchedule()),
    TrainingStage("second", TowerSchedule(n_epochs=14, n_small_epochs=10, seed=1)),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a run depends on beside its rows."""

    size: Size = (128, 128)
    dimension: int = 256
    n_tokens: int = 11_000
    context_length: int = 64
    n_head_steps: int = 400
    n_last_steps: int = 1600
    losses: TowerLossWeights = field(default_factory=TowerLossWeights)
    stages: Sequence[TrainingStage] = STAGES
    seed: int = 0


def make_encoder(
    rows: Sequence[LabelledRows], pairs: Sequence[Pair], out: Path, work: Path, recipe: Recipe, *, say: Say
) -> None:
    """Train on ``rows``, each a source of ``SOURCES``, and write the open_clip folder ``out``; blocks for hours.

    ``pairs`` are texts that mean the same. ``work`` keeps what was made so far; the same call goes on where one before
    it stopped.
    """
    candidate = work / "start"
    if not (candidate / WEIGHTS_FILE).is_file():
        write_start(candidate, rows, pairs, recipe, say)
    for stage in recipe.stages:
        candidate = _StageRun(rows, pairs, candidate, work, recipe, stage, say).run()
    shutil.copytree(candidate, out, dirs_exist_ok=True)


def write_start(folder: Path, rows: Sequence[LabelledRows], pairs: Sequence[Pair], recipe: Recipe, say: Say) -> None:
    """The pretrained towers as one open_clip folder, with heads that keep what MiniLM says."""
    texts = {
        text for part in rows for product in part.products for _, group in grouped_texts(product) for text in group
    }
    tokens = pruned_tokens([*texts, *(text for pair in pairs for text in pair)], recipe.n_tokens)
    say(f"{len(tokens)} word pieces for {len(texts)} texts")
    model = with_minilm(folder, tokens, recipe)
    classifier = imagenet_classifier().state_dict()
    own = model.visual.trunk.state_dict()
    model.visual.trunk.load_state_dict({name: classifier[name] for name in own})
    some = random.Random(recipe.seed).sample(sorted(texts), min(4000, len(texts)))
    keep_meaning(model.text.proj, pooled_texts(model.text, folder, recipe.context_length)(some))
    write_weights(folder, model)


def with_minilm(folder: Path, tokens: Sequence[str], recipe: Recipe) -> Any:
    """Write what describes an open_clip model with these word pieces, and return it with MiniLM as its text
    transformer; the rest is random."""
    write_tokenizer(folder, tokens, recipe.context_length)
    write_json(folder / "config.json", text_configuration(len(tokens), recipe.context_length))
    write_json(folder / "open_clip_config.json", configuration(recipe, len(tokens)))
    torch.manual_seed(recipe.seed)
    model: Any = create_untrained(folder).eval()
    model.text.transformer.load_state_dict(text_weights(tokens, recipe.context_length))
    return model


def configuration(recipe: Recipe, n_tokens: int) -> dict[str, object]:
    """``open_clip_config.json``: the towers, and the preprocessing (letterboxed on white)."""
    return {
        "model_cfg": {
            "embed_dim": recipe.dimension,
            "custom_text": True,
            "vision_cfg": {
                "timm_model_name": IMAGE_TOWER,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "mlp",
                "image_size": list(recipe.size),
            },
            "text_cfg": {
                "context_length": recipe.context_length,
                "vocab_size": n_tokens,
                "hf_model_name": ".",
                "hf_model_pretrained": False,
                "hf_tokenizer_name": "tokenizer.json",
                "hf_proj_type": "mlp",
                "hf_pooler_type": "mean_pooler",
            },
        },
        "preprocess_cfg": {
            "size": list(recipe.size),
            "mode": "RGB",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bicubic",
            "resize_mode": "longest",
            "fill_color": 255,
        },
    }


LINEAR_PART = 0.1
"""How small the inputs of a GELU are made so that it is nearly linear."""


@torch.no_grad()
def keep_meaning(head: Any, vectors: NDArray[np.float32]) -> None:
    """Start a text head, linear - GELU - linear, as the projection onto the principal directions of ``vectors``
    (n, width), so that similarities between texts are the transformer's own."""
    first, last = head[0], head[2]
    directions = principal_directions(vectors, len(last.weight))
    spread = float(np.std(vectors @ directions.numpy().T))
    torch.nn.init.normal_(first.weight, std=LINEAR_PART / spread * 0.05)
    torch.nn.init.normal_(last.weight, std=0.005)
    first.weight[: len(directions)] = LINEAR_PART / spread * directions
    last.weight[:, : len(directions)] = torch.eye(len(directions)) / LINEAR_PART


class _StageRun:
    """One stage of a run: from the folder ``start`` to a candidate of its own."""

    def __init__(
        self,
        rows: Sequence[LabelledRows],
        pairs: Sequence[Pair],
        start: Path,
        work: Path,
        recipe: Recipe,
        stage: TrainingStage,
        say: Say,
    ) -> None:
        self.rows, self.pairs, self.start, self.recipe, self.stage, self.say = rows, pairs, start, recipe, stage, say
        self.work, self.folder = work, work / stage.name
        self.candidate, self.checkpoint = self.folder / "candidate", self.folder / "checkpoint.pt"
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> Path:
        """The folder of the stage's model; blocks until it is trained."""
        finished = self.folder / "finished"
        if finished.is_file():
            return self.candidate
        trainer = self._trainer()
        n_epochs = self.stage.schedule.n_epochs
        report = _reporter(self.say, self.stage, trainer.n_epochs_done)
        while trainer.n_epochs_done < n_epochs:
            trainer.run_epoch(report)
            trainer.save(self.checkpoint)
            self._write(trainer, is_measured=trainer.n_epochs_done % EPOCHS_A_MEASUREMENT == 0)
        self._finish_heads(trainer)
        self._write(trainer, is_measured=True)
        finished.touch()
        return self.candidate

    def _finish_heads(self, trainer: TowerTrainer) -> None:
        """Train the heads of the averaged model on the features of its tower, until they fit it."""
        model, n_steps = trainer.averaged_model, self.recipe.n_last_steps
        self.say(f"{self.stage.name}: the tower is trained, {n_steps} steps of the heads are left")
        features = torch.cat(
            [tower_features(model.visual.trunk, trainer.album, part, self.recipe.size) for part in self._places()]
        )
        knowledge = replace(trainer.knowledge, features=features)
        for part in (model.visual.head, model.text.proj, model.logit_scale):
            part.requires_grad_(True)
        self._train_heads(model, trainer.table, knowledge, trainer.weights, n_steps, self.recipe.seed + 1)

    def _train_heads(
        self, model: Any, table: TextTable, knowledge: Knowledge, weights: torch.Tensor, n_steps: int, seed: int
    ) -> None:
        losses = train_heads(model, table, knowledge, weights, n_steps=n_steps, seed=seed)
        for step, loss in enumerate(losses, start=1):
            if step % (5 * STEPS_A_LINE) == 0:
                self.say(f"heads: step {step}/{n_steps} loss {loss:.3f}")

    def _trainer(self) -> TowerTrainer:
        recipe, learnt = self.recipe, [is_learnt(part) for part in self.rows]
        flags = [flag for part in learnt for flag in part]
        products = [product for part in self.rows for product in part.products]
        table = TextTable(products, flags)
        album = album_of(self.rows, self.work)
        knowledge = self._knowledge(table, album, products)
        weights = sampling_weights(self.rows, torch.tensor(flags))
        self.say(f"{self.stage.name}: {sum(flags)} images and {table.n_texts} texts to train on")
        model = self._start(table, knowledge, weights)
        trainer = TowerTrainer(
            model,
            album,
            table,
            knowledge,
            weights,
            size=recipe.size,
            losses=recipe.losses,
            schedule=self.stage.schedule,
        )
        if self.checkpoint.is_file():
            trainer.restore(self.checkpoint)
        return trainer

    def _start(self, table: TextTable, knowledge: Knowledge, weights: torch.Tensor) -> Any:
        """The model of the folder that the stage begins from; in the first stage its heads are trained first."""
        model, _, _ = load_model(f"{LOCAL_PREFIX}{self.start}", torch.device("cpu"))
        model.requires_grad_(True)
        if self.start == self.work / "start" and not self.checkpoint.is_file():
            self._train_heads(model, table, knowledge, weights, self.recipe.n_head_steps, self.recipe.seed)
        freeze(model)
        return model

    def _knowledge(self, table: TextTable, album: Album, products: Sequence[LabelledProduct]) -> Knowledge:
        pairs = torch.tensor([[table.id_of(text) for text in pair] for pair in self.pairs])
        names = [[table.id_of(name) for name in group] for group in imagenet_names()]
        start, _, _ = load_model(f"{LOCAL_PREFIX}{self.work / 'start'}", torch.device("cpu"))
        embed = pooled_texts(start.text, self.work / "start", self.recipe.context_length)
        texts = stored_vectors(table.texts, embed, self.work / "texts", say=self.say)
        classifier: Any = imagenet_classifier()
        weight, bias = classifier.classifier.weight, classifier.classifier.bias
        finest = [
            product.title if "grocery" in product.sku or not product.kinds else product.kinds[0] for product in products
        ]
        classes = class_ids([name.casefold() for name in finest])
        return Knowledge(texts, pairs, names, self._features(album, classifier), weight, bias, classes)

    def _features(self, album: Album, classifier: Any) -> torch.Tensor:
        """The pretrained tower's features of all images, made once; float32, shape (n, N_FEATURES)."""
        classifier.reset_classifier(0)
        features = []
        for rows, places in zip(self.rows, self._places(), strict=True):
            path = self.work / f"features-{rows.source}-{len(places)}.npy"
            if not path.is_file():
                self.say(f"features of {len(places)} images of {rows.source}")
                save_array(path, tower_features(classifier, album, places, self.recipe.size).numpy().astype(np.float16))
            features.append(np.load(path).astype(np.float32))
        return torch.from_numpy(np.concatenate(features))

    def _places(self) -> list[torch.Tensor]:
        """The positions of each source's images in the album."""
        sizes = [len(rows.images) for rows in self.rows]
        return list(torch.split(torch.arange(sum(sizes)), sizes))

    def _write(self, trainer: TowerTrainer, *, is_measured: bool) -> None:
        """Write the model, measure it on the held-out rows as the product would load it, and write its card."""
        if not (self.candidate / "tokenizer.json").is_file():
            shutil.copytree(self.start, self.candidate, dirs_exist_ok=True)
        write_weights(self.candidate, trainer.averaged_model)
        if not is_measured:
            return
        write_measured(self.candidate, self.rows, self.recipe, self.say)


def write_measured(
    folder: Path, rows: Sequence[LabelledRows], recipe: Recipe, say: Say, last_stage: Mapping[str, object] | None = None
) -> None:
    """Measure an encoder's folder on the held-out rows as the product would load it, and write its card."""
    encoder = load_encoder(f"{LOCAL_PREFIX}{folder}")
    held_out = [part.split()[1] for part in rows if part.source.endswith("-train")]
    reports = {part.source: evaluate(encoder, part) for part in held_out}
    for source, report in reports.items():
        say("\n".join([f"{source}: {report.n_rows} held-out rows", *report.lines()]))
    counts = {part.source: n_learnt for part in rows if (n_learnt := sum(is_learnt(part)))}
    measured = {source: {"rows": report.n_rows, **report.figures} for source, report in reports.items()}
    made = asdict(recipe) | ({"last_stage": last_stage} if last_stage else {})
    card = {"trained_on": counts, "recipe": made, "set_aside": measured}
    configured = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"]
    text = configured["text_cfg"]
    described = describe(
        reports,
        counts,
        configured["vision_cfg"]["image_size"],
        n_tokens=text["vocab_size"],
        context_length=text["context_length"],
        n_shown=recipe.dimension,
        dimension=configured["embed_dim"],
    )
    write_card(folder, card, described)


def _reporter(say: Say, stage: TrainingStage, first_epoch: int) -> Callable[[TrainingProgress], None]:
    """A line every few steps with the loss, the images a second and the time left."""
    begun, n_epochs = time.monotonic(), stage.schedule.n_epochs

    def report(progress: TrainingProgress) -> None:
        if (progress.step + 1) % STEPS_A_LINE:
            return
        done = (progress.epoch - first_epoch) * progress.n_steps + progress.step + 1
        left = (n_epochs - first_epoch) * progress.n_steps - done
        seconds = time.monotonic() - begun
        say(
            f"{stage.name}: epoch {progress.epoch + 1}/{n_epochs} step {progress.step + 1}/{progress.n_steps} "
            f"loss {progress.loss:.3f}  {done * stage.schedule.batch_size / seconds:.0f} images/s  "
            f"{left * seconds / done / 60:.0f} min left"
        )

    return report
