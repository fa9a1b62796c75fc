"""Cells: clean text, what counts as nothing, and lists and objects written as text."""

from __future__ import annotations

import ast
import datetime
import html
import json
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping

_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
EDGES = "".join(
    map(
        chr,
        (
            *range(0x21),
            0x7F,
            0x85,
            0xA0,
            0xAD,
            0x1680,
            *range(0x2000, 0x2010),
            0x2028,
            0x2029,
            0x202F,
            0x205F,
            0x2060,
            0x3000,
            0xFEFF,
        ),
    )
)
"""What is trimmed off a text: blanks, control characters, and signs without width, which copying from pages adds."""

_BLANK = frozenset(
    {
        "", "-", "--", "–", "—", ".", "nan", "null", "(null)", "nil", "none", "n/a", "n.a.", "<na>", "\\n", "undefined",
        "(none)", "(blank)", "(empty)", "k.a.", "k. a.",
        "#n/a", "#na", "#n/d", "#nv", "#ref!", "#value!", "#div/0!", "#name?", "#null!", "#num!",
    }
)  # fmt: skip
"""What spreadsheets, databases and pandas write for nothing, in lower case; ``NA`` is nothing in capitals only."""

MAX_LITERAL_CHARS = 1 << 20
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|&(?:[a-zA-Z]{2,8}|#\d{1,6}|#[xX][\da-fA-F]{1,5});")
_ESCAPED_MARKUP = re.compile(
    r"<(?:p|div|ul|ol|b|i|em|strong|span|h[1-6]|table)\b[^<>]{0,200}>[^<]*(?:<|$)|</(?:b|i|em|strong|span)>|<br\s*/?>"
)
_LINE_TAGS = frozenset({"br", "p", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN_TAGS = frozenset({"script", "style"})
_TAG_NAME = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\s*\n\s*")


def clean_text(text: str) -> str:
    """The text in Unicode NFC, trimmed, lines ended by ``\\n``, without control characters and lone surrogates.

    Joiners and direction marks inside it stay: emoji and right-to-left text need them.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    text = _decoded_once(text.replace("\r\n", "\n").replace("\r", "\n"))
    return unicodedata.normalize("NFC", _UNWANTED.sub("", text)).strip(EDGES)


def _decoded_once(text: str) -> str:
    """``Café`` for ``CafÃ©``: UTF-8 that a shop's system read as Windows-1252 and wrote as UTF-8 again."""
    if text.isascii() or not _TWICE_ENCODED.search(text):
        return text
    try:
        return b"".join(map(_byte_of, text)).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return text


def _byte_of(sign: str) -> bytes:
    return sign.encode("latin-1" if "\x80" <= sign <= "\x9f" else "cp1252")


_TWICE_ENCODED = re.compile("[ÂÃÄÅÐÑ][\x80-\xbfŒœŠšŸŽžƒˆ˜–-›€™]|â€")


def key_text(text: str) -> str:
    """A shop's key: trimmed, on one line, without control characters and lone surrogates, and else as the file spells
    it, whatever the encoding of its letters and however many blanks it has; so the shop knows it again."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return " ".join(line.strip(EDGES) for line in _UNWANTED.sub("", text).splitlines()).strip()


def is_blank(value: object) -> bool:
    """Whether a cell is empty: None, NaN, an empty container, or the words that spreadsheets write for them."""
    if value is None or value != value:
        return True
    if isinstance(value, str):
        if not value:
            return True
        if len(value) > 20:
            return value.isspace() or not value.strip(EDGES)
        if value[0].isalnum() and value[0] not in "nNuUkK":
            return False
        stripped = value.strip(EDGES)
        return stripped.lower() in _BLANK or stripped == "NA"
    return isinstance(value, (list, tuple, dict)) and not value


_FORMULA_TEXT = re.compile(r'=(?:HYPERLINK\([^()"]*(?:"[^"]*")[^()"]*[,;]\s*)?"((?:[^"]|"")*)"\s*\)?', re.IGNORECASE)
_APOSTROPHE = re.compile(r"'(?:[=+@-].*|\d[\d.,/ -]*)")


def without_spreadsheet_marks(text: str) -> str:
    """The text that a spreadsheet shows: ``00123`` for ``="00123"`` and for ``'00123``, a link's for ``=HYPERLINK``."""
    if text[:1] == "=" and (formula := _FORMULA_TEXT.fullmatch(text)) is not None:
        return formula[1].replace('""', '"')
    return text[1:] if text[:1] == "'" and _APOSTROPHE.fullmatch(text) else text


_DIRECTIVE = re.compile(
    r"\{\{/?(?:widget|media|store|block|config|var|view|customvar|trans|depend|if|else|layout|skin|template|css|htmlescape)\b"
    r"[^{}]*\}\}|\[/?(?:[a-z]+_[a-z0-9_]+|caption|gallery|embed|playlist|video|audio|row|column|col|products?|section)"
    r"(?:\s[^\[\]]*)?/?\]",
    re.IGNORECASE,
)
"""What a shop's own page is made by: Magento's directives, WordPress's shortcodes."""

_LINE_END = re.compile(r"\\r\\n|\\n|\\r")


def display_text(text: str) -> str:
    """The text that a cell shows: clean, without markup, entities, spreadsheet marks and written-out line ends."""
    text = without_spreadsheet_marks(clean_text(text))
    if "\\" in text and " " in text:  # a path has none
        text = _LINE_END.sub("\n", text)
    return without_markup(text)


def one_line(title: str) -> str:
    """A title without breaks, and without what stands before it where a part of it was empty."""
    return _GAPS.sub(" ", title).strip(" ").lstrip(" ,;，")


_GAPS = re.compile(r"[ \t\r\n]+")


def without_directives(text: str) -> str:
    """A description without the directives and shortcodes that a shop's page is made by."""
    shown = _DIRECTIVE.sub(" ", text) if "{{" in text or "[" in text else text
    return text if shown == text else _BLANKS.sub(" ", shown)


_TEXT_KEYS = ("value", "text", "content", "html")


def rich_text(value: object, depth: int = 0) -> str | None:
    """The text of a document that an editor keeps as JSON, of Shopify, Contentful, Sanity, Quill and others; None of
    any other value. Each block is a line."""
    if depth == 0 and not _is_document(value):
        return None
    if isinstance(value, (list, tuple)):
        texts = [rich_text(each, depth + 1) for each in value] if depth <= _MAX_RICH_DEPTH else []
        return ("" if all(map(_is_inline, value)) else "\n").join(text for text in texts if text)
    if isinstance(value, Mapping):
        if isinstance(inserted := value.get("insert"), str):  # Quill
            return inserted
        own = next((value[key] for key in _TEXT_KEYS if isinstance(value.get(key), str)), "")
        held = [each for each in value.values() if isinstance(each, (list, tuple, Mapping))]
        inner = [text for each in held if (text := rich_text(each, depth + 1))] if depth <= _MAX_RICH_DEPTH else []
        items = value.get("items")  # of a list in Editor.js
        points = [each for each in items if isinstance(each, str)] if isinstance(items, list) else []
        return "\n".join([*([str(own)] if own else []), *points, *inner])
    return ""


def _is_inline(part: object) -> bool:
    """Whether a part of a document stands in the line of the one before it."""
    if not isinstance(part, Mapping):
        return False
    kind = part.get("type", part.get("nodeType", part.get("_type")))
    is_bare = kind is None and isinstance(part.get("text"), str)
    return is_bare or "insert" in part or (isinstance(kind, str) and kind in _INLINE)


def _is_document(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_block, value)) and any(map(_has_spans, value))
    if not isinstance(value, Mapping):
        return False
    if len(value) == 1 and isinstance(only := next(iter(value.values())), (Mapping, list)):
        ops = only if "ops" in value and isinstance(only, list) else []
        return ("root" in value and _is_document(only)) or any(
            isinstance(each, Mapping) and "insert" in each for each in ops
        )
    if _PARTS.isdisjoint(value):
        return False
    kind = value.get("type", value.get("nodeType"))
    parts = (value.get(key) for key in _PARTS)
    return (kind in ("root", "doc", "document") or not value.keys() - _OF_DOCUMENT) and any(
        isinstance(each, (list, tuple)) for each in parts
    )


def _is_block(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("_type", value.get("type")), str)


def _has_spans(block: Mapping[str, object]) -> bool:
    """Whether a block of Sanity, Slate or Strapi holds texts, right in it or in the blocks that it holds."""
    parts = block.get("children")
    return isinstance(parts, list) and any(
        isinstance(each, Mapping) and (isinstance(each.get("text"), str) or (_is_block(each) and _has_spans(each)))
        for each in parts
    )


_PARTS = frozenset({"children", "content", "blocks", "sections"})
_MAX_RICH_DEPTH = 30
_INLINE = frozenset({"text", "link", "hyperlink", "link-text", "span"})
_OF_DOCUMENT = frozenset({"blocks", "entityMap", "sections", "time", "version"})


def parse_literal(text: str) -> object:
    """A list or an object written as text, in JSON, as Python, NumPy or Ruby writes it; any other text as it is."""
    text = text.strip()
    if text.startswith("array(") and (inner := _NUMPY_CALL.fullmatch(text)) is not None:
        text = inner[1]
    if len(text) > MAX_LITERAL_CHARS or text[:1] + text[-1:] not in ("[]", "{}", "()"):
        return text
    for spelled in (text, text.replace('"=>', '":').replace(":nil", ":null")):
        try:
            return json.loads(spelled, parse_constant=lambda name: None)
        except (ValueError, RecursionError):
            continue
    if _NUMPY_LIST.fullmatch(text):
        return [quoted or double or bare for quoted, double, bare in _IN_NUMPY_LIST.findall(text)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a backslash that escapes nothing
            found = ast.literal_eval(re.sub(r"\bnan\b", "None", text) if "nan" in text else text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return _array(text)
    if isinstance(found, set):
        ordered = ast.literal_eval(f"[{text[1:-1]}]")
        return ordered if all(isinstance(each, str) for each in ordered) else _array(text)
    return found if isinstance(found, (list, tuple, dict)) else text


def _array(text: str) -> object:
    """PostgreSQL's ``{red,"dark blue"}`` as a list, in its order; any other text as it is."""
    if not _ARRAY.fullmatch(text):
        return text
    return [quoted.replace('\\"', '"') or plain.strip() for quoted, plain in _IN_ARRAY.findall(text[1:-1])]


_NUMPY_CALL = re.compile(r"array\((\[.*\])(?:, dtype=\w+)?\)", re.DOTALL)
_IN_NUMPY_LIST = re.compile(r"""'([^'\\]*)'|"([^"\\]*)"|(-?\d+\.?\d*)""")
_NUMPY_LIST = re.compile(rf"\[\s*(?:{_IN_NUMPY_LIST.pattern})(?:\s+(?:{_IN_NUMPY_LIST.pattern}))+\s*\]")
"""Values with only blanks between them, which Python would take for one text."""

_IN_ARRAY = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}:\s][^",{}:]*)')
_ARRAY = re.compile(rf"\{{(?:{_IN_ARRAY.pattern})(?:,(?:{_IN_ARRAY.pattern}))+\}}")


def plain(value: str | int | float | datetime.date) -> str:
    """One scalar as text; whole floats without ``.0``, since spreadsheets turn codes into floats."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def texts_of(cell: object) -> Iterator[str]:
    """The texts and numbers of a cell that holds one or several, as codes."""
    for part in cell if isinstance(cell, (list, tuple)) else (cell,):
        if isinstance(part, (str, int, float)) and not isinstance(part, bool) and not is_blank(part):
            yield plain(part).lstrip("'")


def without_markup(text: str) -> str:
    """The text an HTML fragment shows, block tags as line ends; other text is returned as it is.

    Takes time linear in the text for any input, which ``html.parser`` of Python 3.11 does not.
    """
    if ("<" not in text and "&" not in text) or not _MARKUP.search(text):
        return text
    pieces: list[str] = []
    position = 0
    lowered = text.lower()
    while (start := text.find("<", position)) >= 0:
        pieces.append(text[position:start])
        position, gap = _after_tag(text, lowered, start)
        pieces.append(gap)
    pieces.append(text[position:])
    shown = html.unescape("".join(pieces))
    if len(pieces) == 1 and _ESCAPED_MARKUP.search(shown):
        return without_markup(shown)  # markup that was escaped as a whole
    return _EMPTY_LINES.sub("\n", _BLANKS.sub(" ", shown)).strip()


def _after_tag(text: str, lowered: str, start: int) -> tuple[int, str]:
    """Where the text continues after the ``<`` at ``start``, and what replaces the tag."""
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
