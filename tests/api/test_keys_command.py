"""``vitrina keys``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.conftest import Vitrina
from vitrina.api.cli.serve import key_mode, keys_line
from vitrina.api.keys import KeyFile, KeyScope
from vitrina.api.settings import Settings
from vitrina.search.types.errors import StorageError


def test_a_key_is_shown_once_and_kept_as_a_hash(vitrina: Vitrina, tmp_path: Path) -> None:
    status, secret, note = vitrina("keys", "add", "website", "--scope", "search", "--scope", "write")
    secret = secret.strip()
    assert status == 0
    assert secret.startswith("vitrina_")
    assert secret not in note
    file = tmp_path / "store" / "keys.json"
    assert file.stat().st_mode & 0o077 == 0, "only its owner may read it"
    assert secret.split("_", maxsplit=2)[2] not in file.read_text("utf-8")
    found = KeyFile(tmp_path / "store").find(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("website", frozenset({KeyScope.SEARCH, KeyScope.WRITE}))
    for arguments in (["list"], ["list", "--json"]):
        status, shown, _ = vitrina("keys", *arguments)
        assert status == 0
        assert "website" in shown
        assert secret not in shown
        assert found.digest not in shown


def test_a_key_is_revoked_by_name_or_id(vitrina: Vitrina, tmp_path: Path) -> None:
    secrets = [vitrina("keys", "add", name)[1].strip() for name in ("a", "b", "c")]
    keys = KeyFile(tmp_path / "store")
    known = keys.find(secrets[1])
    assert known is not None
    assert vitrina("keys", "revoke", "a")[0] == 0
    assert vitrina("keys", "revoke", known.id)[0] == 0
    is_revoked = [key.revoked_at is not None for key in keys.all_keys()]
    assert is_revoked == [True, True, False], "an opened file is read again once it changed"
    status, _, complaint = vitrina("keys", "revoke", "a")
    assert status == 2
    assert "was revoked before" in complaint
    assert "There is no key" not in complaint
    assert vitrina("keys", "add", "a")[0] == 0, "its name is free again"
    rows = [json.loads(line) for line in vitrina("keys", "list", "--json")[1].splitlines()]
    assert [row["name"] for row in rows] == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "x", "--scope", "read"], "There is no scope 'read'.\nGive --scope search"),
        (["add", "x", "--rate-limit", "many"], "600/minute"),
        (["add", ""], "website"),
        (["add", "two\nlines"], "website"),
        (["revoke", "nobody"], "keys list"),
    ],
)
def test_mistakes_have_a_remedy(vitrina: Vitrina, arguments: list[str], said: str) -> None:
    status, _, complaint = vitrina("keys", *arguments)
    assert status == 2
    assert said in complaint
    assert vitrina("keys", "list")[1] == ""


def test_two_keys_of_one_name_are_refused(vitrina: Vitrina) -> None:
    vitrina("keys", "add", "website")
    status, _, complaint = vitrina("keys", "add", "website")
    assert status == 2
    assert "Revoke it first" in complaint


def test_a_damaged_file_is_no_open_door(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    assert keys.all_keys() == ()
    keys.path.write_text("[{", "utf-8")
    with pytest.raises(StorageError, match="cannot be read"):
        keys.find("anything")


@pytest.mark.parametrize(
    ("setting", "host", "mode"),
    [
        ("auto", "127.0.0.1", "off"),
        ("auto", "::1", "off"),
        ("auto", "localhost", "off"),
        ("auto", "0.0.0.0", "required"),
        ("auto", "::", "required"),
        ("auto", "192.168.1.5", "required"),
        ("auto", "search.shop.example", "required"),
        ("required", "127.0.0.1", "required"),
        ("off", "0.0.0.0", "off"),
    ],
)
def test_keys_are_needed_where_others_can_ask(tmp_path: Path, setting: str, host: str, mode: str) -> None:
    settings = Settings(store=tmp_path, api_keys=setting)
    assert key_mode(settings, host) == mode


def test_who_may_ask_is_said_at_the_start(tmp_path: Path) -> None:
    assert "who can reach this address" in keys_line(Settings(store=tmp_path, api_keys="off"))
    settings = Settings(store=tmp_path, api_keys="required")
    assert "vitrina keys add" in keys_line(settings)
    KeyFile(tmp_path).add("a", [KeyScope.SEARCH])
    assert "need the API key" in keys_line(settings)
