"""Catalog text comes out clean, whole and without markup."""

from __future__ import annotations

import math
import time

import pytest

from vitrina.indexer.sources.cells import clean_text, is_blank, plain, without_markup


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  mug ", "mug"),
        ("a\x00b\x07c\x1b[0m\x9f", "abc[0m"),
        ("\ufeffmug", "mug"),
        ("e\u0301te\u0301", "été"),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("👩‍👩‍👧 שלום ‏", "👩‍👩‍👧 שלום ‏"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_clean_text(text: str, clean: str) -> None:
    assert clean_text(text) == clean
    clean_text(text).encode()


@pytest.mark.parametrize("value", [None, "", "  ", "NaN", "null", " N/A ", math.nan, [], {}, ()])
def test_blanks(value: object) -> None:
    assert is_blank(value)


@pytest.mark.parametrize("value", [0, False, "0", "None", "nankeen", 0.0, [None], "-"])
def test_what_is_not_blank(value: object) -> None:
    assert not is_blank(value)


def test_plain() -> None:
    assert [plain(value) for value in (12, 12.0, 12.5, " x ", True)] == ["12", "12", "12.5", "x", "True"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Soft <b>cotton</b>.</p><p>Washable</p>", "Soft cotton.\nWashable"),
        ("Fish &amp; chips &lt;3", "Fish & chips <3"),
        ("one<br/>two<br>three", "one\ntwo\nthree"),
        ("<style>p{color:red}</style>a<script>if (a<b) alert('<p>')</script>b", "a b"),
        ("<ul>\n  <li>red</li>\n  <li>blue</li>\n</ul>", "red\nblue"),
        ("a<!-- <b>hidden</b> -->b", "a b"),
        ("<p>5 < 6 and 7 > 2</p>", "5 < 6 and 7 > 2"),
        ("5 < 6, a <3 b", "5 < 6, a <3 b"),
        ("<td>a</td><td>b</td>", "a b"),
        ("<p>never closed <script>alert(1)", "never closed"),
        ("<p>cut <b", "cut"),
    ],
)
def test_markup_becomes_what_it_shows(markup: str, text: str) -> None:
    assert without_markup(markup) == text


@pytest.mark.parametrize("piece", ["<", "<!--", "<script>", "<p", "</", "<!", "&amp;", "<b>"])
def test_hostile_markup_takes_linear_time(piece: str) -> None:
    start = time.perf_counter()
    without_markup("<p>" + piece * 100_000)
    assert time.perf_counter() - start < 1.0
