"""The report of an audit: one HTML file that needs no other, nor JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evaluation.report.gallery import THUMBNAIL_PX, data_uri
from evaluation.report.page import templates
from search.errors import ImageError, NotFoundError
from search.images.store import ImageStore
from search.reranking.auditing.audit import Contradiction
from search.reranking.auditing.tally import Tally

MAX_SHOWN = 400
"""Listings of one field on the page, each with a picture of about 14 kB."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A listing with its picture as a data URI, empty where that is gone."""

    contradiction: Contradiction
    picture: str


@dataclass(frozen=True, slots=True)
class Section:
    """One field: how many listings were checked, how many their pictures contradict, and the surest of these."""

    field: str
    n_checked: int
    n_found: int
    shown: Sequence[Shown]


def write_audit(path: Path, images: ImageStore, tally: Tally, *, reranker: str, notes: Sequence[str] = ()) -> None:
    """Write what an audit found, by field, the surest first. Blocks while thumbnails are made. Raises OSError."""
    page = templates().get_template("audit.html.jinja")
    html = page.render(
        sections=[section(images, tally, field) for field in tally.fields],
        n_found=len(tally.contradictions()),
        n_items=tally.n_items,
        reranker=reranker,
        notes=(*tally.sentences(), *notes),
        audited_at=datetime.now(UTC),
    )
    path.write_text(html, encoding="utf-8")


def section(images: ImageStore, tally: Tally, field: str) -> Section:
    found = tally.contradictions(field)
    shown = [Shown(each, picture_of(images, each.image_id)) for each in found[:MAX_SHOWN]]
    return Section(field, tally.checked[field], len(found), shown)


def picture_of(images: ImageStore, image_id: str) -> str:
    """A picture as a data URI, small; empty where it is gone since it was looked at."""
    with suppress(NotFoundError, ImageError):
        return data_uri(images.thumbnail(image_id, THUMBNAIL_PX))
    return ""
