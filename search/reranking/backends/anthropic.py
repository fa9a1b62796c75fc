"""Rerankers behind Anthropic's Messages API, which score by grades since it gives no log probabilities."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel

from vitrina.search.reranking import prompts
from vitrina.search.reranking.backends import RerankerOptions, Secret
from vitrina.search.reranking.backends.remote.chat import MAX_PIXELS, ChatRequest, StatementScorer, read_answer
from vitrina.search.reranking.backends.remote.reranker import RemoteReranker
from vitrina.search.reranking.backends.remote.transport import ApiKey, RequestFailure, RequestFault, Transport
from vitrina.search.reranking.base import Deadline
from vitrina.search.types.errors import RerankerError

BASE_URL = "https://api.anthropic.com"
API_VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True)
class AnthropicDialect:
    """The fields that a model accepts: later ones refuse a temperature, and some think first."""

    fields: Mapping[str, object] = field(default_factory=dict)
    n_spare_tokens: int = 0


ANTHROPIC_DIALECTS = (AnthropicDialect({"temperature": 0}), AnthropicDialect(), AnthropicDialect(n_spare_tokens=2_000))
"""Tried in this order: models that take a temperature (since Opus 4.7 they answer it with 400), those that do not,
and those that think before they answer."""


class SchemaMode(StrEnum):
    """How a schema is requested."""

    FORMAT = "output_config"
    TOOL = "tool"
    """A tool that must be used, for models and proxies from before output_config."""


class AnthropicReranker(RemoteReranker):
    """A Claude model, by its name in the API."""

    def __init__(
        self,
        model: str,
        *,
        key: Secret,
        base_url: str = BASE_URL,
        n_parallel: int = 8,
        max_pixels: int = MAX_PIXELS,
        open_timeout_s: float = 60.0,
        connect_timeout_s: float = 5.0,
    ) -> None:
        """Connect and probe it. Blocks. Raises RerankerError."""
        transport = Transport(
            base_url,
            key=ApiKey(key, "x-api-key"),
            headers={"anthropic-version": API_VERSION},
            n_parallel=n_parallel,
            connect_timeout_s=connect_timeout_s,
        )
        chats = [AnthropicChat(transport, model, dialect) for dialect in ANTHROPIC_DIALECTS]
        super().__init__(transport, chats, model, max_pixels=max_pixels, open_timeout_s=open_timeout_s)


def open_anthropic(name: str, options: RerankerOptions) -> AnthropicReranker:
    """Open a Claude model as the reranker: a plug-in of the group ``vitrina.rerankers``."""
    if options.key is None or not options.model:
        raise RerankerError(
            "Anthropic is set as the reranker, and its key or the model's name is not.",
            remedy="Set VITRINA_RERANKER_KEY to an API key and VITRINA_RERANKER_MODEL to a model's name.",
        )
    return AnthropicReranker(
        options.model,
        key=options.key,
        n_parallel=options.n_parallel,
        max_pixels=options.max_pixels or MAX_PIXELS,
        open_timeout_s=options.open_timeout_s,
    )


@dataclass(frozen=True, slots=True)
class AnthropicChat:
    """``POST /v1/messages``: https://docs.anthropic.com/en/api/messages."""

    transport: Transport
    model: str
    dialect: AnthropicDialect
    schema_mode: SchemaMode | None = None

    async def complete(self, request: ChatRequest, deadline: Deadline) -> str:
        """Return the text of the answer, or the input of its tool call as JSON."""
        answer = read_answer(_Message, await self.transport.post("/v1/messages", self._body(request), deadline))
        tool_input = next((block.input for block in answer.content if block.input is not None), None)
        if tool_input is not None:
            return json.dumps(tool_input)
        return "".join(block.text for block in answer.content if block.type == "text")

    async def stream(self, request: ChatRequest, deadline: Deadline) -> AsyncGenerator[str, None]:
        """Yield the text as it is written."""
        stop_reason: str | None = None
        body = {**self._body(request), "stream": True}
        async for data in self.transport.stream("/v1/messages", body, deadline):
            event = read_answer(_Event, data)
            if event.type == "error":
                raise RequestFailure(RequestFault.BROKEN, "it reported an error in the middle")
            stop_reason = event.delta.stop_reason or stop_reason
            if event.delta.type == "text_delta":
                yield event.delta.text
        if stop_reason in (None, "max_tokens"):
            raise RequestFailure(RequestFault.BROKEN, f"it stopped in the middle ({stop_reason or 'no reason given'})")

    def logit_scorers(self) -> Sequence[StatementScorer]:
        """Return none: the API gives no log probabilities."""
        return []

    def with_schemas(self) -> Sequence[AnthropicChat]:
        """Return a variant by output format and one by tool."""
        return [dataclasses.replace(self, schema_mode=schema_mode) for schema_mode in SchemaMode]

    def _body(self, request: ChatRequest) -> dict[str, object]:
        content: list[dict[str, object]] = [{"type": "text", "text": request.prompt}]
        if request.image:
            source = {"type": "base64", "media_type": "image/jpeg", "data": request.image}
            content.insert(0, {"type": "image", "source": source})
        return {
            "model": self.model,
            "max_tokens": request.max_tokens + self.dialect.n_spare_tokens,
            "system": prompts.INSTRUCTIONS,
            "messages": [{"role": "user", "content": content}],
            **self.dialect.fields,
            **self._schema_fields(request),
        }

    def _schema_fields(self, request: ChatRequest) -> dict[str, object]:
        if request.schema is None or self.schema_mode is None:
            return {}
        if self.schema_mode is SchemaMode.FORMAT:
            return {"output_config": {"format": {"type": "json_schema", "schema": request.schema}}}
        tool = {"name": "answer", "description": "Gives the answer.", "input_schema": request.schema}
        return {"tools": [tool], "tool_choice": {"type": "tool", "name": "answer"}}


class _Block(BaseModel):
    type: str
    text: str = ""
    input: dict[str, object] | None = None


class _Message(BaseModel):
    content: list[_Block]


class _Delta(BaseModel):
    type: str = ""
    text: str = ""
    stop_reason: str | None = None


class _Event(BaseModel):
    type: str
    delta: _Delta = _Delta()
