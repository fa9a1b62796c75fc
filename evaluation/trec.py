"""TREC's formats: qrels (``qid 0 sku grade``), and a file of queries (``qid<TAB>text``)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from evaluation.query import JudgedQuery
from search.errors import SourceError

MAX_GRADE = 100
"""The highest grade taken: trec_eval keeps a counter a grade, and no scale of judgement has that many steps."""


def read_qrels(path: Path, text: str, queries: tuple[Path, str] | None) -> list[JudgedQuery]:
    """The judged queries of a qrels file; ``queries`` has the path and content of the queries' file, if there is one.

    Without it, the qid itself is the text. Grades below 0 count as 0. Raises SourceError with the line's number.
    """
    judged: dict[str, dict[str, int]] = defaultdict(dict)
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            qid, sku, grade = _judgement(path, number, line)
            judged[qid][sku] = grade
    texts = dict.fromkeys(judged) if queries is None else _texts(*queries)
    unknown = sorted(judged.keys() - texts.keys())
    if unknown and queries is not None:
        raise SourceError(
            f"{len(unknown):,} of {len(judged):,} queries of {path} have no text in {queries[0]}, such as "
            f"{unknown[0]!r:.200}.",
            remedy="Write each query on a line of its own: qid, a tab, the text.",
        )
    return [JudgedQuery(qid, path.name, grades, text=texts[qid] or qid) for qid, grades in judged.items()]


def _judgement(path: Path, number: int, line: str) -> tuple[str, str, int]:
    columns = line.split()
    try:
        qid, _, sku, grade = columns
        value = int(grade)
    except ValueError:
        raise SourceError(
            f"{path}, line {number}: {line.strip()!r:.200} is no judgement.",
            remedy="Write TREC qrels (qid 0 sku grade, whole grades), or one JSON object a line.",
        ) from None
    if value > MAX_GRADE:
        raise SourceError(
            f"{path}, line {number}: the grade {value:,} is above {MAX_GRADE}.", remedy="Grade on a smaller scale."
        )
    return qid, sku, max(value, 0)


def _texts(path: Path, content: str) -> dict[str, str | None]:
    texts: dict[str, str | None] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        qid, tab, text = line.partition("\t")
        if not (tab and qid.strip() and text.strip()):
            raise SourceError(
                f"{path}, line {number}: {line.strip()!r:.200} is no query.", remedy="Write: qid, a tab, the text."
            )
        texts[qid.strip()] = text.strip()
    return texts
