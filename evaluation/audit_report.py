"""The report of a catalog audit, as one HTML file without JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vitrina.evaluation.report import THUMBNAIL_PX, data_uri, templates
from vitrina.search.audit.audit import AuditSummary, LabelError
from vitrina.search.store.images import ImageStore
from vitrina.search.types.errors import ImageError, NotFoundError

MAX_SHOWN = 400
"""Items shown of one field, each with an image of about 14 kB."""


@dataclass(frozen=True, slots=True)
class ShownLabelError:
    """A label error with the item's image as a data URI, empty if it is gone."""

    label_error: LabelError
    image: str


@dataclass(frozen=True, slots=True)
class Section:
    """One field: how many items were checked, how many label errors were found, and the most certain of these."""

    field: str
    n_checked: int
    n_found: int
    shown: Sequence[ShownLabelError]


def write_audit(
    path: Path, images: ImageStore, summary: AuditSummary, *, reranker: str, notes: Sequence[str] = ()
) -> None:
    """Write what an audit found, by field, the most certain first. Blocks while thumbnails are made. Raises OSError."""
    page = templates().get_template("audit.html.jinja")
    html = page.render(
        sections=[section(images, summary, field) for field in summary.fields],
        n_found=len(summary.label_errors()),
        n_items=summary.n_items,
        reranker=reranker,
        notes=(*summary.sentences(), *notes),
        audited_at=datetime.now(UTC),
    )
    path.write_text(html, encoding="utf-8")


def section(images: ImageStore, summary: AuditSummary, field: str) -> Section:
    found = summary.label_errors(field)
    shown = [ShownLabelError(each, image_of(images, each.image_id)) for each in found[:MAX_SHOWN]]
    return Section(field, summary.checked[field], len(found), shown)


def image_of(images: ImageStore, image_id: str) -> str:
    """A thumbnail as a data URI; empty if the image is gone since the audit."""
    with suppress(NotFoundError, ImageError):
        return data_uri(images.thumbnail(image_id, THUMBNAIL_PX))
    return ""
