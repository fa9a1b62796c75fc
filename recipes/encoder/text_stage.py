"""The last stage: the text tower learns what shoppers ask for, while the image tower stays as it is.

A vector that serves images alone loses a part of what MiniLM knows of words: of 2,200 queries to made-up shops its own
vectors put a right product first for .72, those of the stages before for .67. So texts get dimensions of their own, in
which every image is 0: the first ones are compared with images and stay where they were, and all of them with other
texts; and a head makes a short vector of each word piece (``search/encoders/late_interaction.py``). The whole text
tower is trained, on queries that shoppers could have typed for two products of each kind of thing
(``shopper_queries.txt``) and for products that lie near each other (``shelves.txt``), both written for this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import gelu, normalize

from recipes.encoder.corpus import LabelledRows, Say
from recipes.encoder.pieces import split_held_out, texts_of_shelves
from recipes.encoder.pretrained import all_tokens, imagenet_names, principal_directions, pruned_tokens
from recipes.encoder.recipe import Recipe, with_minilm, write_measured
from recipes.encoder.sources import album_of, is_learnt, sampling_weights
from recipes.encoder.text_trainer import SHARE, KnownVectors, TextKnowledge, TextSchedule, TextTrainer
from recipes.encoder.texts import Embed, Pair, TextTable, pooled_texts, save_array, stored_vectors
from recipes.encoder.trainer import tower_features
from recipes.shelves import Shelf
from recipes.shopper_queries import Kind
from vitrina.search.encoders.exports import FastTokenizer
from vitrina.search.encoders.open_clip import load_model
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning.export.encoder import export_encoder
from vitrina.tuning.loop import TrainingProgress
from vitrina.tuning.model_folder import write_weights

STEPS_A_LINE = 20
N_SAMPLED = 8000
"""Texts whose vectors say which directions the own dimensions begin as."""

WORD_PIECES = "text.transformer.embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class TextStage:
    """All that the stage depends on beside its texts. ``n_own`` are the dimensions of texts alone, beside those of
    images and texts, which are as many as before. ``n_tokens`` word pieces are kept, as many as leave the folder below
    ``MAX_ENCODER_BYTES`` where they are stored in 8 bits."""

    n_own: int = 128
    n_tokens: int = 17_700
    schedule: TextSchedule = field(default_factory=TextSchedule)
    bfloat16: bool = False


def train_text(
    rows: Sequence[LabelledRows],
    pairs: Sequence[Pair],
    kinds: Sequence[Kind],
    shelves: Sequence[Shelf],
    start: Path,
    out: Path,
    work: Path,
    recipe: Recipe,
    stage: TextStage,
    *,
    say: Say,
) -> None:
    """From the encoder in the folder ``start``, whose image tower stays, to the folder ``out``; blocks for hours, with
    bfloat16 for an hour. Arguments otherwise as of ``make_encoder``; the same call goes on where one stopped."""
    flags = [flag for part in rows for flag in is_learnt(part)]
    table = TextTable([product for part in rows for product in part.products], flags)
    names = imagenet_names()
    captions = list(dict.fromkeys([*table.texts, *chain.from_iterable(names)]))
    titles = [title for kind in kinds for title in kind.titles]
    queries = [query for kind in kinds for query in kind.queries]
    lexicon = list(chain.from_iterable(pairs))
    learnt, held_out = split_held_out(shelves)
    folder = work / "words"
    every = [*captions, *titles, *queries, *lexicon, *texts_of_shelves(shelves)]
    tokens = pruned_tokens(every, stage.n_tokens)
    wide = replace(recipe, dimension=recipe.dimension + stage.n_own)
    model = with_minilm(folder, tokens, wide)
    old, _, _ = load_model(f"{LOCAL_PREFIX}{start}", torch.device("cpu"))
    images = image_vectors(old.float(), rows, recipe, work)
    pool = pooled_texts(model.text, folder, recipe.context_length)
    grow(model, old, torch.from_numpy(pool(every[:: max(1, len(every) // N_SAMPLED)])))
    trainer = TextTrainer(
        model,
        FastTokenizer(folder, recipe.context_length, pad_id=0),
        TextKnowledge(
            kinds,
            learnt,
            table,
            pairs,
            names,
            known([*captions, *titles], load_encoder(f"{LOCAL_PREFIX}{start}").encode_texts, work / "before", say),
            known([*titles, *queries, *lexicon], teacher(work / "minilm", recipe), work / "teacher", say),
            images,
            sampling_weights(rows, torch.tensor(flags)),
        ),
        stage.schedule,
        bfloat16=stage.bfloat16,
    )
    checkpoint = folder / "tower-and-head.pt"
    if checkpoint.is_file():
        trainer.restore(checkpoint)
    say(f"words: {len(kinds)} kinds, {len(shelves)} shelves, {table.n_texts} captions of {sum(flags)} images")
    while trainer.n_epochs_done < stage.schedule.n_epochs:
        trainer.run_epoch(_reporter(say, stage.schedule))
        trainer.save(checkpoint)
    say(f"words: first right on {len(held_out)} shelves held out {trainer.share_right(held_out):.3f}")
    write_trained(trainer, with_minilm(out, tokens, wide), out)
    write_measured(out, rows, recipe, say, asdict(stage))
    export_encoder(out)


def write_trained(trainer: TextTrainer, finished: Any, out: Path) -> None:
    """Write what was learnt, as the weights of the model ``finished`` that the folder describes, and the head."""
    finished.load_state_dict(trainer.encoder.state_dict())
    write_weights(out, finished, in_8_bits={WORD_PIECES})
    trainer.pieces.head().write(out)


def known(texts: Sequence[str], embed: Embed, folder: Path, say: Say) -> KnownVectors:
    """The unit vectors of texts, each made once and kept in ``folder``."""
    once = list(dict.fromkeys(texts))
    return KnownVectors(once, normalize(stored_vectors(once, embed, folder, say=say), dim=1))


def teacher(folder: Path, recipe: Recipe) -> Embed:
    """MiniLM with all of its word pieces, which embeds texts; ``folder`` is where its tokenizer is written."""
    model = with_minilm(folder, all_tokens(), recipe)
    return pooled_texts(model.text, folder, recipe.context_length)


def image_vectors(model: Any, rows: Sequence[LabelledRows], recipe: Recipe, work: Path) -> torch.Tensor:
    """The unit vectors of all images by a finished model, (n images, d), kept in ``work``. Blocks for minutes."""
    path = work / "images.npy"
    if not path.is_file():
        album = album_of(rows, work)
        features = tower_features(model.visual.trunk, album, torch.arange(len(album)), recipe.size)
        with torch.inference_mode():
            vectors = normalize(model.visual.head(features), dim=1)
        save_array(path, vectors.numpy())
    return torch.from_numpy(np.load(path))


@torch.no_grad()
def grow(model: Any, old: Any, pooled: torch.Tensor) -> None:
    """Give a model with wider vectors what a narrower one has: images are 0 in the new dimensions, and texts, at first,
    the principal directions of what the text transformer says of some, ``pooled`` (n, width), as nearly as the head
    can give them."""
    state = model.state_dict()
    for name, weight in old.state_dict().items():
        if not name.startswith("text.transformer."):
            state[name] = padded(weight, state[name].shape)
    first, last = model.text.proj[0], model.text.proj[2]
    drawn = first.weight.clone()
    model.load_state_dict(state)
    n_old, n_shown = len(old.text.proj[0].weight), len(old.text.proj[2].weight)
    new = drawn[n_old:]
    first.weight[n_old:] = new * (pooled @ first.weight[:n_old].T).std() / (pooled @ new.T).std()
    hidden = gelu(pooled @ first.weight.T)
    wanted = normalize(pooled, dim=1) @ principal_directions(pooled.numpy(), len(last.weight) - n_shown).T
    fitted = torch.linalg.lstsq(hidden, wanted).solution
    length = (hidden @ last.weight[:n_shown].T).norm() / (hidden @ fitted).norm()
    last.weight[n_shown:] = fitted.T * length * ((1 - SHARE) / SHARE) ** 0.5


def padded(weight: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A weight with zeros after it along each side, to the given shape."""
    wide = weight.new_zeros(shape)
    wide[tuple(slice(n) for n in weight.shape)] = weight
    return wide


def _reporter(say: Say, schedule: TextSchedule) -> Callable[[TrainingProgress], None]:
    """A line every few steps with the mean loss and the time left."""
    losses: list[float] = []

    def report(progress: TrainingProgress) -> None:
        losses.append(progress.loss)
        if (progress.step + 1) % STEPS_A_LINE:
            return
        step = progress.epoch * progress.n_steps + progress.step + 1
        n_steps = schedule.n_epochs * progress.n_steps
        left = (n_steps - step) * progress.seconds / step
        say(f"words: step {step}/{n_steps} loss {sum(losses) / len(losses):.3f}  {left / 60:.0f} min left")
        losses.clear()

    return report
