"""Rerankers behind an OpenAI-compatible endpoint: vLLM, llama.cpp's server, Ollama, ``transformers serve``, OpenAI,
Gemini's compatible one."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from vitrina.search.reranking import prompts
from vitrina.search.reranking.backends import RerankerOptions, Secret, host_of
from vitrina.search.reranking.backends.remote.chat import (
    MAX_PIXELS,
    ChatRequest,
    EncodedCandidate,
    Schema,
    StatementScorer,
    read_answer,
)
from vitrina.search.reranking.backends.remote.reranker import RemoteReranker
from vitrina.search.reranking.backends.remote.scoring import yes_no_probability
from vitrina.search.reranking.backends.remote.transport import ApiKey, RequestFailure, RequestFault, Transport
from vitrina.search.reranking.base import Deadline, Scoring
from vitrina.search.types.errors import RerankerError

TOP_LOGPROBS = 20
"""The limit of OpenAI, and vLLM's default."""


@dataclass(frozen=True, slots=True)
class OpenAIDialect:
    """The fields that a server accepts: some refuse unknown ones, some templates have no system message."""

    fields: Mapping[str, object] = field(default_factory=lambda: {"temperature": 0})
    system_message: bool = True
    max_tokens_field: str = "max_tokens"
    n_spare_tokens: int = 0


OPENAI_DIALECTS = (
    OpenAIDialect({"temperature": 0, "chat_template_kwargs": {"enable_thinking": False}}),
    OpenAIDialect(),
    OpenAIDialect({"temperature": 0, "reasoning_effort": "none"}),
    OpenAIDialect({"reasoning_effort": "low"}, max_tokens_field="max_completion_tokens", n_spare_tokens=2_000),
    OpenAIDialect(system_message=False),
)
"""Tried in this order: vLLM, llama.cpp and SGLang with models that would think first; the standard fields alone;
Ollama and Gemini with such models; OpenAI's own reasoning models; templates without a system message."""

_SCHEMA_FIELDS: tuple[Callable[[Schema], Mapping[str, object]], ...] = (
    lambda schema: {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    },
    lambda schema: {"structured_outputs": {"json": schema}},
    lambda schema: {"guided_json": schema},
)
"""OpenAI's own field, vLLM's, and vLLM's before version 0.12."""


class OpenAIReranker(RemoteReranker):
    """The model that a server at ``base_url``, which mostly ends in /v1, calls ``model``."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key: Secret | None = None,
        n_parallel: int = 8,
        max_pixels: int = MAX_PIXELS,
        open_timeout_s: float = 60.0,
        connect_timeout_s: float = 5.0,
    ) -> None:
        """Connect and probe it. Blocks. Raises RerankerError."""
        bearer = ApiKey(key, "Authorization", "Bearer ") if key is not None else None
        transport = Transport(base_url, key=bearer, n_parallel=n_parallel, connect_timeout_s=connect_timeout_s)
        chats = [OpenAIChat(transport, model, dialect) for dialect in OPENAI_DIALECTS]
        super().__init__(transport, chats, model, max_pixels=max_pixels, open_timeout_s=open_timeout_s)


def open_server(address: str, options: RerankerOptions) -> OpenAIReranker:
    """Open the reranker of an OpenAI-compatible server: a plug-in of the group ``vitrina.rerankers``."""
    if not options.model:
        raise RerankerError(
            f"The reranker's server at {host_of(address)} is set, its model is not.",
            remedy="Set VITRINA_RERANKER_MODEL to the name under which the server has it.",
        )
    return OpenAIReranker(
        address,
        options.model,
        key=options.key,
        n_parallel=options.n_parallel,
        max_pixels=options.max_pixels or MAX_PIXELS,
        open_timeout_s=options.open_timeout_s,
    )


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """``POST /chat/completions`` in one dialect: https://platform.openai.com/docs/api-reference/chat."""

    transport: Transport
    model: str
    dialect: OpenAIDialect
    schema_fields: Callable[[Schema], Mapping[str, object]] | None = None

    async def complete(self, request: ChatRequest, deadline: Deadline) -> str:
        """Return the message's content, empty if the model only thought."""
        choice = await self._choice(request, {}, deadline)
        return choice.message.content or ""

    async def first_token(self, request: ChatRequest, deadline: Deadline) -> Sequence[tuple[str, float]]:
        """Return the likeliest first tokens and their log probabilities; empty if the server gives none."""
        choice = await self._choice(request, {"logprobs": True, "top_logprobs": TOP_LOGPROBS}, deadline)
        shown = choice.logprobs.content if choice.logprobs else None
        if not shown:
            return []
        likeliest = [(token.token, token.logprob) for token in shown[0].top_logprobs]
        written = shown[0].token, shown[0].logprob
        return likeliest if written[0] in dict(likeliest) else [written, *likeliest]

    async def stream(self, request: ChatRequest, deadline: Deadline) -> AsyncGenerator[str, None]:
        """Yield the content as it is written. A stream may end without [DONE], but not without a reason."""
        body = {**self._body(request), "stream": True}
        finish: str | None = None
        async for data in self.transport.stream("/chat/completions", body, deadline):
            if data.strip() == "[DONE]":
                break
            chunk = read_answer(_Chunk, data)
            for choice in chunk.choices[:1]:
                finish = choice.finish_reason or finish
                if choice.delta.content:
                    yield choice.delta.content
        if finish in (None, "length"):
            raise RequestFailure(RequestFault.BROKEN, f"it stopped in the middle ({finish or 'no reason given'})")

    def logit_scorers(self) -> Sequence[StatementScorer]:
        """Return scorers by log probabilities, and by the decisions of ``transformers serve``, which has none."""
        return [LogprobScorer(self), DecisionScorer(self.transport, self.model)]

    def with_schemas(self) -> Sequence[OpenAIChat]:
        """Return one variant for each field that servers have for a schema."""
        return [dataclasses.replace(self, schema_fields=fields) for fields in _SCHEMA_FIELDS]

    async def _choice(self, request: ChatRequest, fields: Mapping[str, object], deadline: Deadline) -> _Choice:
        body = {**self._body(request), **fields}
        answer = read_answer(_Completion, await self.transport.post("/chat/completions", body, deadline))
        return answer.choices[0]

    def _body(self, request: ChatRequest) -> dict[str, object]:
        body = {
            "model": self.model,
            "messages": self._messages(request),
            self.dialect.max_tokens_field: request.max_tokens + self.dialect.n_spare_tokens,
            **self.dialect.fields,
        }
        if self.schema_fields and request.schema:
            body |= self.schema_fields(request.schema)
        return body

    def _messages(self, request: ChatRequest) -> list[dict[str, object]]:
        """The image, then one self-contained text: Ollama makes each part a message of its own."""
        prompt = request.prompt if self.dialect.system_message else f"{prompts.INSTRUCTIONS}\n\n{request.prompt}"
        content: list[dict[str, object]] = [{"type": "text", "text": prompt}]
        if request.image:
            url = f"data:image/jpeg;base64,{request.image}"
            content.insert(0, {"type": "image_url", "image_url": {"url": url}})
        system: list[dict[str, object]] = (
            [{"role": "system", "content": prompts.INSTRUCTIONS}] if self.dialect.system_message else []
        )
        return [*system, {"role": "user", "content": content}]


@dataclass(frozen=True, slots=True)
class LogprobScorer:
    """P(yes) from the log probabilities of the first token, one statement per request."""

    chat: OpenAIChat
    name: ClassVar[str] = "log probabilities"
    scoring: ClassVar[Scoring] = Scoring.LOGITS
    n_statements: ClassVar[int] = 1

    async def probabilities(
        self, candidate: EncodedCandidate, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        """Return P(yes) of the one statement."""
        request = ChatRequest(prompts.question(statements[0], candidate.listing), candidate.image, max_tokens=1)
        answer = yes_no_probability(await self.chat.first_token(request, deadline))
        if answer is None:
            raise RequestFailure(
                RequestFault.UNREADABLE, "its likeliest words are neither yes nor no, or it does not show them"
            )
        return [answer.probability]


@dataclass(frozen=True, slots=True)
class DecisionScorer:
    """P(yes) from ``POST /systemone`` of ``transformers serve`` (5.23): typed questions, answered by probabilities.

    The server joins image and text with control tokens neutralised; several questions share one copy of the image.
    """

    transport: Transport
    model: str
    name: ClassVar[str] = "decisions"
    scoring: ClassVar[Scoring] = Scoring.LOGITS
    n_statements: ClassVar[int] = 64

    async def probabilities(
        self, candidate: EncodedCandidate, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        """Return P(yes) of up to 64 statements, the most that the server takes."""
        names = [f"claim_{number}" for number in range(len(statements))]
        questions = [
            {"type": "noul", "instructions": prompts.question(statement, candidate.listing)} for statement in statements
        ]
        image = {"type": "image", "format": "jpeg", "data_base64": candidate.image}
        body = {
            "model": self.model,
            "state": f"{_IMAGE_MARK if candidate.image else ''}{prompts.INSTRUCTIONS}",
            "questions": dict(zip(names, questions, strict=True)),
            "assets": {_IMAGE_MARK: image} if candidate.image else {},
        }
        answers = read_answer(_Decisions, await self.transport.post("/systemone", body, deadline)).answers
        if answers.keys() != set(names):
            raise RequestFailure(RequestFault.UNREADABLE, "it did not answer the questions that it was asked")
        return [answers[name].noul for name in names]


_IMAGE_MARK = "<picture>\n"
"""Marks the image's place; listings and statements cannot contain it, since prompts.py removes angle brackets."""


class _Token(BaseModel):
    token: str
    logprob: float


class _Position(_Token):
    top_logprobs: list[_Token] = []


class _Logprobs(BaseModel):
    content: list[_Position] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    logprobs: _Logprobs | None = None


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]


class _Piece(BaseModel):
    delta: _Message = _Message()
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: list[_Piece]


class _Decision(BaseModel):
    noul: Annotated[float, Field(ge=0.0, le=1.0)]


class _Decisions(BaseModel):
    answers: dict[str, _Decision]
