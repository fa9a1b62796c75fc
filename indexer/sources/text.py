"""Text from a catalog cell: clean, normalised, free of markup."""

from __future__ import annotations

import datetime
import html
import re
import unicodedata

_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_BLANK = frozenset({"", "nan", "null", "n/a", "#n/a"})
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|&(?:[a-zA-Z]{2,8}|#\d{1,6});")
_LINE_TAGS = frozenset({"br", "p", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN_TAGS = frozenset({"script", "style"})
_TAG_NAME = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\s*\n\s*")


def clean_text(text: str) -> str:
    """The text in Unicode NFC, trimmed, lines ended by ``\\n``, without control characters and lone surrogates.

    Joiners and direction marks stay: emoji and right-to-left text need them.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", _UNWANTED.sub("", text)).strip()


def is_blank(value: object) -> bool:
    """Whether a cell says nothing: None, NaN, an empty container, or the words spreadsheets write for them."""
    if value is None or value != value:
        return True
    if isinstance(value, str):
        stripped = value.strip()
        return len(stripped) <= 4 and stripped.lower() in _BLANK
    return isinstance(value, (list, tuple, dict)) and not value


def plain(value: str | int | float | datetime.date) -> str:
    """One scalar as text; whole floats without ``.0``, since spreadsheets turn codes into floats."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def without_markup(text: str) -> str:
    """The text an HTML fragment shows, block tags as line ends; other text comes back as it is.

    Takes time linear in the text for any input, which ``html.parser`` of Python 3.11 does not.
    """
    if not _MARKUP.search(text):
        return text
    pieces: list[str] = []
    position = 0
    lowered = text.lower()
    while (start := text.find("<", position)) >= 0:
        pieces.append(text[position:start])
        position, gap = _after_tag(text, lowered, start)
        pieces.append(gap)
    pieces.append(text[position:])
    lines = _BLANKS.sub(" ", html.unescape("".join(pieces)))
    return _EMPTY_LINES.sub("\n", lines).strip()


def _after_tag(text: str, lowered: str, start: int) -> tuple[int, str]:
    """Where the text goes on after the ``<`` at ``start``, and what the tag leaves in its place."""
    if text.startswith("<!--", start):
        return _after(text, "-->", start + 4), " "
    name = _TAG_NAME.match(text, start + 1)
    if name is None and not text.startswith(("!", "?"), start + 1):
        return start + 1, "<"
    end = _after(text, ">", start)
    tag = name.group(1).lower() if name else ""
    if tag in _HIDDEN_TAGS and text[start + 1] != "/":
        closing = _after(lowered, f"</{tag}", end)
        return _after(text, ">", closing), " "
    return end, "\n" if tag in _LINE_TAGS else " " if tag == "td" else ""


def _after(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)
