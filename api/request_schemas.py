"""JSON schemas of what requests may hold, for the OpenAPI document: limits that the code checks itself, with errors of
its own, and those that bind several fields together."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from vitrina.indexer.sources.currencies import CODES
from vitrina.indexer.sources.image_cells import MAX_IMAGES as MAX_ITEM_IMAGES
from vitrina.indexer.sources.rows import MAX_SKU_CHARS, MAX_URL_CHARS
from vitrina.search.reranking.prompts import MAX_STATEMENT_CHARACTERS
from vitrina.search.types.filters import BOUNDS, MAX_CONDITIONS, MAX_VALUES
from vitrina.search.types.query import MAX_IMAGES, MAX_OFFSET, MAX_TEXT_CHARS, NAMED_ORDERS, WINDOW

Schema = dict[str, Any]

_INVISIBLE: Final = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
VISIBLE: Final = f"[^{_INVISIBLE}]"
"""A text with something in it: what is left of it once blanks and control characters are cut off."""

BLANK: Final = f"^[{_INVISIBLE}]*$"

_BASE64 = "[A-Za-z0-9+/]"
IMAGE: Final[Schema] = {
    "type": "string",
    "format": "image-data-uri",
    "pattern": f"^data:[^,]*;base64,({_BASE64}{{4}})*({_BASE64}{{4}}|{_BASE64}{{2}}==|{_BASE64}{{3}}=)$",
}
"""A picture in the request. What no schema can say: that the bytes are one."""

TEXT: Final[Schema] = {"maxLength": MAX_TEXT_CHARS}
LIMIT: Final[Schema] = {"minimum": 1, "maximum": WINDOW}
OFFSET: Final[Schema] = {"minimum": 0, "maximum": MAX_OFFSET}
SORT: Final[Schema] = {"anyOf": [{"enum": list(NAMED_ORDERS)}, {"pattern": r"^[\s\S]+:(asc|desc)$"}]}
RANK: Final[Schema] = {"minimum": 0, "maximum": WINDOW - 1}
CURSOR: Final[Schema] = {"pattern": "^([0-9]{1,18}-[0-9]{1,18})?$"}
STATEMENT: Final[Schema] = {"type": "string", "pattern": VISIBLE, "maxLength": MAX_STATEMENT_CHARACTERS}
IMAGES: Final[Schema] = {
    "items": {"anyOf": [IMAGE, {"$ref": "#/components/schemas/SkuReference"}]},
    "maxItems": MAX_IMAGES,
}

CATALOG_IMAGES: Final[Schema] = {
    "items": {"anyOf": [IMAGE, {"type": "string", "pattern": r"^https?://[^\s/?#]"}]},
    "maxItems": MAX_ITEM_IMAGES,
}
CURRENCY: Final[Schema] = {"enum": sorted(CODES)}
_HOST = r"(([A-Za-z0-9-]+[.])+[A-Za-z0-9-]+|localhost):[0-9]{1,5}"
URL: Final[Schema] = {
    "maxLength": MAX_URL_CHARS,
    "pattern": rf"^([Hh][Tt][Tt][Pp][Ss]?:[\s\S]*|({_HOST}|[^:]*)([/?#][\s\S]*)?)$",
}
"""A web address, or the part of one that a page of the same site needs."""

SKU: Final[Schema] = {"maxLength": MAX_SKU_CHARS, "pattern": f"[^{_INVISIBLE}\\ufeff\\ufffe\\uffff]"}
"""A key with something in it."""


def between(least: int, most: int) -> Any:
    """A field's bounds, as the document has them and the code checks them."""
    return Field(json_schema_extra={"minimum": least, "maximum": most})


_SCALAR: Final[Schema] = {"type": ["string", "number", "boolean"]}
_BOUNDS: Final[Schema] = {
    "type": "object",
    "properties": {bound: {"type": "number"} for bound in BOUNDS},
    "additionalProperties": False,
    "minProperties": 1,
}
_POSITIVE: Final[list[Schema]] = [
    _SCALAR,
    {"type": "array", "items": _SCALAR, "minItems": 1, "maxItems": MAX_VALUES},
    _BOUNDS,
    {
        "type": "object",
        "properties": {"exists": {"type": "boolean"}},
        "additionalProperties": False,
        "required": ["exists"],
    },
]
FILTERS: Final[Schema] = {
    "type": "object",
    "maxProperties": MAX_CONDITIONS,
    "additionalProperties": {
        "anyOf": [
            *_POSITIVE,
            {
                "type": "object",
                "properties": {"not": {"anyOf": _POSITIVE}},
                "additionalProperties": False,
                "required": ["not"],
            },
        ]
    },
}
"""Fields and values that the catalog does not have are refused, too, with those that it has."""


def _with(properties: Schema) -> Schema:
    """An object that has these properties."""
    return {"required": list(properties), "properties": properties}


def _counting(*parts: str) -> Schema:
    """Weights in which these parts count."""
    return {"properties": {part: {"exclusiveMinimum": 0} for part in parts}}


def _page(offset: int) -> Schema:
    """A page that ends within the window."""
    limit: Schema = {"maximum": WINDOW - offset}
    return {"properties": {"offset": {"maximum": offset}, "limit": limit}}


def whole_search(images: str) -> list[Any]:
    """What holds between the fields of a search, whose pictures are in the field ``images``: something to look for
    beside what to avoid, a weight above 0 for it, ranks within the window, and explanations asked for once, and not
    where reranking is forbidden."""
    text, shown = {"text": {"pattern": VISIBLE}}, {images: {"minItems": 1}}
    browsing: Schema = {"properties": {"text": {"pattern": BLANK}, images: {"maxItems": 0}}}
    any_number: Schema = {"type": "integer", "not": {"const": 0}}
    return [
        {"anyOf": [{"properties": {"without": {"pattern": BLANK}}}, _with(text), _with(shown)]},
        {
            "anyOf": [
                {"properties": {"weights": _counting("text", "image")}},
                {"required": ["text"], "properties": {**text, "weights": _counting("text")}},
                {"required": [images], "properties": {**shown, "weights": _counting("image")}},
                browsing,
            ]
        },
        {"anyOf": [browsing, *(_page(offset) for offset in (0, 500, 900, WINDOW - 10))]},
        {"not": _with({"rerank": {"const": False}, "explain": {"anyOf": [{"const": True}, any_number]}})},
        {
            "not": _with(
                {
                    "rerank": {"type": "object", **_with({"explain": {"type": "integer"}})},
                    "explain": {"not": {"type": "null"}},
                }
            )
        },
    ]


WHOLE_ITEM: Final[list[Any]] = [
    {
        "anyOf": [
            _with({"title": {"pattern": VISIBLE}}),
            _with({"description": {"pattern": VISIBLE}}),
            _with({"attributes": {"minProperties": 1}}),
            _with({"images": {"minItems": 1}}),
        ]
    }
]
"""An item has a text or a picture."""
