"""The settings: read from the environment, under new and old names."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from vitrina.api.settings import OLD_NAMES, Settings, open_store, warn_of_old_name


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
        assert store.vectors == "http://shop:secret@milvus:19530"
