"""The model card of a tuned reranker: ``README.md`` for people, ``vitrina.json`` for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from vitrina.search.types.models import RerankerIdentity
from vitrina.tuning.model_folder import write_card
from vitrina.tuning.reranker.corpus import RerankerCorpus
from vitrina.tuning.reranker.plan import RerankerPlan, RerankerSchedule
from vitrina.tuning.reranker.validation import RerankerScore
from vitrina.tuning.run_directory import History, name_of

CHART = "training.png"

_CARD = """\
# {name}

A vision-language model tuned by `vitrina train reranker` to say whether a product is what a shopper wants, on the
judged queries of one catalog. It loads with plain transformers:

```python
processor = AutoProcessor.from_pretrained("FOLDER")
model = AutoModelForImageTextToText.from_pretrained("FOLDER")
```

- **Base model**: {base}, fingerprint {fingerprint}. Its own licence holds for this model too.
- **Trained**: LoRA of rank {rank} on the linear layers of {trained}, merged into the weights.
- **Asked**: with Vitrina's prompts (dialect `{dialect}`); P(yes) is read off the logits of yes and no behind them.
  {shown} Images had {max_pixels:,} pixels at most.
- **Steps**: {n_steps:,} of {batch_size} pairs, binary cross-entropy on the logit of yes, learning rate
  {learning_rate:g}, seed {seed}; the weights are those after epoch {kept} of {n_epochs}.

## Data
{n_kept:,} judged queries of {source}; {n_held_out:,} more were held out by a hash of their text. Licence: {licence}.

Every query has as many positive pairs as negative ones. Positives are the items judged relevant. Negatives are those
judged irrelevant, those that the catalog's own search found and that were not judged relevant, and some drawn at
random.{notes}

## Measured
On the {n_held_out:,} held-out queries, with {n_pairs:,} pairs: whether P(yes) is on the right side of one half, how
often a positive scores above a negative, and the order of the 20 items that the search finds, by P(yes) alone.

| measure | before | after |
|---|---|---|
| balanced accuracy | {before.balanced_accuracy:.3f} | **{after.balanced_accuracy:.3f}** |
| AUC | {before.auc:.3f} | **{after.auc:.3f}** |
| nDCG@10, reranked (the search's own order: {ndcg_of_search:.3f}) | {before.ndcg:.3f} | **{after.ndcg:.3f}** |

![Loss and score](training.png)

## Limits
An item without a judgement counts as a negative: if there are few judgements, the model learns to doubt some relevant
items. The held-out queries come from the same catalog, may be about items of the training pairs, and also chose the
epoch to stop at; another catalog will see less of the gain. The model was trained on whole queries, not on single
requirements. What else the base model could do, such as writing and localizing, was not measured and may be weaker now.
The fusion weights were not fitted: `vitrina reranker calibrate` does that.
"""


@dataclass(frozen=True, slots=True)
class RerankerAccount:
    """What a card reports."""

    plan: RerankerPlan
    schedule: RerankerSchedule
    base: RerankerIdentity
    dialect: str
    max_pixels: int
    corpus: RerankerCorpus
    n_pairs: int
    ndcg_of_search: float
    history: History[RerankerScore]
    after: RerankerScore


def write(folder: Path, account: RerankerAccount) -> None:
    """Write both cards. The dialect among it is what the model is asked in from now on."""
    corpus = account.corpus
    card = {
        "dialect": account.dialect,
        "max_pixels": account.max_pixels,
        "base": asdict(account.base),
        "catalog": corpus.source,
        "licence": account.plan.licence,
        "queries": {"trained": len(corpus.kept), "held_out": len(corpus.held_out)},
        "plan": asdict(account.plan),
        "schedule": asdict(account.schedule),
        "kept_epoch": (account.history.best or 0) + 1,
        "measured": {
            "before": asdict(account.history.start),
            "after": asdict(account.after),
            "pairs": account.n_pairs,
            "ndcg_of_search": account.ndcg_of_search,
        },
    }
    write_card(folder, card, describe(name_of(folder), account))


def describe(name: str, account: RerankerAccount) -> str:
    """The card's text, in Markdown."""
    plan, schedule, corpus, history = account.plan, account.schedule, account.corpus, account.history
    return _CARD.format(
        name=name,
        base=account.base.name,
        fingerprint=account.base.key,
        rank=plan.lora_rank,
        trained="the language model and the image tower" if plan.image_tower else "the language model alone",
        dialect=account.dialect,
        max_pixels=account.max_pixels,
        shown="It was given the image and the catalog's text." if plan.listings else "It was given the image alone.",
        n_steps=sum(map(len, history.losses)),
        batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        seed=schedule.seed,
        kept=(history.best or 0) + 1,
        n_epochs=len(history.scores),
        n_kept=len(corpus.kept),
        n_held_out=len(corpus.held_out),
        source=corpus.source,
        licence=plan.licence or "not stated; say it with --licence",
        notes="".join(f"\n{note}" for note in corpus.notes),
        n_pairs=account.n_pairs,
        before=history.start,
        after=account.after,
        ndcg_of_search=account.ndcg_of_search,
    )
