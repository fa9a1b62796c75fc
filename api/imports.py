"""Imports over HTTP: what is asked for, and how far it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictBool, Tag

from vitrina.api.errors import FailureOut
from vitrina.api.requests import JsonModel, whole
from vitrina.indexer.imports import PROGRESS, REQUEST, RESULT, ImportKind, ImportProgress, ImportRequest, ImportStage
from vitrina.indexer.report import ImportReport
from vitrina.indexer.sources.dialects.dialect import built_in
from vitrina.indexer.summary import LeftOut
from vitrina.search.store.jobs import Job, JobPage, JobStatus
from vitrina.search.types.item import AttributeValue

MAX_ROWS = 100_000
MAX_NAME_CHARS = 300

Name = Annotated[str, Field(max_length=MAX_NAME_CHARS)]


def known_dialect(name: str) -> str:
    """The name, if there is such a dialect. Raises ValueError."""
    if name not in built_in():
        raise ValueError(f"there is no dialect {name[:100]!r}; the known ones are {', '.join(sorted(built_in()))}")
    return name


def name_dialects(schema: dict[str, Any]) -> None:
    """Name the known dialects in the OpenAPI document."""
    schema["enum"] = sorted(built_in())


class ImportOptions(JsonModel):
    """The options of ``vitrina index``."""

    source: Name = Field("", description="What the items are items of, for later imports; by default the file's name.")
    dialect: Annotated[str, AfterValidator(known_dialect), Field(json_schema_extra=name_dialects)] | None = Field(
        None, description="How the catalog is laid out; by default its columns tell."
    )
    map: dict[str, str] = Field(
        default_factory=dict, max_length=100, description='The column that holds a field, as {"sku": "Artikelnummer"}.'
    )
    encoding: Name | None = Field(None, description="That of a text file, as cp1251; by default found out.")
    sync: StrictBool = Field(False, description="Delete items of this source that are no longer in it.")
    sync_many: StrictBool = Field(False, description="With sync, even if more than a fifth of them would go.")
    dry_run: StrictBool = Field(False, description="Report what would happen, and change nothing.")
    catalog: Name = Field("", description="Which file of a zip or tar to index, where it holds several.")
    retry: Annotated[int, Field(ge=1, le=2**63 - 1, strict=True), BeforeValidator(whole)] | None = Field(
        None,
        description="An earlier import's id: only the rows of its dead letters are indexed, what goes in leaves them, "
        "and nothing is gone.",
    )


class UrlImportIn(ImportOptions):
    """A catalog to fetch from the web."""

    url: Annotated[str, Field(pattern="^https?://", max_length=4096)] = Field(
        description="A public http(s) address, fetched under the same rules as images."
    )
    file_name: Name = Field("", description="A name that tells the format, as feed.xml, where the address does not.")


class RowsImportIn(ImportOptions):
    """A catalog's rows."""

    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_ROWS)] = Field(
        description="Each an object; its keys are the columns."
    )


def form_of_import(value: object) -> str:
    """Whether a body has rows, or an address."""
    return "rows" if isinstance(value, RowsImportIn) or (isinstance(value, Mapping) and "rows" in value) else "url"


ImportIn = Annotated[
    Annotated[UrlImportIn, Tag("url")] | Annotated[RowsImportIn, Tag("rows")], Discriminator(form_of_import)
]

OPTIONS_AS_JSON = ("map", "sync", "sync_many", "dry_run", "retry")
"""Form fields that hold JSON: true, false, a number, or an object."""

EXAMPLE_ROWS: Final = {"rows": [{"sku": "A-17", "title": "Linen Shirt", "price": "49.90 EUR"}], "source": "erp"}


def request_of(options: ImportOptions, kind: ImportKind, folder: str, *, file_name: str, source: str) -> ImportRequest:
    """What to import: the file that was received into the folder, or is to be fetched into it."""
    return ImportRequest(
        kind=kind,
        source=options.source.strip() or source,
        folder=folder,
        file_name=file_name,
        url=options.url if isinstance(options, UrlImportIn) else "",
        dialect=options.dialect,
        mapping=options.map,
        encoding=options.encoding or None,
        sync=options.sync,
        sync_many=options.sync_many,
        dry_run=options.dry_run,
        catalog=options.catalog,
        retry=options.retry,
    )


class LeftOutOut(JsonModel):
    """Rows, or cells of one column, left out for one reason."""

    column: str | None = Field(description="null for whole rows.")
    n: int
    origin: str = Field(description="Where the first one is.")
    reason: str
    remedy: str

    @classmethod
    def of(cls, found: LeftOut, public: Callable[[str], str]) -> Self:
        reason, remedy = over_http(public(found.reason)), over_http(public(found.remedy))
        return cls(column=found.column, n=found.n, origin=found.origin, reason=reason, remedy=remedy)


class ImportProgressOut(JsonModel):
    """How far an import is, in rows."""

    n_total: int | None = Field(description="About how many rows there are; null if that is unknown.")
    n_rows: int = Field(description="Rows read so far; items may take several.")
    n_done: int = Field(description="Items done, or rejected.")
    n_added: int
    n_updated: int
    n_unchanged: int
    n_rejected: int
    n_images: int
    n_failed_images: int
    n_deleted: int = Field(description="Items that were deleted since they are gone from the source.")
    n_bytes: int = Field(description="Bytes fetched or unpacked.")
    per_second: float | None
    seconds_left: float | None
    slowest_stage: str = Field("", description="What the others wait for: read, fetch, decode, embed or commit.")

    @classmethod
    def of(cls, progress: ImportProgress) -> Self:
        """The numbers of a progress, rounded."""
        values = {name: getattr(progress, name) for name in cls.model_fields}
        rounded = {name: round(each, 1) if isinstance(each, float) else each for name, each in values.items()}
        return cls.model_validate(rounded)


class TableRowOut(JsonModel):
    label: str
    value: str


class ExampleItemOut(JsonModel):
    """An item as it would be."""

    sku: str
    title: str
    origin: str
    price_cents: int | None
    currency: str | None
    attributes: dict[str, AttributeValue]
    n_images: int
    n_variants: int


class ImportReportOut(JsonModel):
    """What ``vitrina index`` says at its end."""

    source: str
    dialect: str
    changes: str = Field(description="As 290 added, 10 rejected.")
    seconds: float
    table: list[TableRowOut]
    left_out: list[LeftOutOut]
    advice: list[str]
    notes: list[str]
    n_gone: int = Field(description="Items of this source that are no longer in it, of n_before.")
    n_before: int
    n_deleted: int
    is_gone_doubtful: bool = Field(description="Whether so many are gone that only sync_many deletes them.")
    examples: list[ExampleItemOut] = Field(description="Some of the items, of a dry run.")


ImportStatusOut = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]
StageOut = Literal["waiting", "fetching", "unpacking", "reading", "indexing", "finishing", "precomputing", "ended"]


class ImportOut(JsonModel):
    """An import: what was asked for, how far it is, and at the end its report or the error."""

    id: int
    status: ImportStatusOut
    stage: StageOut
    kind: Literal["upload", "url", "rows"]
    source: str = Field(description="What the items are items of.")
    file_name: str
    dry_run: bool
    sync: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    is_cancelled: bool = Field(description="Whether it was cancelled; it may still be running for some seconds.")
    note: str = Field(description="What it waits for; mostly empty.")
    progress: ImportProgressOut
    left_out: list[LeftOutOut] = Field(description="What was left out so far, the most frequent reasons.")
    n_dead_letters: int = Field(description="Lines of its dead letters: rejected rows, and images left out.")
    report: ImportReportOut | None
    error: FailureOut | None

    @classmethod
    def of(cls, job: Job, uploads: str) -> Self:
        """An import's job; ``uploads`` is the folder of the store that no answer names."""
        request, progress = REQUEST.validate_python(job.request), PROGRESS.validate_python(job.progress)
        public = hiding(f"{uploads}/{request.folder}/")
        stage = ImportStage.ENDED if job.has_ended else progress.stage
        return cls(
            id=job.id,
            status=job.status.value,
            stage=stage.value,
            kind=request.kind.value,
            source=request.source,
            file_name=request.file_name,
            dry_run=request.dry_run,
            sync=request.sync,
            created_at=moment(job.created_at),
            started_at=None if job.started_at is None else moment(job.started_at),
            ended_at=None if job.ended_at is None else moment(job.ended_at),
            is_cancelled=job.is_cancelled,
            note="" if job.has_ended else progress.note,
            progress=ImportProgressOut.of(progress),
            left_out=[LeftOutOut.of(each, public) for each in progress.left_out],
            n_dead_letters=progress.n_rejected + progress.n_failed_images if progress.dead_letters else 0,
            report=report_out(job, request, public) if job.status is JobStatus.DONE else None,
            error=None if job.error is None else failure_out(job.error),
        )


def hiding(folder: str) -> Callable[[str], str]:
    """Takes the name of a folder of this machine out of a text."""
    return lambda text: text.replace(folder, "")


IN_WORDS: Final = (
    (re.compile(r"name (the images'|their own) folder: --images DIR"), "send a zip of the catalog with its images"),
    (re.compile(r" or the one of --images"), ", which a zip of both has"),
    (re.compile(r'--map "([^"=]+)=([^"]*)"'), r'map={"\1": "\2"}'),
    (re.compile(r"--map ([^\s=]+)=(\S+?)(?=[.,;]?(\s|$))"), r'map={"\1": "\2"}'),
    (re.compile(r'--source ("[^"]*"|\S+)'), r"source=\1"),
    (re.compile(r"--(map|encoding|dialect)\b"), r"\1"),
)
"""Options of ``vitrina index`` that remedies name, and what does the same over HTTP."""


def over_http(text: str) -> str:
    """A remedy in words of the HTTP API."""
    for option, words in IN_WORDS:
        text = option.sub(words, text)
    return text


def failure_out(error: Mapping[str, Any]) -> FailureOut:
    """Why an import failed."""
    return FailureOut.model_validate({**error, "remedy": over_http(str(error["remedy"]))})


def gone_notes(report: ImportReport, request: ImportRequest) -> list[str]:
    """What became of items that are no longer in their source, where they were not deleted."""
    if not report.n_gone or report.n_deleted:
        return []
    items, were = ("item that is", "was") if report.n_gone == 1 else ("items that are", "were")
    what = f"{report.n_gone:,} {items} no longer in the file {'would be' if request.dry_run else were}"
    if not request.sync:
        return [f"{what} kept; send sync=true to delete what is gone."]
    if report.is_gone_doubtful and not request.sync_many:
        why = f"more than a fifth of {report.n_before:,}"
        return [f"{what} kept, since they are {why}; send sync_many=true as well to delete them."]
    return [f"{what} deleted."]


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)


def report_out(job: Job, request: ImportRequest, public: Callable[[str], str]) -> ImportReportOut:
    """The report of an import that is done."""
    result = RESULT.validate_python(job.result)
    report = result.report
    return ImportReportOut(
        source=report.source,
        dialect=report.dialect,
        changes=report.changes,
        seconds=round(report.seconds, 1),
        table=[TableRowOut(label=label, value=value) for label, value in report.table],
        left_out=[LeftOutOut.of(each, public) for each in report.left_out],
        advice=[over_http(public(each)) for each in report.advice],
        notes=[*(over_http(public(each)) for each in report.notes), *gone_notes(report, request)],
        n_gone=report.n_gone,
        n_before=report.n_before,
        n_deleted=report.n_deleted,
        is_gone_doubtful=report.is_gone_doubtful,
        examples=[
            ExampleItemOut.model_validate({name: getattr(each, name) for name in ExampleItemOut.model_fields})
            for each in result.examples
        ],
    )


class ImportPageOut(JsonModel):
    """A page of the imports, newest first."""

    imports: list[ImportOut]
    total: int
    next_cursor: int | None = Field(description="The cursor of the next page; null on the last.")

    @classmethod
    def of(cls, page: JobPage, uploads: str) -> Self:
        return cls(imports=[ImportOut.of(job, uploads) for job in page.jobs], total=page.total, next_cursor=page.last)


class DeadLetterOut(JsonModel):
    """A row that was rejected, or an image that an item was indexed without."""

    origin: str
    reason: str
    remedy: str
    sku: str | None = None
    n_rows: int = Field(1, description="How many rows of the source it stands for.")

    @classmethod
    def of(cls, letter: Mapping[str, Any], public: Callable[[str], str]) -> Self:
        """A line of the dead letters' file; ``public`` takes the names of folders out."""
        shown = {key: public(value) if isinstance(value, str) else value for key, value in letter.items()}
        return cls.model_validate({**shown, "remedy": over_http(str(shown["remedy"]))})


class DeadLettersOut(JsonModel):
    """A page of an import's dead letters, in the source's order."""

    dead_letters: list[DeadLetterOut]
    total: int
