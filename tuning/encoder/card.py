"""The model card of a tuned encoder: ``README.md`` for people, ``vitrina.json`` for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vitrina.search.types.models import EncoderIdentity
from vitrina.tuning import Loss
from vitrina.tuning.encoder.corpus import EncoderCorpus, EncoderPlan
from vitrina.tuning.encoder.trainer import EncoderSchedule
from vitrina.tuning.encoder.validation import EncoderScore
from vitrina.tuning.model_folder import write_card
from vitrina.tuning.run_directory import History, name_of

CHART = "training.png"

_CARD = """\
# {name}

An open_clip model tuned by `vitrina train encoder` on the rows of one catalog. It is used with
`vitrina encoder use FOLDER`, and loads with plain open_clip:

```python
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:FOLDER")
tokenizer = open_clip.get_tokenizer("local-dir:FOLDER")
```

- **Base model**: {base}, fingerprint {fingerprint}. Its own licence holds for this model too.
- **Trained**: {trained}.
- **Steps**: {n_steps:,} of {batch_size} rows, {loss} loss, learning rate {learning_rate:g}, seed {seed}; the weights
  are those after epoch {kept} of {n_epochs}.

## Data
{n_kept:,} rows with images of {source}. {n_held_out:,} more were held out by a hash of their sku; {n_twins:,} were left
out because they share an image with one of those, and {n_wordless:,} because no caption could be made of them.
Fields that queries of this catalog name: {facets}. Licence: {licence}.

Captions were made by these templates, a few drawn for each row and step, and every row that a caption fits counts as a
positive: {templates}.

## Measured
On the {n_held_out:,} held-out rows: nDCG@10 before and after, with their captions as queries and their images alone
as the collection.

| queries | number | before | after |
|---|---|---|---|
{table}

![Loss and nDCG](training.png)

## Limits
The held-out rows come from the same catalog and also chose the epoch to stop at: another catalog will see less of the
gain, and so, to a small degree, will new rows of this one. What the base model knew beyond this catalog may be weaker
now.
{sure}
"""


@dataclass(frozen=True, slots=True)
class EncoderAccount:
    """What a card reports."""

    plan: EncoderPlan
    schedule: EncoderSchedule
    loss: Loss
    base: EncoderIdentity
    corpus: EncoderCorpus
    history: History[EncoderScore]
    after: EncoderScore
    calibrated: Sequence[str]


def write(folder: Path, account: EncoderAccount) -> None:
    """Write both cards."""
    history, corpus = account.history, account.corpus
    card = {
        "base": asdict(account.base),
        "catalog": corpus.source,
        "rows": {"trained": len(corpus.rows.kept), "held_out": len(corpus.rows.held_out)},
        "plan": asdict(account.plan),
        "schedule": asdict(account.schedule),
        "loss": account.loss,
        "templates": list(corpus.templates),
        "kept_epoch": (history.best or 0) + 1,
        "ndcg@10": {"before": asdict(history.start), "after": asdict(account.after)},
    }
    write_card(folder, card, describe(name_of(folder), account))


def describe(name: str, account: EncoderAccount) -> str:
    """The card's text, in Markdown."""
    history, schedule, corpus = account.history, account.schedule, account.corpus
    return _CARD.format(
        name=name,
        base=account.base.name,
        fingerprint=account.base.key,
        trained=trained(account.plan),
        n_steps=sum(map(len, history.losses)),
        batch_size=schedule.batch_size,
        loss="softmax (CLIP)" if account.loss is Loss.CLIP else "sigmoid (SigLIP)",
        learning_rate=schedule.learning_rate,
        seed=schedule.seed,
        kept=(history.best or 0) + 1,
        n_epochs=len(history.scores),
        n_kept=len(corpus.rows.kept),
        n_held_out=len(corpus.rows.held_out),
        n_twins=corpus.rows.n_twins,
        n_wordless=corpus.n_wordless,
        source=corpus.source,
        facets=", ".join(corpus.facets) or "none",
        licence=account.plan.licence or "not stated; say it with --licence",
        templates=", ".join(f"`{template}`" for template in corpus.templates),
        table="\n".join(rows(history.start, account.after)),
        sure=sure(account.calibrated),
    )


def trained(plan: EncoderPlan) -> str:
    """Which weights were trained."""
    towers = "both towers" if plan.freeze is None else f"all but the {plan.freeze} tower"
    return towers if plan.lora_rank is None else f"{towers}, by LoRA of rank {plan.lora_rank}, merged into the weights"


def rows(before: EncoderScore, after: EncoderScore) -> list[str]:
    """The table's rows, the mean over templates first."""
    n_queries = sum(after.n_queries.values())
    lines = [f"| **mean over templates** | {n_queries:,} | {before.ndcg:.3f} | **{after.ndcg:.3f}** |"]
    return lines + [
        f"| `{template}` | {after.n_queries[template]:,} | {before.by_template[template]:.3f} | {value:.3f} |"
        for template, value in after.by_template.items()
    ]


def sure(kinds: Sequence[str]) -> str:
    """What its confidences are based on."""
    if not kinds:
        return "There were too few rows to calibrate it: its hits have no confidences until it is calibrated on more."
    return f"Its confidences, for queries by {', '.join(kinds)}, were fitted on the held-out rows as well."
