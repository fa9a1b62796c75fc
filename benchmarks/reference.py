"""The reference pages of the documentation, made from the code: settings, HTTP API and command line."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import griffe
import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.cli import get_docs_for_click

Schema = Mapping[str, Any]
"""A JSON schema, or another part of an OpenAPI document."""

MAX_NAMED = 50
"""How many values of a type are named."""

METHODS = ("get", "put", "post", "patch", "delete")


def settings_page() -> str:
    """Every setting: its variable, its default, and what its docstring says."""
    from vitrina.api.settings import Settings

    prefix = Settings.model_config["env_prefix"]
    file = Path(inspect.getfile(Settings))
    documented = griffe.visit("settings", filepath=file, code=file.read_text(encoding="utf-8"))["Settings"].members
    rows = [
        (f"`{prefix}{name.upper()}`", shown_default(field), plain(docstring(documented[name])))
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "Environment variables, read once when a command starts; options on the command line win over them. This",
            "page is made from `api/settings.py`.",
            "",
            *table(("variable", "default", "meaning"), rows),
            "",
        ]
    )


def docstring(member: griffe.Object | griffe.Alias) -> str:
    """What is written below a member. Raises ValueError if nothing is: a setting without a word is not documented."""
    if member.docstring is None:
        raise ValueError(f"The setting {member.name} has no docstring.")
    return member.docstring.value


def shown_default(field: FieldInfo) -> str:
    """A default as a reader would set it."""
    if field.default_factory is not None:
        return "the platform's data folder"
    value = field.default
    if value is None or value == "" or isinstance(value, SecretStr):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def cli_page() -> str:
    """Every command with its arguments and options, as Typer documents them."""
    from vitrina.api.cli import app

    command = typer.main.get_command(app)
    context: Any = command.context_class(command, info_name="vitrina")  # Typer asks for a subclass
    written = get_docs_for_click(obj=command, ctx=context, name="vitrina", title="Command line")
    first, _, rest = written.partition("\n")
    return f"{first}\n\nThis page is made from the commands themselves; `--help` says the same.\n{rest}"


def http_page() -> str:
    """Every operation of the service and the models of its requests and answers, from its OpenAPI document."""
    from vitrina.api.app import create_app
    from vitrina.api.settings import Settings

    document = create_app(Settings()).openapi()
    lines = [
        "# HTTP API",
        "",
        f"This page is made from the service's OpenAPI {document['openapi']} document, which a running service has at",
        "`/openapi.json`, and at `/docs` to try out.",
        "",
        "## Operations",
        "",
    ]
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                lines += operation_lines(method, path, operations[method])
    lines += ["## Models", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [f"### {name}", "", *model_lines(schema), ""]
    return "\n".join(lines)


def operation_lines(method: str, path: str, operation: Schema) -> Iterator[str]:
    """The section of one operation."""
    yield from (f"### {method.upper()} {path}", "", operation.get("description") or operation["summary"], "")
    parameters = operation.get("parameters", ())
    if parameters:
        rows = (
            (f"`{each['name']}`", each["in"], parameter_type(each), default_of(each), description_of(each))
            for each in parameters
        )
        yield from (*table(("parameter", "in", "type", "default", "meaning"), rows), "")
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        yield from (f"Body, `{media}`:", "", *body_lines(body), "")
    answers = [
        (status, plain(answer.get("description", "")), ", ".join(contents(answer)))
        for status, answer in operation["responses"].items()
    ]
    yield from (*table(("status", "meaning", "body"), answers), "")


def parameter_type(parameter: Schema) -> str:
    """The type of a parameter, and whether it is written as JSON."""
    if "schema" in parameter:
        return type_of(parameter["schema"])
    return f"JSON: {type_of(parameter['content']['application/json']['schema'])}"


def body_lines(body: Schema) -> Iterator[str]:
    """The model of a request's body, or its fields if it has no name, and an example."""
    schema = body["schema"]
    if "$ref" in schema:
        yield type_of(schema)
    else:
        yield from model_lines(schema)
    examples = [body["example"]] if "example" in body else [each["value"] for each in body.get("examples", {}).values()]
    for example in examples:
        yield from ("", "```json", json.dumps(example, indent=2, ensure_ascii=False), "```")


def model_lines(schema: Schema) -> Iterator[str]:
    """What a model means, and its fields."""
    if schema.get("description"):
        yield from (plain(schema["description"]), "")
    if "enum" in schema:
        yield ", ".join(f"`{value}`" for value in schema["enum"])
    required = set(schema.get("required", ()))
    rows = (
        (
            f"`{name}`",
            type_of(field),
            "required" if name in required and "default" not in field else default_of(field),
            description_of(field),
        )
        for name, field in schema.get("properties", {}).items()
    )
    if schema.get("properties"):
        yield from table(("field", "type", "default", "meaning"), rows)


def contents(answer: Schema) -> Iterator[str]:
    """The types of an answer's bodies."""
    for media, content in answer.get("content", {}).items():
        named = type_of(content["schema"]) if content.get("schema") else ""
        yield named if media == "application/json" and named else f"`{media}`"


def type_of(schema: Schema) -> str:
    """A type in one line, a model as a link to its section."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for joined in ("anyOf", "oneOf"):
        if joined in schema:
            return " or ".join(dict.fromkeys(type_of(each) for each in schema[joined]))
    if "allOf" in schema:
        return type_of(schema["allOf"][0])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        values = [f"`{value}`" for value in schema["enum"]]
        return (
            " or ".join(values) if len(values) <= MAX_NAMED else f"{', '.join(values[:3])} ... ({len(values)} values)"
        )
    match schema.get("type"):
        case "array":
            return f"list of {type_of(schema.get('items', {}))}"
        case "object" if isinstance(schema.get("additionalProperties"), Mapping):
            return f"object of {type_of(schema['additionalProperties'])}"
        case list(names):
            return " or ".join(names)
        case str(name):
            return "file" if schema.get("format") == "binary" else name + bounds_of(schema)
        case _:
            return "any"


def bounds_of(schema: Schema) -> str:
    """The bounds of a number."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    return f", at least {low:g}" if low is not None else f", at most {high:g}" if high is not None else ""


def default_of(holder: Schema) -> str:
    """The default of a parameter or a field."""
    if holder.get("required") is True:
        return "required"
    value = holder.get("schema", holder).get("default", PydanticUndefined)
    return "" if value is PydanticUndefined or value is None else f"`{json.dumps(value)}`"


def description_of(holder: Schema) -> str:
    return plain(holder.get("description") or holder.get("schema", {}).get("description") or "")


def plain(text: str) -> str:
    """A text in one line, its code as Markdown has it."""
    return " ".join(text.replace("``", "`").split())


def table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown; bars within cells are escaped."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
