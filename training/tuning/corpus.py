"""The corpus of a tuning run: a catalog's rows with pictures and captions, on either side of the split."""

from __future__ import annotations

from dataclasses import dataclass

from search.errors import InputError
from search.home import Home
from search.images.store import ImageStore
from training.tuning.captions import CaptionTable, TemplateWriter, captions, facets_of, templates_for
from training.tuning.plan import Plan
from training.tuning.rows import Split, rows_of, split


@dataclass(frozen=True, slots=True)
class Corpus:
    """Rows to train on and rows set aside, each with the captions that ``templates`` make of them.

    ``facets`` are the fields that shoppers name. ``n_wordless`` rows have pictures and no caption. ``store`` has the
    pictures.
    """

    source: str
    rows: Split
    kept_captions: CaptionTable
    aside_captions: CaptionTable
    templates: tuple[str, ...]
    facets: tuple[str, ...]
    n_wordless: int
    store: ImageStore

    def writer(self) -> TemplateWriter:
        """Captions the rows to train on."""
        return TemplateWriter(self.kept_captions)


def read_corpus(home: Home, plan: Plan) -> Corpus:
    """Read the catalog's rows. Blocks. Raises InputError where they cannot be tuned on, and says what is missing."""
    rows = rows_of(home.catalog.all_items())
    templates = templates_for(rows, plan.captions)
    captioned = [row for row in rows if any(captions(template, row.item) for template in templates)]
    if not captioned:
        raise InputError(
            f"None of {len(rows):,} rows with pictures has the fields of any template.",
            remedy="Give templates of fewer fields: a row must have every field of one of them.",
        )
    parts = split(captioned, plan.set_aside)
    return Corpus(
        source=home.folder.name,
        rows=parts,
        kept_captions=CaptionTable(parts.kept, templates),
        aside_captions=CaptionTable(parts.aside, templates),
        templates=tuple(template.name for template in templates),
        facets=tuple(facets_of([row.item for row in rows])),
        n_wordless=len(rows) - len(captioned),
        store=home.images,
    )
