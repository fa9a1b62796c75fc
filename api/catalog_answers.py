"""What goes out of facets, duplicates, audits and evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import BeforeValidator, Field

from vitrina.api.audits import PROGRESS, RESULT, AuditResult
from vitrina.api.errors import FailureOut
from vitrina.api.imports import ImportStatusOut, moment
from vitrina.api.item_answers import HIT_IMAGE_PX
from vitrina.api.requests import JsonModel, QueryText, SearchRequest, request_of, whole
from vitrina.search.audit.audit import LabelError
from vitrina.search.store.duplicates import DuplicateGroup
from vitrina.search.store.jobs import Job
from vitrina.search.types.facet_counts import FacetCounts, FacetsOfQuery, PriceCounts

FacetLimit = Annotated[int, Field(strict=True, ge=1, le=1000), BeforeValidator(whole)]
AuditLimit = Annotated[int, Field(strict=True, ge=1, le=2**31), BeforeValidator(whole)]


class FacetsRequest(JsonModel):
    """A search whose items are counted."""

    model_config = JsonModel.model_config | {
        "json_schema_extra": {
            "examples": [
                {"query": "shirt"},
                {"query": {"text": "shirt", "filters": {"price_cents": {"lt": 6000}}}, "limit": 5},
                {"query": {}},
            ]
        }
    }

    query: Annotated[SearchRequest, BeforeValidator(request_of, json_schema_input_type=SearchRequest | QueryText)] = (
        Field(
            SearchRequest(),
            description="A search as POST /v1/search takes it, or its text; {} for all.",
        )
    )
    fields: list[str] = Field(default_factory=list, max_length=50, description="By default those that tell most apart.")
    limit: FacetLimit = Field(20, description="How many values of each field.")


class ValueCountOut(JsonModel):
    value: str = Field(description="As items spell it; letter case makes no difference in filters.")
    count: int
    selected: bool = Field(description="Whether the query filters by it.")


class RangeOut(JsonModel):
    min: float
    max: float


class FacetCountsOut(JsonModel):
    """The values of one field, the most frequent first."""

    field: str
    values: list[ValueCountOut]
    n_values: int = Field(description="How many values there are, shown or not.")
    n_items: int = Field(description="How many items have any.")
    range: RangeOut | None = Field(description="Where all values are numbers.")

    @classmethod
    def of(cls, counts: FacetCounts) -> Self:
        values = [ValueCountOut(value=each.value, count=each.n_items, selected=each.selected) for each in counts.values]
        bounds = None if counts.least is None or counts.most is None else RangeOut(min=counts.least, max=counts.most)
        return cls(field=counts.field, values=values, n_values=counts.n_values, n_items=counts.n_items, range=bounds)


class BucketOut(JsonModel):
    from_cents: int
    to_cents: int
    count: int


class PriceCountsOut(JsonModel):
    """The prices in one currency."""

    currency: str | None
    min_cents: int
    max_cents: int
    n_items: int
    histogram: list[BucketOut]

    @classmethod
    def of(cls, prices: PriceCounts) -> Self:
        bounds = zip(prices.edges, prices.edges[1:], prices.counts, strict=False)
        return cls(
            currency=prices.currency,
            min_cents=prices.min_cents,
            max_cents=prices.max_cents,
            n_items=prices.n_items,
            histogram=[BucketOut(from_cents=low, to_cents=high, count=n) for low, high, n in bounds],
        )


class FacetsOut(JsonModel):
    """The values of the items that a search finds. A field's own filter does not narrow its counts."""

    total: int = Field(description="How many items are counted, twins one by one.")
    fields: list[FacetCountsOut] = Field(description="Those that most items have first.")
    prices: list[PriceCountsOut]

    @classmethod
    def of(cls, facets: FacetsOfQuery) -> Self:
        return cls(
            total=facets.n_items,
            fields=[FacetCountsOut.of(each) for each in facets.fields],
            prices=[PriceCountsOut.of(each) for each in facets.prices],
        )


def image_url(image_id: str) -> str | None:
    return f"/v1/images/{quote(image_id)}?size={HIT_IMAGE_PX}" if image_id else None


class DuplicateItemOut(JsonModel):
    sku: str
    title: str
    image_url: str | None


class DuplicateGroupOut(JsonModel):
    """Items that show the same product photo."""

    is_exact: bool = Field(description="Whether their image files are equal, too.")
    items: list[DuplicateItemOut]

    @classmethod
    def of(cls, group: DuplicateGroup) -> Self:
        items = [
            DuplicateItemOut(sku=each.sku, title=each.title, image_url=image_url(each.image_id)) for each in group.items
        ]
        return cls(is_exact=group.is_exact, items=items)


class DuplicatesOut(JsonModel):
    """A page of the groups of duplicates, the oldest first; a search shows one item of each."""

    groups: list[DuplicateGroupOut]
    total: int = Field(description="How many groups there are.")
    n_items: int = Field(description="How many items are in them.")

    @classmethod
    def of(cls, page: Sequence[DuplicateGroup], groups: Sequence[DuplicateGroup]) -> Self:
        """A page of all groups."""
        n_items = sum(len(group.items) for group in groups)
        return cls(groups=[DuplicateGroupOut.of(group) for group in page], total=len(groups), n_items=n_items)


class AuditIn(JsonModel):
    """What to audit."""

    fields: list[str] = Field(default_factory=list, max_length=50, description="By default colours and the like.")
    limit: AuditLimit | None = Field(None, description="Audit so many of the first items.")


class AuditJobOut(JsonModel):
    """An audit in the background."""

    id: int
    status: ImportStatusOut
    created_at: datetime
    ended_at: datetime | None
    n_done: int
    n_total: int
    error: FailureOut | None

    @classmethod
    def of(cls, job: Job) -> Self:
        progress = PROGRESS.validate_python(job.progress)
        return cls(
            id=job.id,
            status=job.status.value,
            created_at=moment(job.created_at),
            ended_at=None if job.ended_at is None else moment(job.ended_at),
            n_done=progress.n_done,
            n_total=progress.n_total,
            error=None if job.error is None else FailureOut.model_validate(dict(job.error)),
        )


class AuditedFieldOut(JsonModel):
    field: str
    n_checked: int
    n_found: int


class LabelErrorOut(JsonModel):
    """A listing that contradicts its photo."""

    sku: str
    title: str
    field: str
    catalog_value: str
    image_value: str
    catalog_probability: float = Field(description="The probability that the photo shows what the catalog says.")
    image_probability: float
    image_url: str | None

    @classmethod
    def of(cls, found: LabelError) -> Self:
        return cls(
            sku=found.sku,
            title=found.title,
            field=found.field,
            catalog_value=found.catalog_value,
            image_value=found.image_value,
            catalog_probability=round(found.catalog_probability, 4),
            image_probability=round(found.image_probability, 4),
            image_url=image_url(found.image_id),
        )


class AuditReportOut(JsonModel):
    """What the last audit that was done found."""

    ended_at: datetime
    reranker: str
    n_items: int
    fields: list[AuditedFieldOut]
    sentences: list[str] = Field(description="What was checked, and what could not be.")


class AuditOut(JsonModel):
    """The last audit, a page of its label errors, the most certain first, and the newest audit, done or not."""

    audit: AuditReportOut | None
    job: AuditJobOut | None = Field(description="The newest audit that was asked for over HTTP or ran elsewhere.")
    label_errors: list[LabelErrorOut]
    total: int

    @classmethod
    def of(cls, done: Job | None, newest: Job | None, field: str | None, offset: int, limit: int) -> Self:
        job = None if newest is None else AuditJobOut.of(newest)
        if done is None:
            return cls(audit=None, job=job, label_errors=[], total=0)
        result = RESULT.validate_python(done.result)
        found = [each for each in result.found if field in (None, each.field)]
        report = report_of(result, moment(done.ended_at or done.created_at))
        page = [LabelErrorOut.of(each) for each in found[offset : offset + limit]]
        return cls(audit=report, job=job, label_errors=page, total=len(found))


def report_of(result: AuditResult, ended_at: datetime) -> AuditReportOut:
    fields = [AuditedFieldOut(field=e.field, n_checked=e.n_checked, n_found=e.n_found) for e in result.fields]
    return AuditReportOut(
        ended_at=ended_at,
        reranker=result.reranker,
        n_items=result.n_items,
        fields=fields,
        sentences=list(result.sentences),
    )


N_WORST = 20


class MeanOut(JsonModel):
    """A mean and its 95% confidence interval."""

    mean: float
    low: float
    high: float


class SummaryOut(JsonModel):
    kind: str = Field(description="The kind of queries; all for every kind.")
    n_queries: int
    metrics: dict[str, MeanOut] = Field(description="By keys such as ndcg@10, mrr, r@10, p@1.")


class QueryScoreOut(JsonModel):
    """One judged query."""

    kind: str
    text: str
    sku: str
    metrics: dict[str, float]
    missed: list[str] = Field(description="The best relevant skus that are not among the first ten hits.")


class RunOut(JsonModel):
    """The last run of ``vitrina eval`` over this store."""

    measured_at: datetime
    encoder: str
    n_items: int
    is_reranked: bool
    notes: list[str]
    summaries: list[SummaryOut]
    worst: list[QueryScoreOut] = Field(description="The queries with the lowest nDCG@10.")

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> Self:
        """A run as ``vitrina eval`` wrote it. Raises KeyError and ValidationError for something else."""
        ranked = sorted(run["results"], key=lambda each: float(each["metrics"].get("ndcg@10", 0.0)))
        summaries = [{name: each[name] for name in SummaryOut.model_fields} for each in run["summaries"]]
        worst = [{name: each[name] for name in QueryScoreOut.model_fields} for each in ranked[:N_WORST]]
        return cls.model_validate(
            {
                **{name: run[name] for name in ("measured_at", "encoder", "n_items", "notes")},
                "is_reranked": run.get("reranking") is not None,
                "summaries": summaries,
                "worst": worst,
            }
        )


class EvaluationOut(JsonModel):
    """What was measured last; null if nothing was."""

    run: RunOut | None
