"""The readout: how a trained picture tower's features are read, learnt anew together with the texts.

A step over pictures takes a second for 256 of them, nearly all of it in the picture tower. Once the tower is good, its
features can be stored and the rest, the projection and the text tower, trained on thousands of products a step: a
caption then picks its products out of thousands and not of hundreds, as a search does. The picture tower itself stays
as it is (locked-image tuning, arXiv 2111.07991).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch

from search.encoders.openclip import Tokenizer
from search.encoders.preprocessing import Size
from training.objective import Objective
from training.pictures import Album
from training.trainer import Progress, Schedule, Trainer
from training.writer import Writer

N_VIEWS = 3
FEATURE_BATCH = 256


def learn_readout(
    model: Any,
    tokenizer: Tokenizer,
    album: Album,
    writer: Writer,
    objective: Objective,
    size: Size,
    schedule: Schedule,
    repeats: torch.Tensor,
    on_step: Callable[[Progress], None],
) -> None:
    """Train the projection and the text tower of an open_clip model with a timm picture tower, in place. Blocks.

    ``album``, ``writer`` and ``repeats`` are those of the trainer that made the model; the ``schedule`` is its own.
    """
    features = Features.of(model, album, size, N_VIEWS, schedule.seed)
    learner = copy.deepcopy(model).requires_grad_(True)
    learner.visual = Readout(learner.visual.trunk.get_classifier())
    trainer = Trainer(learner, tokenizer, features, writer, objective, size=size, schedule=schedule, repeats=repeats)
    for _ in range(schedule.n_epochs):
        trainer.run_epoch(on_step)
    learnt: Any = trainer.result
    model.visual.trunk.get_classifier().load_state_dict(learnt.visual.classifier.state_dict())
    model.text.load_state_dict(learnt.text.state_dict())
    model.logit_scale.data.copy_(learnt.logit_scale.data)


class Features:
    """What a picture tower sees in several views of every product; float16, shape (views, n, channels, 1, 1)."""

    def __init__(self, views: torch.Tensor) -> None:
        self._views = views

    @classmethod
    def of(cls, model: Any, album: Album, size: Size, n_views: int, seed: int) -> Features:
        """Look at every picture of the album ``n_views`` times, varied anew each time. Blocks for minutes."""
        dice = torch.Generator().manual_seed(seed)
        return cls(torch.stack([_seen(model.visual.trunk.eval(), album, size, dice) for _ in range(n_views)]))

    def __len__(self) -> int:
        return self._views.shape[1]

    def vary(self, indices: torch.Tensor, size: Size, dice: torch.Generator) -> torch.Tensor:
        """One of each product's views; float32, shape (n, channels, 1, 1). ``size`` is that of the views."""
        chosen = torch.randint(0, len(self._views), (len(indices),), generator=dice)
        return self._views[chosen, indices].float()


class Readout(torch.nn.Module):
    """In place of a picture tower while features are read: its last, linear layer alone."""

    def __init__(self, classifier: torch.nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = self.classifier(features.flatten(1))  # (n, channels, 1, 1) to (n, d)
        return embeddings


@torch.no_grad()
def _seen(trunk: Any, album: Album, size: Size, dice: torch.Generator) -> torch.Tensor:
    """What the classifier of a timm tower is given, for one view of every picture; (n, channels, 1, 1)."""
    parts = []
    for indices in torch.arange(len(album)).split(FEATURE_BATCH):
        pixels = album.vary(indices, size, dice).contiguous(memory_format=torch.channels_last)
        parts.append(trunk.forward_head(trunk.forward_features(pixels), pre_logits=True).half())
    return torch.cat(parts)[:, :, None, None]
