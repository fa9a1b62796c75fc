"""A small server in the shapes of OpenAI, Anthropic and ``transformers serve``, over any model, that plays every trap.

What it can do is set by ``Abilities``; what goes wrong with a request is said by ``trap``, a function asked anew each
time.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from vitrina.search.reranking.prompts import question

Answer = Callable[[str, Image.Image | None], float]
"""P(yes) of a prompt about a picture."""

Body = Mapping[str, Any]

MODEL = "shop-vlm"
STANDARD_FIELDS = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "logprobs", "top_logprobs", "stream"}
    | {"response_format", "reasoning_effort"}
)


class Trap(StrEnum):
    """What may go wrong with one request."""

    NONE = "none"
    REFUSED = "401, quoting the key"
    UNKNOWN_MODEL = "404"
    TOO_MANY = "429"
    TOO_MANY_FOR_NOW = "429, to be tried again after 0.1 s"
    TOO_MANY_FOR_LONG = "429, to be tried again after a minute"
    ERROR = "500"
    SILENCE = "no byte at all"
    DRIP = "a byte now and then"
    CUT = "a body that ends in the middle"
    HUGE = "a body without an end"
    COMPRESSED = "a compressed body, though that was declined"
    NOT_JSON = "200 with HTML"
    ODD_JSON = "200 with JSON of another shape"
    DEEP_JSON = "200 with JSON nested 100,000 deep"
    PROSE = "200 with chatter, no matter what was asked for"
    REDIRECT = "307 to an address of the machine's own"


class Ending(StrEnum):
    """How a stream ends."""

    DONE = "finish_reason and [DONE]"
    WITHOUT_DONE = "finish_reason alone"
    LENGTH = "finish_reason=length in the middle of a sentence"
    CUT = "a broken connection"
    SILENCE = "no further byte"
    THOUGHTS = "thoughts alone, no content"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the server's model and its software can do. ``schema_field`` is the field that makes it keep a schema."""

    logprobs: bool = True
    schema_field: str | None = "response_format"
    temperature: bool = True
    system_message: bool = True
    knows_other_fields: bool = True
    decisions: bool = False
    sees: bool = True
    boxes: bool = True
    thinks: bool = False
    """Unless ``reasoning_effort`` is none."""


@dataclass
class ModelServer:
    """The server's state, shared with the test."""

    answer: Answer
    abilities: Abilities = field(default_factory=Abilities)
    trap: Callable[[], Trap] = lambda: Trap.NONE
    ending: Ending = Ending.DONE
    text: Sequence[str] = ("A navy", " shirt. It is", " made of 100% linen", " at $19.99", ".")
    grade_in_words: str | None = None
    """What is said where a grade is asked for in a word; None: the fitting grade."""
    pause_s: float = 0.0
    n_at_once: int = 0
    most_at_once: int = 0
    address: str = ""
    requests: list[tuple[str, Mapping[str, str], Body]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def bodies(self) -> list[Body]:
        return [body for _, _, body in self.requests]

    def reset(self, **changes: object) -> None:
        """Back to a server without traps, with these changes."""
        self.released.set()
        fresh = ModelServer(self.answer, address=self.address)
        for name, value in {**vars(fresh), **changes}.items():
            setattr(self, name, value)

    async def handle(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.requests.append((request.url.path, dict(request.headers), body))
        released, trap = self.released, self.trap()
        if response := await self._trapped(request, trap, released):
            return response
        self.n_at_once += 1
        self.most_at_once = max(self.most_at_once, self.n_at_once)
        await asyncio.sleep(self.pause_s)
        self.n_at_once -= 1
        if body.get("model") != MODEL:
            return JSONResponse({"error": {"message": f"The model `{body.get('model')}` does not exist"}}, 404)
        routes = {"/v1/chat/completions": self._chat, "/v1/messages": self._messages, "/v1/systemone": self._decide}
        return routes[request.url.path](body)

    async def _trapped(self, request: Request, trap: Trap, released: threading.Event) -> Response | None:
        key = request.headers.get("authorization", request.headers.get("x-api-key", ""))
        match trap:
            case Trap.SILENCE:
                while not released.is_set() and not await request.is_disconnected():
                    await asyncio.sleep(0.02)
                return Response()
            case Trap.DRIP:
                return StreamingResponse(_drip(released), media_type="application/json")
            case Trap.HUGE:
                return StreamingResponse(_endless(released), media_type="application/json")
            case Trap.CUT:
                return Response('{"choices": [', headers={"Content-Length": "500"})
            case _:
                return _TRAPS[trap](key) if trap in _TRAPS else None

    def _chat(self, body: Body) -> Response:
        if refusal := self._refusal(body):
            return refusal
        prompt, image = _asked(body)
        if body.get("stream"):
            return StreamingResponse(self._stream(self.released), media_type="text/event-stream")
        thinks = self.abilities.thinks and body.get("reasoning_effort") != "none"
        text = "<think>The shopper wants" if thinks else self._text(prompt, image, self._kept_schema(body))
        choice: dict[str, object] = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        if body.get("logprobs") and self.abilities.logprobs:
            choice["logprobs"] = {"content": [_logprobs(None if thinks else self._sure(prompt, image))]}
        return JSONResponse({"id": "1", "object": "chat.completion", "choices": [choice]})

    def _refusal(self, body: Body) -> Response | None:
        can = self.abilities
        unknown = body.keys() - STANDARD_FIELDS
        if unknown and not can.knows_other_fields:
            return JSONResponse({"detail": f"Unexpected fields in the request: {unknown}"}, 422)
        if "temperature" in body and not can.temperature:
            return JSONResponse({"error": {"message": "temperature is not supported with this model"}}, 400)
        if body["messages"][0]["role"] == "system" and not can.system_message:
            return JSONResponse({"error": {"message": "System role not supported"}}, 500)
        return None

    def _kept_schema(self, body: Body) -> Body | None:
        if self.abilities.schema_field is None or self.abilities.schema_field not in body:
            return None
        asked = body[self.abilities.schema_field]
        found: Body = asked["json_schema"]["schema"] if "json_schema" in asked else asked.get("json", asked)
        return found

    def _text(self, prompt: str, image: Image.Image | None, schema: Body | None) -> str:
        if schema and "left" in schema["properties"]:
            return json.dumps(_box(image) if self.abilities.boxes else dict.fromkeys(schema["properties"], 7))
        wishes = re.findall(r'^Wish \d+: (".*")$', prompt, re.MULTILINE)
        grades = [_grade(self._sure(question(json.loads(wish)), image)) for wish in wishes]
        if schema:
            return json.dumps(dict(zip(schema["properties"], grades, strict=True)))
        if wishes:
            return self.grade_in_words or f"**{grades[0].capitalize()}**."
        return "Yes" if self._sure(prompt, image) > 0.5 else "No"

    def _sure(self, prompt: str, image: Image.Image | None) -> float:
        return self.answer(prompt, image) if self.abilities.sees else 0.4

    async def _stream(self, released: threading.Event) -> AsyncIterator[str]:
        yield ": keep-alive\n\n"
        yield _event({"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]})
        for piece in self.text:
            name = "reasoning_content" if self.ending is Ending.THOUGHTS else "content"
            yield _event({"choices": [{"index": 0, "delta": {name: piece}, "finish_reason": None}]})
        match self.ending:
            case Ending.CUT:
                raise ConnectionError("cut")
            case Ending.SILENCE:
                while not released.is_set():
                    await asyncio.sleep(0.02)
                return
        finish = "length" if self.ending is Ending.LENGTH else "stop"
        yield _event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        yield _event({"choices": [], "usage": {"completion_tokens": 9}})
        if self.ending is not Ending.WITHOUT_DONE:
            yield "data: [DONE]\n\n"

    def _decide(self, body: Body) -> Response:
        if not self.abilities.decisions:
            return JSONResponse({"detail": "Not Found"}, 404)
        places = [place for place in body["assets"] if place in body["state"]]
        image = _decoded(body["assets"][places[0]]["data_base64"]) if places else None
        sure = {name: self._sure(asked["instructions"], image) for name, asked in body["questions"].items()}
        answers = {name: {"type": "noul", "noul": probability} for name, probability in sure.items()}
        return JSONResponse({"model": MODEL, "answers": answers, "usage": {"input_tokens": 9, "output_tokens": 0}})

    def _messages(self, body: Body) -> Response:
        if "temperature" in body and not self.abilities.temperature:
            error = {"type": "invalid_request_error", "message": "`temperature` is deprecated for this model."}
            return JSONResponse({"type": "error", "error": error}, 400)
        if body.get("stream"):
            return StreamingResponse(self._message_stream(), media_type="text/event-stream")
        prompt, image = _asked(body)
        if self.abilities.schema_field == "tool" and "tools" in body:
            given = json.loads(self._text(prompt, image, body["tools"][0]["input_schema"]))
            return JSONResponse({"content": [{"type": "tool_use", "id": "1", "name": "answer", "input": given}]})
        kept = self.abilities.schema_field == "output_config" and "output_config" in body
        text = self._text(prompt, image, body["output_config"]["format"]["schema"] if kept else None)
        return JSONResponse({"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"})

    async def _message_stream(self) -> AsyncIterator[str]:
        yield _event({"type": "message_start", "message": {"content": []}}, "message_start")
        yield _event({"type": "ping"}, "ping")
        for piece in self.text:
            delta = {"type": "text_delta", "text": piece}
            yield _event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
        if self.ending is Ending.CUT:
            yield _event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")
            return
        reason = "max_tokens" if self.ending is Ending.LENGTH else "end_turn"
        yield _event({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}}, "message_delta")
        yield _event({"type": "message_stop"}, "message_stop")


_TRAPS: Mapping[Trap, Callable[[str], Response]] = {
    Trap.REFUSED: lambda key: JSONResponse({"error": {"message": f"Incorrect API key provided: {key}"}}, 401),
    Trap.UNKNOWN_MODEL: lambda _: JSONResponse({"error": "model not found"}, 404),
    Trap.TOO_MANY: lambda _: Response(status_code=429),
    Trap.TOO_MANY_FOR_NOW: lambda _: Response(status_code=429, headers={"Retry-After": "0.1"}),
    Trap.TOO_MANY_FOR_LONG: lambda _: Response(status_code=429, headers={"Retry-After": "60"}),
    Trap.ERROR: lambda _: Response("Traceback (most recent call last)", 500),
    Trap.COMPRESSED: lambda _: Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
    Trap.NOT_JSON: lambda _: Response("<html><p>Welcome</p></html>"),
    Trap.ODD_JSON: lambda _: JSONResponse({"choices": [], "content": 3, "answers": [1]}),
    Trap.DEEP_JSON: lambda _: Response("[" * 100_000),
    Trap.PROSE: lambda _: JSONResponse(
        {
            "choices": [{"message": {"content": "Certainly! P(yes) = 0.99"}, "finish_reason": "stop"}],
            "content": [{"type": "text", "text": "Certainly! P(yes) = 0.99"}],
            "answers": {"claim_0": {"type": "noul", "noul": 99.0}},
        }
    ),
    Trap.REDIRECT: lambda _: RedirectResponse("/stolen", 307),
}


@contextmanager
def serving(answer: Answer) -> Iterator[ModelServer]:
    """The server on a free port of this machine, in a thread."""
    model_server = ModelServer(answer)

    async def stolen(request: Request) -> Response:
        model_server.requests.append((request.url.path, dict(request.headers), {}))
        return JSONResponse({})

    paths = ("/v1/chat/completions", "/v1/systemone", "/v1/messages")
    routes = [*(Route(path, model_server.handle, methods=["POST"]) for path in paths), Route("/stolen", stolen)]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    model_server.address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield model_server
    model_server.released.set()
    server.should_exit = server.force_exit = True
    thread.join(timeout=20)


def _asked(body: Body) -> tuple[str, Image.Image | None]:
    """The question and its picture, which has to come before it."""
    *before, text = body["messages"][-1]["content"]
    assert text["type"] == "text"
    if not before:
        return text["text"], None
    (part,) = before
    url = part["image_url"]["url"] if "image_url" in part else f"data:image/jpeg;base64,{part['source']['data']}"
    return text["text"], _decoded(url.removeprefix("data:image/jpeg;base64,"))


def _decoded(encoded: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)))
    assert image.format == "JPEG"
    return image.convert("RGB")


def _logprobs(sure: float | None) -> dict[str, object]:
    """Twenty tokens: yes and no in several spellings, chatter between; chatter alone where the model is to think."""
    shares = {"Yes": 0.7, " yes": 0.2, "YES": 0.1}, {"No": 0.6, " no": 0.4}
    shown = {f"word{n}": 0.001 for n in range(15)}
    if sure is None:
        shown["<think>"] = 0.98
    else:
        for words, probability in zip(shares, (sure, 1.0 - sure), strict=True):
            shown |= {word: 0.98 * share * probability for word, share in words.items()}
    top = [
        {"token": token, "logprob": math.log(max(probability, 1e-9)), "bytes": None}
        for token, probability in sorted(shown.items(), key=lambda item: -item[1])
    ]
    return {**top[0], "top_logprobs": top}


def _grade(sure: float) -> str:
    return next(grade for limit, grade in _LIMITS if sure <= limit)


_LIMITS = ((0.1, "no"), (0.35, "unlikely"), (0.65, "unsure"), (0.9, "likely"), (1.0, "yes"))


def _box(image: Image.Image | None) -> dict[str, int]:
    """Around all that is not white."""
    assert image is not None
    grey = image.convert("L").point(lambda value: 255 if value < 200 else 0)
    found = grey.getbbox() or (0, 0, *image.size)
    size = (*image.size, *image.size)
    corners = (round(1000 * side / whole) for side, whole in zip(found, size, strict=True))
    return dict(zip(("left", "top", "right", "bottom"), corners, strict=True))


def _event(data: object, name: str | None = None) -> str:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n"


async def _drip(released: threading.Event) -> AsyncIterator[bytes]:
    while not released.is_set():
        yield b" "
        await asyncio.sleep(0.05)


async def _endless(released: threading.Event) -> AsyncIterator[bytes]:
    while not released.is_set():
        yield b" " * 65_536
        await asyncio.sleep(0)
