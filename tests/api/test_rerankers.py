"""Which reranker the settings name, and what they never show."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.api.conftest import tried
from tests.search.reranking.shops import ColourReranker
from vitrina.api.rerankers import BackgroundReranker, open_reranker, reranker_name
from vitrina.api.settings import Settings
from vitrina.search.reranking.backends.matched import MatchedReranker
from vitrina.search.reranking.backends.model_folders import EMBEDDED
from vitrina.search.reranking.base import Reranker
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError

SECRET = "sk-never-shown-9f2"


def settings(**given: Any) -> Settings:
    return Settings(store=Path("nowhere"), **given)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, None),
        ({"reranker": "off"}, None),
        ({"reranker": "Qwen/Qwen3-VL-2B-Instruct"}, "Qwen/Qwen3-VL-2B-Instruct"),
        ({"reranker": "http://127.0.0.1:8001/v1", "reranker_model": "qwen"}, "qwen at 127.0.0.1"),
        ({"reranker": f"https://user:{SECRET}@vlm.example/v1?key={SECRET}"}, "a model at vlm.example"),
        ({"reranker": f"http://[{SECRET}/v1"}, "a model at an unnamed server"),
        ({"reranker": "anthropic", "reranker_model": "claude"}, "claude at Anthropic"),
    ],
)
def test_what_it_is_called_shows_no_secret(given: dict[str, str], name: str | None) -> None:
    assert reranker_name(settings(**given)) == name


@pytest.mark.parametrize(
    ("given", "says", "remedy"),
    [
        ({"reranker": "http://127.0.0.1:9/v1"}, "its model is not", "VITRINA_RERANKER_MODEL"),
        ({"reranker": "anthropic"}, "its key", "VITRINA_RERANKER_KEY"),
        ({"reranker": "anthropic", "reranker_key": SECRET}, "model's name", "VITRINA_RERANKER_MODEL"),
        ({"reranker": "./no-such-folder"}, "no folder", "Hugging Face"),
        (
            {"reranker": f"http://u:{SECRET}@localhost/v1", "reranker_model": "m", "reranker_key": SECRET},
            "carries a password",
            "setting for it",
        ),
        ({"reranker": "http://127.0.0.1:9/v1", "reranker_model": "m", "reranker_key": SECRET}, "127.0.0.1", ""),
        ({"reranker": "http://127.0.0.1:9/v1", "reranker_model": "m", "reranker_key": f"{SECRET} x"}, "key", "Set it"),
    ],
)
def test_what_cannot_be_opened_says_why_and_shows_no_key(given: dict[str, Any], says: str, remedy: str) -> None:
    with ExitStack() as closing, pytest.raises(RerankerError) as caught:
        open_reranker(settings(**given), closing)
    assert says in caught.value.message
    assert remedy in caught.value.remedy
    assert SECRET not in f"{caught.value} {caught.value.details}"


def test_keys_are_shown_nowhere(caplog: pytest.LogCaptureFixture, store: Store) -> None:
    given = settings(reranker="http://127.0.0.1:9/v1", reranker_model="m", reranker_key=SECRET)
    reranking = BackgroundReranker.from_settings(given, store)
    assert reranking is not None
    with reranking:
        assert tried(reranking).error is not None
    assert SECRET not in f"{given!r} {given} {given.model_dump_json()} {reranking.status} {caplog.text}"
    with pytest.raises(ValidationError) as caught:
        settings(reranker_key=[SECRET], device=SECRET)
    assert SECRET not in str(caught.value)


def test_models_with_code_of_their_own_are_refused_unless_they_may_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[bool] = []

    def load(name: str, *, allow_remote_code: bool, **_: object) -> AbstractContextManager[Reranker]:
        allowed.append(allow_remote_code)
        return nullcontext(ColourReranker(name))

    monkeypatch.setattr("vitrina.search.reranking.backends.transformers.loading.load_reranker", load)
    with ExitStack() as closing:
        open_reranker(settings(reranker="shop/model"), closing)
        open_reranker(settings(reranker="shop/model", reranker_trust_remote_code=True), closing)
    assert allowed == [False, True]


def test_the_embedded_one_reranks_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITRINA_RERANKER")
    assert reranker_name(settings()) == EMBEDDED
    assert reranker_name(settings(reranker="off")) is None
    with ExitStack() as closing:
        reranker = open_reranker(settings(device="cpu"), closing)
    assert isinstance(reranker, MatchedReranker)
    assert reranker.identity.name == EMBEDDED


def test_the_default_options_are_settings(store: Store) -> None:
    given = settings(reranker="a/model", rerank_top=7, rerank_deadline_ms=50, rerank_explain=0, rerank_explain_ms=9)
    reranking = BackgroundReranker.from_settings(given, store)
    assert reranking is not None
    defaults = reranking.defaults
    assert (defaults.top, defaults.deadline_ms, defaults.explain, defaults.explain_ms) == (7, 50, 0, 9)
    with pytest.raises(ValidationError, match="rerank_top"):
        settings(rerank_top=1_000)
