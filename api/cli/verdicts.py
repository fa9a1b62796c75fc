"""Verdicts and explanations in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.padding import Padding
from rich.text import Text

from api.cli.console import errors, output
from search.answer import Answer, Hit
from search.reranking.explanation import Author
from search.reranking.verdict import Evidence, Standing, Verdict

MARKS: Mapping[Standing, tuple[str, str]] = {
    Standing.MET: ("✓", "green"),
    Standing.CONTRADICTED: ("✗", "red"),
    Standing.UNKNOWN: ("?", "yellow"),
}
"""Told apart by the sign; the colour is for those who see it."""

EVIDENCE: Mapping[Evidence, str] = {
    Evidence.FIELD: "listing",
    Evidence.IMAGE: "photo",
    Evidence.BOTH: "listing and photo",
    Evidence.NOTHING: "nothing tells",
}


def show_verdicts(answer: Answer) -> None:
    """Print below the hits what is known of each; nothing where nobody asked for reranking."""
    if answer.reranker is None:
        return
    for hit in answer.hits:
        if hit.verdicts or hit.explanation:
            output.print()
            for line in lines_of(hit):
                output.print(line)
    if answer.rerank_note:
        errors.print(answer.rerank_note, highlight=False, markup=False, soft_wrap=True)


def lines_of(hit: Hit) -> list[Text | Padding]:
    """A hit's title, its verdicts, and its explanation."""
    moved = f" (was {hit.retrieval_rank})" if hit.retrieval_rank not in (None, hit.rank) else ""
    head = Text.assemble(
        (f"{hit.rank}. ", "dim"), (hit.stored.item.title or hit.stored.item.sku, "bold"), (moved, "dim")
    )
    lines: list[Text | Padding] = [head]
    lines += [Padding(verdict_line(verdict), (0, 0, 0, 3), expand=False) for verdict in hit.verdicts]
    if hit.explanation and hit.explanation.text:
        author = " (the model's words)" if hit.explanation.written_by is Author.MODEL else ""
        lines.append(Padding(Text.assemble(hit.explanation.text, (author, "dim")), (0, 0, 0, 3), expand=False))
    return lines


def verdict_line(verdict: Verdict) -> Text:
    """One verdict: its sign, the requirement, how sure it is and why, and a disagreement in words."""
    mark, colour = MARKS[verdict.standing]
    why = f"  {percent(verdict.probability)}, {EVIDENCE[verdict.evidence]}"
    line = Text.assemble((mark, colour), " ", verdict.requirement.name, (why, "dim"))
    if verdict.disagreement:
        line.append(f"  ≠ {verdict.disagreement}", "yellow")
    return line


def percent(probability: float | None) -> str:
    """A probability for people, who need no decimals: never quite 0 or 100 %, which no measurement gives."""
    return "" if probability is None else f"{min(max(round(100 * probability), 1), 99)}%"
