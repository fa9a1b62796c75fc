"""What comes in over HTTP, and the way from it to a Query and its RerankOptions."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, FailFast, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from vitrina.api.request_schemas import (
    CATALOG_IMAGES,
    CURRENCY,
    FILTERS,
    IMAGES,
    LIMIT,
    OFFSET,
    SORT,
    TEXT,
    URL,
    WHOLE_ITEM,
    between,
    whole_search,
)
from vitrina.indexer.sources.attributes import MAX_ATTRIBUTES, MAX_VALUES
from vitrina.indexer.sources.cells import key_text
from vitrina.indexer.sources.money import MAX_PRICE_CENTS
from vitrina.indexer.sources.rows import MAX_DESCRIPTION_CHARS, MAX_SKU_CHARS, MAX_TITLE_CHARS
from vitrina.search.images.decode import decode_image
from vitrina.search.types.errors import ImageError, QueryError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import MAX_VARIANTS
from vitrina.search.types.query import (
    MAX_DEADLINE_MS,
    MAX_EXPLAIN,
    MAX_EXPLAIN_MS,
    MAX_TEXT_CHARS,
    MAX_TOP,
    RELEVANCE,
    WINDOW,
    Query,
    RerankOptions,
    Weights,
    sort_order,
)


class JsonModel(BaseModel):
    """Base of everything that travels over HTTP: frozen, with no unknown fields and no infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def whole(value: object) -> object:
    """A whole number that is written with a point, as an integer: JSON has no difference."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = Annotated[int, Field(strict=True), BeforeValidator(whole)]
Cents = Annotated[int, Field(strict=True, ge=0, le=MAX_PRICE_CENTS - 1), BeforeValidator(whole)]
Position = Annotated[int, Field(strict=True, ge=0), BeforeValidator(whole)]
Number = Annotated[float, Field(strict=True)]
TrueOrFalse = Annotated[bool, Field(strict=True)]
"""What the document calls an integer, a number and a boolean: no texts that spell one."""


class RerankIn(JsonModel):
    """How many candidates to rerank and explain, and how long that may take; the service has defaults."""

    top: Annotated[WholeNumber, between(1, MAX_TOP)] | None = Field(
        None, description=f"How many of the best candidates to rerank, 1 to {MAX_TOP}."
    )
    deadline_ms: Annotated[WholeNumber, between(1, MAX_DEADLINE_MS)] | None = Field(
        None,
        description=f"How long reranking may take, 1 to {MAX_DEADLINE_MS:,}; "
        "candidates that are not ready by then keep their rank.",
    )
    explain: Annotated[WholeNumber, between(0, MAX_EXPLAIN)] | None = Field(
        None, description=f"How many hits to explain, 0 to {MAX_EXPLAIN}."
    )
    explain_ms: Annotated[WholeNumber, between(1, MAX_EXPLAIN_MS)] | None = Field(
        None, description=f"How long all explanations together may take in addition, 1 to {MAX_EXPLAIN_MS:,}."
    )


def option_form(value: object) -> str | None:
    """Which form of ``rerank`` or ``explain`` a value has, so that errors are about that form alone."""
    if value is None or isinstance(value, bool):
        return "switch"
    return "number" if isinstance(whole(value), int) else "options" if isinstance(value, dict | RerankIn) else None


Switch = Annotated[bool | None, Tag("switch")]

RerankOption = Annotated[
    Switch | Annotated[RerankIn, Tag("options")],
    Discriminator(
        option_form,
        custom_error_type="rerank",
        custom_error_message='Write true, false, or {"top": 20, "deadline_ms": 800, "explain": 5}',
    ),
]

ExplainOption = Annotated[
    Switch | Annotated[WholeNumber, between(0, MAX_EXPLAIN), Tag("number")],
    Discriminator(
        option_form, custom_error_type="explain", custom_error_message="Write true, false, or a whole number"
    ),
]


class SkuReference(JsonModel):
    """An item of the catalog whose images are searched by."""

    sku: str


class WeightsIn(JsonModel):
    text: Number = Field(1.0, ge=0, le=10, description="Weight of the text.")
    image: Number = Field(1.0, ge=0, le=10, description="Weight of all images together.")
    without: Number = Field(0.5, ge=0, le=10, description="Weight of the text to avoid.")


class SearchRequest(JsonModel):
    """A query: text, images, or both; or neither, to browse."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"text": "linen shirt", "without": "striped", "filters": {"price_cents": {"lt": 6000}}, "limit": 5},
                {"images": [{"sku": "VB00-0000001"}], "text": "in red"},
                {"filters": {"price_cents": {"gte": 2000, "lt": 6000}}, "sort": "price_asc"},
                {"text": "navy linen shirt", "rerank": {"top": 20, "deadline_ms": 800, "explain": 5}},
            ],
            "allOf": whole_search("images"),
        },
    )

    text: str = Field(
        "", description=f"What to find, in words; at most {MAX_TEXT_CHARS} characters.", json_schema_extra=TEXT
    )
    images: Annotated[list[str | SkuReference], FailFast()] = Field(
        default_factory=list,
        description='Images: data URIs ("data:image/jpeg;base64,...") or {"sku": ...}.',
        json_schema_extra=IMAGES,
    )
    without: str = Field("", description="What to avoid, in words.", json_schema_extra=TEXT)
    filters: dict[str, object] = Field(
        default_factory=dict,
        description="Without text and images they list a category. "
        'Field to value, list of values, {"gte": 1, "lt": 5}, {"not": ...} or {"exists": true}. Fields and values that '
        "no item has are refused, with those that there are.",
        json_schema_extra=FILTERS,
    )
    weights: WeightsIn = WeightsIn()
    limit: WholeNumber = Field(10, description=f"How many hits to return, 1 to {WINDOW}.", json_schema_extra=LIMIT)
    offset: WholeNumber = Field(
        0,
        description=f"How many of the best hits to skip; with a text or an image, ranks end at {WINDOW}.",
        json_schema_extra=OFFSET,
    )
    sort: str = Field(
        RELEVANCE.name,
        description="The order of the hits; with a text or an image it is that of the relevant ones. relevance, "
        "price_asc, price_desc, newest; or a field that holds numbers with a direction, as in rating:desc or year:asc. "
        "Items without the number come last. A search with filters alone, or with nothing, lists the newest first by "
        "default. Fields that hold no numbers are refused, with those that do.",
        json_schema_extra=SORT,
    )
    collapse: TrueOrFalse = Field(
        True,
        description="Show a product once, with the variant that fits, and items with the same product photo as one; "
        "with false variants and such twins are hits one by one.",
    )
    correct: TrueOrFalse = Field(
        True, description="Read mistyped words as what they are likely to mean; the answer's corrected says which."
    )
    min_confidence: Number = Field(0, ge=0, le=1, description="Leave out hits with a lower confidence.")
    rerank: RerankOption = Field(
        None, description="Rerank the best hits with a vision-language model; true uses the service's defaults."
    )
    explain: ExplainOption = Field(
        None, description="How many hits to explain, which also reranks them; true uses the service's default."
    )


QueryText = Annotated[str, Field(json_schema_extra=TEXT)]


def request_of(query: object) -> object:
    """A query that is a text alone as a request."""
    return {"text": query} if isinstance(query, str) else query


class ExplainRequest(JsonModel):
    """An item, and the search that it is, or is not, among the hits of."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"query": "red striped shirt", "sku": "VB00-0000001"},
                {
                    "query": {"text": "shirt", "filters": {"price_cents": {"lt": 6000}}, "rerank": True},
                    "sku": "VB00-0000001",
                },
            ]
        },
    )

    query: Annotated[SearchRequest, BeforeValidator(request_of, json_schema_input_type=SearchRequest | QueryText)] = (
        Field(
            description="A search as POST /v1/search takes it, or its text alone. Where the service has a reranker, "
            "the item's photo is judged, too, except with rerank false."
        )
    )
    sku: str = Field(description="The item to explain; it need not be among the hits.")


class CatalogModel(JsonModel):
    """Base of what is written into the catalog: an unknown field is refused with the names of those that there are."""

    @model_validator(mode="before")
    @classmethod
    def know_fields(cls, value: object) -> object:
        """The same. Raises an error for a field that there is not."""
        fields, names = cls.model_fields, value if isinstance(value, dict) else {}
        unknown = [name for name in names if name not in fields]
        if not unknown:
            return value
        rest = "attributes" if "attributes" in fields else "options"
        raise PydanticCustomError(
            "unknown_field",
            "There is no field {name}; the fields are {fields}. A price is price_cents, in whole cents; "
            "what else is known goes into {rest}",
            {"name": repr(unknown[0])[:60], "fields": ", ".join(fields), "rest": rest},
        )


class VariantIn(CatalogModel):
    """One form in which an item is sold, such as a size in a colour."""

    sku: str = Field("", max_length=MAX_SKU_CHARS)
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="What it is, under the names that attributes have, in the shop's order."
    )
    price_cents: Cents | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    identifiers: list[str] = Field(default_factory=list, description="Barcodes and other codes.")
    url: Annotated[str, Field(json_schema_extra=URL)] | None = None
    title: str = Field("", max_length=MAX_TITLE_CHARS, description="Its own title; it stays as the item's changes.")
    images: list[Position] = Field(
        default_factory=list, description="The positions of its images among those of the item."
    )


AttributeIn = str | int | float | bool


def few_attributes(value: object) -> object:
    """The same. Raises ValueError for more than are possible, before each of them is checked: an error takes 3 kB."""
    if isinstance(value, dict) and len(value) > MAX_ATTRIBUTES:
        raise ValueError(f"There are {len(value):,} attributes; {MAX_ATTRIBUTES} are possible")
    return value


EXAMPLE_IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAQMAAABJtOi3AAAAA1BMVEUfNmRzw+2jAAAADElEQVR42mNgGNwAAACgAAGO"
    "+7G0AAAAAElFTkSuQmCC"
)
"""32 x 32 pixels in navy blue."""


class ItemIn(CatalogModel):
    """An item to add or replace."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "title": "Linen Shirt in Navy Blue",
                    "attributes": {"colour": "navy blue", "material": "linen"},
                    "price_cents": 4990,
                    "currency": "EUR",
                    "images": [EXAMPLE_IMAGE],
                }
            ],
            "allOf": WHOLE_ITEM,
        },
    )

    title: str = Field("", max_length=MAX_TITLE_CHARS)
    description: str = Field("", max_length=MAX_DESCRIPTION_CHARS)
    attributes: Annotated[
        dict[str, AttributeIn | Annotated[list[AttributeIn], Field(max_length=MAX_VALUES)]],
        BeforeValidator(few_attributes),
    ] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES)
    price_cents: Cents | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", json_schema_extra=CURRENCY)] | None = None
    url: Annotated[str, Field(json_schema_extra=URL)] | None = None
    variants: list[VariantIn] = Field(default_factory=list, max_length=MAX_VARIANTS)
    images: Annotated[list[str], FailFast()] = Field(
        default_factory=list,
        description="Data URIs or public http(s) URLs, the main one first.",
        json_schema_extra=CATALOG_IMAGES,
    )


def decode_data_uri(uri: str) -> bytes:
    """The bytes of a ``data:...;base64,...`` URI (RFC 2397). Raises ImageError for anything else."""
    head, comma, payload = uri.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        raise ImageError(
            f"{uri[:60]!r} is no data URI.",
            remedy='Send an image as "data:image/jpeg;base64,..." or name an item as {"sku": "..."}.',
        )
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error as error:
        raise ImageError(f"The data URI's base64 is broken: {error}.", remedy="Encode the image again.") from error


def query_of(request: SearchRequest, uploads: Sequence[bytes] = ()) -> Query:
    """The request as a query, its images and the uploaded files decoded. Raises InputError and its subclasses, also for
    options of reranking that nobody would take."""
    if is_reranked(request):
        rerank_options_of(request, RerankOptions())
    images = [decode_data_uri(image) for image in request.images if isinstance(image, str)]
    return Query(
        text=request.text,
        images=tuple(decode_image(data).pixels for data in [*images, *uploads]),
        skus=tuple(key_text(image.sku) for image in request.images if isinstance(image, SkuReference)),
        without=request.without,
        filters=parse_filters(request.filters),
        weights=Weights(**request.weights.model_dump()),
        limit=request.limit,
        offset=request.offset,
        min_confidence=request.min_confidence,
        sort=sort_order(request.sort),
        collapse=request.collapse,
        correct=request.correct,
    )


def is_reranked(request: SearchRequest) -> bool:
    """Whether the request asks for reranking. Raises QueryError if it contradicts itself."""
    if request.rerank is False and request.explain:
        raise QueryError(
            "The request asks for explanations and forbids the reranking that they are made from.",
            remedy='Leave out "rerank", or "explain".',
        )
    return bool(request.explain) if request.rerank is None else request.rerank is not False


def rerank_options_of(request: SearchRequest, defaults: RerankOptions) -> RerankOptions:
    """The request's options, and the ``defaults`` for what it leaves out. Raises QueryError."""
    given = request.rerank if isinstance(request.rerank, RerankIn) else RerankIn()
    if request.explain is not None and given.explain is not None:
        raise QueryError('The request has "explain" twice.', remedy='Keep one: beside "rerank", or in it.')
    explain = given.explain if request.explain is None else request.explain
    return RerankOptions(
        top=defaults.top if given.top is None else given.top,
        deadline_ms=defaults.deadline_ms if given.deadline_ms is None else given.deadline_ms,
        explain=defaults.explain if explain is None or explain is True else int(explain),
        explain_ms=defaults.explain_ms if given.explain_ms is None else given.explain_ms,
    )


def from_json(text: str, location: tuple[str, str]) -> object:
    """The value of a form field or URL parameter that holds JSON. Raises RequestValidationError, with its location."""
    try:
        return strict_json(text)
    except ValueError as error:
        from fastapi.exceptions import RequestValidationError  # which a command does without

        problem = {"loc": location, "msg": f"is not JSON: {error}", "type": "json_invalid"}
        raise RequestValidationError([problem]) from error


def strict_json(text: str) -> object:
    """The value of a JSON text. Raises ValueError, also for what Python reads and cannot write again: values nested too
    deeply, numbers of thousands of digits, NaN, and halves of surrogate pairs."""
    try:
        value: object = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("it has half of a surrogate pair") from None
    return value
