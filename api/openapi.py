"""The OpenAPI document: what FastAPI does not find by itself, so that it says exactly what is accepted."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from vitrina.api.access import describe_access
from vitrina.api.answers import DoneOut, ExplanationEventOut
from vitrina.api.imports import RowsImportIn, UrlImportIn
from vitrina.api.request_schemas import Schema, whole_search
from vitrina.api.requests import SearchRequest
from vitrina.search.types.query import MAX_IMAGES

FILES: Final[Schema] = {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": MAX_IMAGES}

FORM_FIELDS: Final = ("text", "without", "sort")
"""Fields of a search's form that hold a text as it is; all others hold JSON."""

ENDS_IN_SIMILAR: Final = {
    "put": "Put Item Whose Sku Ends In /similar",
    "patch": "Patch Item Whose Sku Ends In /similar",
    "delete": "Delete Item Whose Sku Ends In /similar",
}


def describe(app: FastAPI, *, needs_key: bool) -> None:
    """Complete the application's document when it is made."""
    generate = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = generate()
            add_models(document)
            describe_form(document)
            describe_similar(document)
            describe_access(document, needs_key=needs_key)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema


def add_models(document: Schema) -> None:
    """The models of the search's request and of its events: both have two content types, where FastAPI sees none."""
    models = document["components"]["schemas"]
    for model in (SearchRequest, ExplanationEventOut, DoneOut, UrlImportIn, RowsImportIn):
        if model.__name__ not in models:
            described = model.model_json_schema(ref_template="#/components/schemas/{model}")
            models.update(described.pop("$defs", {}))
            models[model.__name__] = described


def describe_form(document: Schema) -> None:
    """A search as a form: the same fields, and files for images."""
    search = document["components"]["schemas"]["SearchRequest"]
    fields = {name: field for name, field in search["properties"].items() if name != "images"}
    form: dict[str, Any] = {
        "type": "object",
        "description": "The same fields, all but texts as JSON, and images as files.",
        "properties": {**fields, "image": FILES},
        "additionalProperties": False,
        "allOf": whole_search("image"),
    }
    as_json = {"contentType": "application/json"}
    content = document["paths"]["/v1/search"]["post"]["requestBody"]["content"]["multipart/form-data"]
    content["schema"] = form
    content["encoding"] = {name: as_json for name in fields if name not in FORM_FIELDS}


def describe_similar(document: Schema) -> None:
    """The parameters that hold JSON, under the schemas that they have in a search; and what else there is at this path,
    since a sku may end as it does."""
    fields = document["components"]["schemas"]["SearchRequest"]["properties"]
    item, similar = document["paths"]["/v1/items/{sku}"], document["paths"]["/v1/items/{sku}/similar"]
    for method in ENDS_IN_SIMILAR:
        named = {"operationId": f"{item[method]['operationId']}_similar", "summary": ENDS_IN_SIMILAR[method]}
        similar[method] = {**item[method], **named}
    answer = similar["get"]["responses"]["200"]["content"]["application/json"]
    answer["schema"] = {"anyOf": [answer["schema"], {"$ref": "#/components/schemas/ItemOut"}]}
    for parameter in similar["get"]["parameters"]:
        if parameter["name"] in ("filters", "rerank", "explain"):
            del parameter["schema"]
            parameter["content"] = {"application/json": {"schema": fields[parameter["name"]]}}
