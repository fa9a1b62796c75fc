"""The settings: read from the environment, under new and old names."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from vitrina.api.settings import OLD_NAMES, Settings, open_store, read_settings, warn_of_old_name
from vitrina.search.types.errors import StateError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VITRINA_HOME", "VITRINA_STORE"):
        monkeypatch.delenv(name, raising=False)
    warn_of_old_name.cache_clear()


def test_the_store_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VITRINA_STORE", "/data/shop")
    assert Settings().store == Path("/data/shop")
    assert Settings(store=Path("/other")).store == Path("/other")
    assert caplog.text == ""


def test_an_old_name_works_and_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VITRINA_HOME", "/data/shop")
    assert [Settings().store for _ in range(3)] == [Path("/data/shop")] * 3
    assert Settings(store=Path("/other")).store == Path("/other")
    assert caplog.messages == [
        "VITRINA_HOME is now called VITRINA_STORE; the old name will stop working in the next version."
    ]


def test_the_new_name_wins_over_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_HOME", "/old")
    monkeypatch.setenv("VITRINA_STORE", "/new")
    assert Settings().store == Path("/new")


def test_every_old_name_leads_to_a_setting() -> None:
    assert set(OLD_NAMES.values()) <= set(Settings.model_fields)
    assert not set(OLD_NAMES) & set(Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("VITRINA_MAX_BODY_BYTES", "lots", "VITRINA_MAX_BODY_BYTES: Input should be a valid integer"),
        ("VITRINA_API_KEYS", "maybe", "VITRINA_API_KEYS: Input should be 'auto', 'required' or 'off'"),
        ("VITRINA_RATE_LIMIT", "fast", "VITRINA_RATE_LIMIT: String should match"),
        ("VITRINA_ALLOWED_ORIGINS", "https://a.example, *", "VITRINA_ALLOWED_ORIGINS: Value error, '*' is no origin"),
        ("VITRINA_ALLOWED_HOSTS", "http://a.example/", "VITRINA_ALLOWED_HOSTS: Value error"),
        ("VITRINA_TRUSTED_PROXIES", "10.0.0.0/99", "VITRINA_TRUSTED_PROXIES: Value error"),
    ],
)
def test_a_value_that_cannot_be_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StateError) as caught:
        read_settings()
    assert caught.value.message.startswith(says)
    assert "\n" not in caught.value.message


def test_a_variable_that_is_no_setting_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("VITRINA_STROE", "VITRINA_SERVICE_HOST", "VITRINA_PORT_8000_TCP_ADDR", "vitrina_log"):
        monkeypatch.setenv(name, "text")
    read_settings()
    assert caplog.messages == ["VITRINA_STROE is not a setting (did you mean VITRINA_STORE?); it is not used."]


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().store = Path("/other")  # type: ignore[misc]  # the point of the test


def test_the_address_of_the_vectors_reaches_the_store_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VITRINA_VECTORS", "http://shop:secret@milvus:19530")
    settings = Settings(store=tmp_path)
    assert "secret" not in repr(settings)
    with closing(open_store(settings)) as store:
        assert store.options.vectors == "http://shop:secret@milvus:19530"
