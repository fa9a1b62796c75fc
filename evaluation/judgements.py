"""Judgements from a file: JSON lines, or TREC's qrels with a file of queries.

A JSON line is one query::

    {"query": "red shirt", "image": "photos/shirt.jpg", "relevant": {"A-17": 3, "A-18": 1}, "id": "q1"}

with a ``query``, an ``image`` (a path beside the file) or both. ``relevant`` is a mapping of skus to grades, or a list
of skus, which get the grade 1. ``id`` is optional. Other keys are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from evaluation.query import JudgedQuery
from evaluation.trec import MAX_GRADE, read_qrels
from search.errors import SourceError
from search.query import MAX_TEXT_CHARS

FORM = 'Write a line as in: {"query": "red shirt", "relevant": {"A-17": 3, "A-18": 1}}'


def read_judgements(path: Path, queries: Path | None = None) -> list[JudgedQuery]:
    """The judged queries of a file, in its order; their kind is the file's name.

    ``queries`` is a file of ``qid<TAB>text`` for qrels. Pictures are looked for, but not read. Raises SourceError with
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
            f"{path}, line {number}: there is no picture {image}.", remedy=f"Give a path relative to {path.parent}."
        )
    asked = " + ".join(part for part in (read.query.strip(), read.image) if part)
    return JudgedQuery(read.id or asked, path.name, read.relevant, text=read.query.strip(), image=image)


def _unique(path: Path, lines: Iterator[tuple[int, JudgedQuery]]) -> Iterator[JudgedQuery]:
    seen: dict[str, int] = {}
    for number, query in lines:
        first = seen.setdefault(query.id, number)
        if first != number:
            raise SourceError(
                f"{path}, line {number}: the query {query.id!r:.200} is that of line {first} too.",
                remedy='Join the two lines, or tell them apart: "id": "..."',
            )
        yield query


def reason(error: ValidationError) -> str:
    """The first thing that is wrong, in a phrase."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    said = first["msg"].removesuffix(".")
    return f"{where}: {said}" if where else said
