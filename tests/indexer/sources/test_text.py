"""Catalog text comes out clean, whole and without markup."""

from __future__ import annotations

import math
import time

import pytest

from vitrina.indexer.sources.cells import clean_text, display_text, is_blank, parse_literal, plain, without_markup


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  mug ", "mug"),
        ("a\x00b\x07c\x1b[0m\x9f", "abc[0m"),
        ("\ufeffmug", "mug"),
        ("e\u0301te\u0301", "été"),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("👩‍👩‍👧 שלום ‏(1)", "👩‍👩‍👧 שלום ‏(1)"),
        ("tab\tstays", "tab\tstays"),
        ("\u200b\u00a0mug\u200e ", "mug"),
    ],
)
def test_clean_text(text: str, clean: str) -> None:
    assert clean_text(text) == clean
    clean_text(text).encode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "  ",
        " " * 50,
        "NaN",
        "null",
        " N/A ",
        "None",
        "-",
        "—",
        "\\N",
        "#REF!",
        "NA",
        "<NA>",
        math.nan,
        [],
        {},
        (),
    ],
)
def test_blanks(value: object) -> None:
    assert is_blank(value)


@pytest.mark.parametrize("value", [0, False, "0", "Naan", "nankeen", 0.0, [None], "na", "-1", "None of these"])
def test_what_is_not_blank(value: object) -> None:
    assert not is_blank(value)


def test_plain() -> None:
    assert [plain(value) for value in (12, 12.0, 12.5, " x ", True)] == ["12", "12", "12.5", "x", "True"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Soft <b>cotton</b>.</p><p>Washable</p>", "Soft cotton.\nWashable"),
        ("Fish &amp; chips &lt;3", "Fish & chips <3"),
        ("Warm &lt;spanclass=H&gt;winter hat&lt;/span&gt;, red", "Warm winter hat, red"),
        ("Men&#x27;s &#8211; Women&#X2019;s", "Men's – Women’s"),
        ("one<br/>two<br>three", "one\ntwo\nthree"),
        ("<style>p{color:red}</style>a<script>if (a<b) alert('<p>')</script>b", "a b"),
        ("<ul>\n  <li>red</li>\n  <li>blue</li>\n</ul>", "red\nblue"),
        ("a<!-- <b>hidden</b> -->b", "a b"),
        ("<p>5 < 6 and 7 > 2</p>", "5 < 6 and 7 > 2"),
        ("5 < 6, a <3 b", "5 < 6, a <3 b"),
        ("<td>a</td><td>b</td>", "a b"),
        ("<p>never closed <script>alert(1)", "never closed"),
        ("<p>cut <b", "cut"),
        ("&lt;b&gt;1 kg&lt;/b&gt;", "1 kg"),
        ("&lt;p&gt;Soft &amp;amp; warm&lt;/p&gt;&lt;p&gt;Red&lt;/p&gt;", "Soft & warm\nRed"),
        ("one&lt;br&gt;two", "one\ntwo"),
    ],
)
def test_markup_becomes_what_it_shows(markup: str, text: str) -> None:
    assert without_markup(markup) == text


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (r"Warm wool.\n\nWash cold.\n<ul>\n<li>Crew</li></ul>", "Warm wool.\nWash cold.\nCrew"),
        (r"one\r\ntwo lines", "one\ntwo lines"),
        (r"img\navy.jpg", r"img\navy.jpg"),
        ('="00451"', "00451"),
        ('="say ""hi"""', 'say "hi"'),
        ("'0045100", "0045100"),
        ("'=1+1", "=1+1"),
        ("'90s jeans", "'90s jeans"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("caf&eacute; <b>au lait</b>", "café au lait"),
    ],
)
def test_what_a_cell_shows(cell: str, shown: str) -> None:
    assert display_text(cell) == shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("['Red', 'White']", ["Red", "White"]),
        ('["Red", null]', ["Red", None]),
        ("{'Fit': 'Slim', 'n': nan}", {"Fit": "Slim", "n": None}),
        (
            '{"spec"=>[{"key"=>"Fabric", "value"=>"Silk"}], "x"=>nil}',
            {"spec": [{"key": "Fabric", "value": "Silk"}], "x": None},
        ),
        ("('a', 'b')", ("a", "b")),
        ("[S, M]", "[S, M]"),
        ("(new)", "(new)"),
        ("{", "{"),
        ("[" * 100_000 + "]" * 100_000, "[" * 100_000 + "]" * 100_000),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_lists_and_objects_written_as_text(text: str, value: object) -> None:
    assert parse_literal(text) == value


@pytest.mark.parametrize("piece", ["<", "<!--", "<script>", "<p", "</", "<!", "&amp;", "<b>"])
def test_hostile_markup_takes_linear_time(piece: str) -> None:
    start = time.perf_counter()
    without_markup("<p>" + piece * 100_000)
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize("text", ["Café crème – 5 €", "Müsli “groß”", "Größe", "Тёплая шапка", "žluť", "Ångström"])
def test_text_that_was_encoded_twice(text: str) -> None:
    twice = "".join(
        chr(byte) if 0x80 <= byte < 0xA0 and byte in b"\x81\x8d\x8f\x90\x9d" else bytes([byte]).decode("cp1252")
        for byte in text.encode()
    )
    assert clean_text(twice) == text
    assert clean_text(text) == text


def test_text_that_may_be_meant() -> None:
    for text in ("Ã€ propos", "SÃO “â€", "Â£5 and Ä"):
        assert clean_text(text)


def test_a_link_of_a_spreadsheet_shows_its_text() -> None:
    assert display_text('=HYPERLINK("https://s.example/1","Red ""round"" mug")') == 'Red "round" mug'
    assert display_text('=HYPERLINK("https://s.example/1";"Mug")') == "Mug"


def test_no_statement_in_german_is_blank() -> None:
    assert is_blank("k.A.")
    assert not is_blank("kA")
