"""The head for word pieces: ``python -m recipes.encoder.piece_head --encoder FOLDER``.

The towers stay as they are. What the text transformer says of each word piece is made into a short vector and a weight,
so that a query's pieces find the pieces of what answers it (``search/encoders/late_interaction.py``). It learns from
shelves, products that lie near each other with graded queries (``shelves.txt``), and from what shoppers could type for
kinds of things (``shopper_queries.txt``).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch.nn.functional import log_softmax, normalize, softplus

from recipes.encoder.corpus import Say
from recipes.encoder.text_trainer import drawn_kinds, titles_and_queries
from recipes.shelves import Shelf, read_shelves
from recipes.shopper_queries import Kind, read_kinds
from vitrina.search.encoders.base import EMBEDDED_FOLDER
from vitrina.search.encoders.late_interaction import PieceHead
from vitrina.search.encoders.open_clip import ShortTextTower, load_model, vectors_and_states
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning.export.encoder import export_encoder
from vitrina.tuning.loop import BETAS, warmup_cosine

HELD_OUT_EVERY = 20
"""Of so many shelves one is measured and not learnt from."""

PART = 64
STEPS_A_LINE = 200
TITLE_ALONE = 0.25
"""How often a product has no more than its title, beside those that never have."""


@dataclass(frozen=True, slots=True)
class HeadSchedule:
    """How much is learnt and how fast. The rate rises over ``warmup`` of the steps and falls to zero along a cosine.

    ``within`` weighs telling a query's answers from the rest of their shelf, ``among`` from everything in the batch,
    ``kinds`` shoppers' queries and the titles of their kinds."""

    width: int = 64
    n_steps: int = 2000
    n_shelves: int = 4
    n_kinds: int = 24
    rate: float = 1e-3
    scale_rate: float = 5e-3
    warmup: float = 0.06
    within: float = 1.0
    among: float = 0.5
    kinds: float = 0.3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class States:
    """The states of some texts' word pieces without the marks at both ends, bfloat16, (n pieces, hidden size) each."""

    by_text: dict[str, torch.Tensor]

    def of(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Float32, (n, longest, hidden size), and which of them are pieces, bool (n, longest)."""
        found = [self.by_text[text] for text in texts]
        padded = torch.nn.utils.rnn.pad_sequence(found, batch_first=True).float()
        lengths = torch.tensor([len(each) for each in found])
        return padded, torch.arange(padded.shape[1]) < lengths[:, None]


def states_of(folder: Path, texts: Iterable[str], say: Say) -> States:
    """What an encoder's text transformer says of texts, each once. Blocks for minutes."""
    model, tokenizer, _ = load_model(f"{LOCAL_PREFIX}{folder}", torch.device("cpu"))
    model, short = model.float(), ShortTextTower.of(model)
    assert short is not None
    once = sorted(set(texts), key=len)
    found: dict[str, torch.Tensor] = {}
    for start in range(0, len(once), PART):
        part = once[start : start + PART]
        tokens = tokenizer(part)
        lengths = short.lengths(tokens)
        with torch.inference_mode():
            _, states = vectors_and_states(model, tokens[:, : int(lengths.max())])
        for text, of_text, length in zip(part, states, lengths.tolist(), strict=True):
            found[text] = of_text[1 : length - 1].bfloat16().clone()
        if start // PART % 200 == 0:
            say(f"pieces: {len(found)} of {len(once)} texts read")
    return States(found)


class Pieces(torch.nn.Module):
    """The head as it is trained; ``scale`` is the inverse temperature of its scores, as a logarithm."""

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.vectors = torch.nn.Linear(hidden_size, width, bias=False)
        self.weights = torch.nn.Linear(hidden_size, 1)
        self.scale = torch.nn.Parameter(torch.tensor(3.0))
        torch.nn.init.orthogonal_(self.vectors.weight)
        torch.nn.init.zeros_(self.weights.weight)
        torch.nn.init.constant_(self.weights.bias, 0.54)  # softplus gives 1

    def forward(
        self, queries: tuple[torch.Tensor, torch.Tensor], texts: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """How near the pieces of queries, (n, i, hidden size), find others in texts, (m, j, hidden size), with what of
        each are pieces; shape (n, m)."""
        (asked, is_asked), (said, is_said) = queries, texts
        cosines = torch.einsum(
            "nid,mjd->nmij", normalize(self.vectors(asked), dim=2), normalize(self.vectors(said), dim=2)
        )
        nearest = cosines.masked_fill(~is_said[None, :, None, :], -1.0).amax(dim=3)  # (n, m, i)
        weights = softplus(self.weights(asked))[..., 0] * is_asked
        total: torch.Tensor = (nearest * weights[:, None]).sum(dim=2) / weights.sum(dim=1).clamp(min=1e-6)[:, None]
        return total

    def head(self) -> PieceHead:
        """The head as it is shipped."""
        with torch.no_grad():
            return PieceHead(
                self.vectors.weight.numpy(), self.weights.weight[0].numpy(), float(self.weights.bias.item())
            )


def listing(product: Sequence[str], *, title_alone: bool = False) -> str:
    """A product's text as the encoder is given it."""
    return product[0] if title_alone else ". ".join(product)


def shelf_scores(
    pieces: Pieces, states: States, shelves: Sequence[Shelf], rng: random.Random | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The scores of all queries of some shelves with all their products, (n, m); how well each product answers, 0 to 3;
    and which stand on the query's shelf. With ``rng`` some products have their titles alone."""
    texts, queries = list[str](), list[str]()
    graded: list[tuple[int, int, int]] = []
    for shelf in shelves:
        places = {key: len(texts) + at for at, key in enumerate(shelf.products)}
        texts += [
            listing(product, title_alone=rng is not None and rng.random() < TITLE_ALONE)
            for product in shelf.products.values()
        ]
        for query, grades in shelf.queries:
            graded += [(len(queries), places[key], grade) for key, grade in grades.items()]
            queries.append(query)
    grades_of = torch.zeros(len(queries), len(texts))
    for at, place, grade in graded:
        grades_of[at, place] = grade
    shelf_of = torch.tensor([at for at, shelf in enumerate(shelves) for _ in shelf.products])
    of_query = torch.tensor([at for at, shelf in enumerate(shelves) for _ in shelf.queries])
    return pieces(states.of(queries), states.of(texts)), grades_of, of_query[:, None] == shelf_of


def listwise_loss(logits: torch.Tensor, gains: torch.Tensor) -> Any:
    """The mean cross-entropy of queries' logits, (n, m), with the shares that gains, some of each above 0, have."""
    return -(gains / gains.sum(dim=1, keepdim=True) * log_softmax(logits, dim=1)).sum(dim=1).mean()


def shelf_loss(pieces: Pieces, scores: torch.Tensor, grades: torch.Tensor, own: torch.Tensor, how: HeadSchedule) -> Any:
    """Listwise cross-entropy of the answered queries, gains as nDCG has them: within their shelf and among all."""
    gains = 2**grades - 1
    answered = gains.sum(dim=1) > 0
    logits, gains = scores[answered] * pieces.scale.exp(), gains[answered]
    within = listwise_loss(logits.masked_fill(~own[answered], -1e4), gains)
    return how.within * within + how.among * listwise_loss(logits, gains)


def kind_loss(pieces: Pieces, states: States, kinds: Sequence[Kind], rng: random.Random) -> Any:
    """Listwise cross-entropy of shoppers' queries: the titles of their kind among those of the others."""
    titles, queries, answers = titles_and_queries(kinds, rng)
    scores = pieces(states.of([query for _, query in queries]), states.of([title for _, title in titles]))
    return listwise_loss(scores * pieces.scale.exp(), answers.float())


@torch.no_grad()
def first_right(pieces: Pieces, states: States, shelves: Sequence[Shelf]) -> float:
    """Of the answered queries of shelves, the share whose best product on their shelf answers them well."""
    found: list[bool] = []
    for shelf in shelves:
        scores, grades, _ = shelf_scores(pieces, states, [shelf])
        enough = grades.amax(dim=1).clamp(max=2)
        best = grades[torch.arange(len(grades)), scores.argmax(dim=1)]
        found += (best >= enough)[enough > 0].tolist()
    return sum(found) / max(len(found), 1)


def train_head(
    states: States, shelves: Sequence[Shelf], kinds: Sequence[Kind], how: HeadSchedule, say: Say
) -> PieceHead:
    """Train a head on the states of all texts; blocks for minutes, one step after the other."""
    torch.manual_seed(how.seed)
    rng = random.Random(how.seed)
    hidden_size = next(iter(states.by_text.values())).shape[1]
    pieces = Pieces(hidden_size, how.width)
    held_out = shelves[::HELD_OUT_EVERY]
    learnt = [shelf for at, shelf in enumerate(shelves) if at % HELD_OUT_EVERY]
    groups: list[dict[str, Any]] = [
        {"params": [*pieces.vectors.parameters(), *pieces.weights.parameters()], "rate": how.rate},
        {"params": [pieces.scale], "rate": how.scale_rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=how.rate, betas=BETAS, weight_decay=0.01)
    say(f"pieces: first right on {len(held_out)} shelves held out {first_right(pieces, states, held_out):.3f}")
    started, losses, order = time.monotonic(), list[float](), list[Shelf]()
    for step in range(how.n_steps):
        factor = warmup_cosine(step / how.n_steps, how.warmup)
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * factor
        if len(order) < how.n_shelves:
            order = rng.sample(learnt, len(learnt))
        drawn, order = order[: how.n_shelves], order[how.n_shelves :]
        loss = shelf_loss(pieces, *shelf_scores(pieces, states, drawn, rng), how)
        of_step = [kinds[at] for at in drawn_kinds(len(kinds), how.n_kinds, rng)]
        loss = loss + how.kinds * kind_loss(pieces, states, of_step, rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % STEPS_A_LINE == 0:
            left = (how.n_steps - step - 1) * (time.monotonic() - started) / (step + 1)
            say(f"pieces: step {step + 1}/{how.n_steps} loss {sum(losses) / len(losses):.3f}  {left / 60:.1f} min left")
            losses.clear()
    say(f"pieces: first right on {len(held_out)} shelves held out {first_right(pieces, states, held_out):.3f}")
    return pieces.head()


def texts_of(shelves: Sequence[Shelf], kinds: Sequence[Kind]) -> Iterable[str]:
    """Every text that is learnt from."""
    for shelf in shelves:
        for product in shelf.products.values():
            yield from (product[0], listing(product))
        yield from (query for query, _ in shelf.queries)
    yield from chain.from_iterable((*kind.titles, *kind.queries) for kind in kinds)


def main(
    encoder: Annotated[Path, typer.Option(help="The open_clip folder that takes the head.", exists=True)] = (
        EMBEDDED_FOLDER
    ),
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Train the head for word pieces of a finished encoder, and export the encoder with it: ten minutes."""
    torch.set_num_threads(threads)
    shelves, kinds, how = read_shelves(), read_kinds(), HeadSchedule()
    states = states_of(encoder, texts_of(shelves, kinds), typer.echo)
    train_head(states, shelves, kinds, how, typer.echo).write(encoder)
    export_encoder(encoder)


if __name__ == "__main__":
    typer.run(main)
