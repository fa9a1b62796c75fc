"""The settings: read from the environment."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from vitrina.api.settings import Settings, open_store, read_settings
from vitrina.search.types.errors import StateError


def test_the_store_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("VITRINA_STORE", "/data/shop")
    assert Settings().store == Path("/data/shop")
    assert Settings(store=Path("/other")).store == Path("/other")
    assert caplog.text == ""


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
