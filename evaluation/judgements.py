"""Judged queries: what is asked and which items would be right; from JSON lines or TREC's qrels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from vitrina.evaluation.metrics import Grades, n_relevant
from vitrina.search.types.errors import InputError, SourceError
from vitrina.search.types.query import MAX_TEXT_CHARS


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query by ``text``, by ``image``, by both, or by the first image of the item ``sku``.

    ``id`` names the query in every run it is part of; ``kind`` names the set it is averaged with. ``judged`` may be
    shared between queries. An item that is itself the query never counts as found: ``grades`` leaves it out.
    """

    id: str
    kind: str
    judged: Grades
    text: str = ""
    image: Path | None = None
    sku: str = ""

    @property
    def grades(self) -> Grades:
        """The judged items that can be found."""
        if self.sku not in self.judged:
            return self.judged
        return {sku: grade for sku, grade in self.judged.items() if sku != self.sku}


def sample_queries(queries: Sequence[JudgedQuery], n_queries: int, seed: int) -> list[JudgedQuery]:
    """At most ``n_queries`` of each kind, drawn at random, in their order."""
    rng = np.random.default_rng(seed)
    kept: list[JudgedQuery] = []
    for of_kind in by_kind(queries).values():
        chosen = rng.choice(len(of_kind), min(n_queries, len(of_kind)), replace=False)
        kept += [of_kind[at] for at in sorted(chosen)]
    return kept


def by_kind(queries: Sequence[JudgedQuery]) -> dict[str, list[JudgedQuery]]:
    """The queries of each kind, in their order."""
    kinds: dict[str, list[JudgedQuery]] = defaultdict(list)
    for query in queries:
        kinds[query.kind].append(query)
    return kinds


def restrict_to_catalog(
    queries: Sequence[JudgedQuery], catalog_skus: Collection[str]
) -> tuple[list[JudgedQuery], list[str]]:
    """What can be measured on a catalog with these skus, and a sentence on each thing left out.

    Skus that the catalog lacks are removed from the judgements: the search is measured, not the stock. Queries without
    a relevant item in the catalog are left out. Raises InputError if no query is left.
    """
    skus = judged_skus(queries)
    missing = sorted(skus - set(catalog_skus))
    restricted = list(_within(queries, frozenset(catalog_skus)) if missing else queries)
    answerable = [query for query in restricted if n_relevant(query.grades)]
    if not answerable:
        raise _nothing_to_measure(len(skus), missing)
    notes = []
    if missing:
        notes.append(
            f"{len(missing):,} of {len(skus):,} judged skus are not in the catalog and were left out: "
            f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}."
        )
    if len(answerable) < len(queries):
        notes.append(
            f"{len(queries) - len(answerable):,} of {len(queries):,} queries have no relevant item in the catalog and "
            "were left out."
        )
    return answerable, notes


def judged_skus(queries: Sequence[JudgedQuery]) -> set[str]:
    """Every sku that some query judges."""
    shared: Mapping[int, Grades] = {id(query.judged): query.judged for query in queries}
    return set().union(*shared.values())


def _within(queries: Sequence[JudgedQuery], skus: frozenset[str]) -> Iterator[JudgedQuery]:
    shared: dict[int, Grades] = {}
    for query in queries:
        key = id(query.judged)
        if key not in shared:
            shared[key] = {sku: grade for sku, grade in query.judged.items() if sku in skus}
        yield replace(query, judged=shared[key])


def _nothing_to_measure(n_judged: int, missing: Sequence[str]) -> InputError:
    if n_judged and len(missing) == n_judged:
        return InputError(
            f"None of the {n_judged:,} judged skus is in the catalog, such as {missing[0]!r:.200}.",
            remedy="Check that --store is the catalog the judgements were made for, and that skus are spelt alike.",
        )
    return InputError(
        "No query has a relevant item in the catalog.",
        remedy="Judge at least one sku of each query with a grade of 1 or more.",
    )


MAX_GRADE = 100
"""The highest grade accepted: trec_eval keeps one counter per grade, and no scale of judgement has that many steps."""


def read_qrels(path: Path, text: str, queries: tuple[Path, str] | None) -> list[JudgedQuery]:
    """The judged queries of a qrels file; ``queries`` are the path and content of the queries' file, if there is one.

    Without one, the qid itself is the text. Grades below 0 count as 0. Raises SourceError with the line's number.
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
    """One qrels line, read by itself so that an error can name its number, which the library's does not."""
    import ir_measures

    try:
        (qrel,) = ir_measures.read_trec_qrels(f"{line}\n")  # type: ignore[no-untyped-call]
    except ValueError:
        raise SourceError(
            f"{path}, line {number}: {line.strip()!r:.200} is not a judgement.",
            remedy="Write TREC qrels (qid 0 sku grade, whole grades), or one JSON object a line.",
        ) from None
    if qrel.relevance > MAX_GRADE:
        raise SourceError(
            f"{path}, line {number}: the grade {qrel.relevance:,} is above {MAX_GRADE}.",
            remedy="Grade on a smaller scale.",
        )
    return qrel.query_id, qrel.doc_id, max(qrel.relevance, 0)


def _texts(path: Path, content: str) -> dict[str, str | None]:
    texts: dict[str, str | None] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        qid, tab, text = line.partition("\t")
        if not (tab and qid.strip() and text.strip()):
            raise SourceError(
                f"{path}, line {number}: {line.strip()!r:.200} is not a query.", remedy="Write: qid, a tab, the text."
            )
        texts[qid.strip()] = text.strip()
    return texts


FORM = 'Write a line as in: {"query": "red shirt", "relevant": {"A-17": 3, "A-18": 1}}'


def read_judgements(path: Path, queries: Path | None = None) -> list[JudgedQuery]:
    """The judged queries of a file, in its order; their kind is the file's name.

    ``queries`` is a file of ``qid<TAB>text`` for qrels. Images must exist, but are not read. Raises SourceError with
    the number of the line that cannot be used.
    """
    text = read_text(path)
    if not text.strip():
        raise SourceError(f"The judgements {path} are empty.", remedy=FORM)
    if text.lstrip().startswith("{"):
        if queries is not None:
            raise SourceError(
                f"{path} has its queries in its own lines; --queries is for TREC qrels.", remedy="Leave out --queries."
            )
        return list(_unique(path, _lines(path, text)))
    return read_qrels(path, text, None if queries is None else (queries, read_text(queries)))


def read_text(path: Path) -> str:
    """A text file in UTF-8. Raises SourceError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceError(f"The file {path} cannot be read: {error.strerror}.", remedy="Check its path.") from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"The file {path} is not in UTF-8 (byte {error.start:,}).", remedy="Save it as UTF-8."
        ) from error


def _graded(relevant: object) -> object:
    if isinstance(relevant, list) and all(isinstance(sku, str | int) for sku in relevant):
        return dict.fromkeys(map(str, relevant), 1)
    return relevant


class JudgementLine(BaseModel):
    """One line of JSON."""

    model_config = ConfigDict(coerce_numbers_to_str=True, frozen=True)

    query: Annotated[str, Field(max_length=MAX_TEXT_CHARS)] = ""
    image: str = ""
    relevant: Annotated[Mapping[str, Annotated[int, Field(ge=0, le=MAX_GRADE)]], BeforeValidator(_graded)]
    id: str = ""


def _lines(path: Path, text: str) -> Iterator[tuple[int, JudgedQuery]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, _judged_query(path, number, line)


def _judged_query(path: Path, number: int, line: str) -> JudgedQuery:
    try:
        read = JudgementLine.model_validate_json(line)
    except ValidationError as error:
        raise SourceError(f"{path}, line {number}: {reason(error)}.", remedy=FORM) from error
    if not (read.query.strip() or read.image):
        raise SourceError(f"{path}, line {number}: there is neither a query nor an image.", remedy=FORM)
    image = path.parent / read.image if read.image else None
    if image is not None and not image.is_file():
        raise SourceError(
            f"{path}, line {number}: there is no image {image}.", remedy=f"Give a path relative to {path.parent}."
        )
    asked = " + ".join(part for part in (read.query.strip(), read.image) if part)
    return JudgedQuery(read.id or asked, path.name, read.relevant, text=read.query.strip(), image=image)


def _unique(path: Path, lines: Iterator[tuple[int, JudgedQuery]]) -> Iterator[JudgedQuery]:
    line_of: dict[str, int] = {}
    for number, query in lines:
        first = line_of.setdefault(query.id, number)
        if first != number:
            raise SourceError(
                f"{path}, line {number}: the query {query.id!r:.200} is that of line {first} too.",
                remedy='Merge the two lines, or give them ids: "id": "..."',
            )
        yield query


def reason(error: ValidationError) -> str:
    """The first error, in a phrase."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"].removesuffix(".")
    return f"{where}: {message}" if where else message
