"""Text files' encodings: recognised where that is certain, and asked for where it is not."""

from __future__ import annotations

import codecs
import gzip
import io
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, TextIO

from charset_normalizer import from_bytes
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from vitrina.search.types.errors import SourceError

FALLBACK = "vitrina-cp1252"
"""A decoding error handler: bytes that are no UTF-8 are read one by one as Windows-1252, the usual other encoding of
spreadsheets in the West. Text in it hardly ever forms valid UTF-8, so files that mix both come out right too."""

UTF8 = "utf-8-sig"
N_SAMPLE_BYTES = 1 << 20
N_JUDGED_BYTES = 1 << 15
"""Bytes of lines that are not ASCII, from which an encoding is told."""


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="replace"), error.end


codecs.register_error(FALLBACK, _as_cp1252)


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """How to open a text file, and what to tell its owner about it."""

    name: str
    errors: str = FALLBACK
    notes: tuple[str, ...] = ()


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed if its name ends in ``.gz`` or it begins as such files do."""
    file = path.open("rb")
    is_packed = path.suffix.lower() == ".gz" or file.peek(2)[:2] == b"\x1f\x8b"
    if not is_packed:
        return file
    file.close()
    return gzip.open(path, "rb")  # type: ignore[return-value]


def open_text(path: Path, encoding: TextEncoding) -> TextIO:
    """Open a text file, line ends as they are."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding.name, errors=encoding.errors, newline="")


def detect_encoding(path: Path, given: str | None = None) -> TextEncoding:
    """The encoding of a text file, ``given`` or judged from its first MiB.

    Raises ``SourceError`` if the file is empty, is not a text, or is in an encoding that cannot be told for certain.
    """
    with open_bytes(path) as file:
        sample = file.read(N_SAMPLE_BYTES)
    if not sample.strip(b"\0 \t\r\n"):
        size = "0 bytes" if not sample else "only blanks"
        raise SourceError(
            f"{path.name} is empty: {size}.", remedy="Export the catalog again; its first line names the columns."
        )
    if given is not None:
        return _given(path, sample, given)
    if (marked := _by_mark(sample)) is not None:
        return TextEncoding(marked, "replace", (f"{path.name} was read as {marked.upper()}.",))
    if re.search(rb"\x1b[$(][@BJI]", sample):
        return TextEncoding("iso2022_jp", "replace", (f"{path.name} was read as ISO-2022-JP.",))
    if sample.count(0) > len(sample) // 100 + 3:  # a few are dirt, which cells are cleaned of
        raise SourceError(f"{path.name} is not a text file: it holds NUL bytes.", remedy="Save it as text in UTF-8.")
    if (at := _not_utf8_at(sample)) is None:
        return TextEncoding(UTF8)
    return _of_other(path, sample, at)


def _given(path: Path, sample: bytes, name: str) -> TextEncoding:
    try:
        codecs.lookup(name)
        codecs.getincrementaldecoder(name)().decode(sample)
    except LookupError as error:
        remedy = "Give a name such as cp1251, shift_jis, gb18030 or utf-8."
        raise SourceError(f"There is no encoding {name!r}.", remedy=remedy) from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path.name} is not in the encoding {name}: it has bytes at {error.start:,} that mean nothing in it.",
            remedy="Give another --encoding, or leave the option out.",
        ) from error
    is_utf8 = codecs.lookup(name).name in ("utf-8", "utf-8-sig")
    return TextEncoding(UTF8 if is_utf8 else name, "replace")


def _by_mark(sample: bytes) -> str | None:
    """UTF-16 and UTF-32 by their byte order mark, or by NULs that are all at every other byte of the beginning, as
    those of blanks, digits and delimiters are in any script."""
    if sample.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = sample[:200]
    for name, nul, text in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if len(start) > 3 and nul.count(0) > 0.05 * len(nul) and 0 not in text and _is_text(start, name):
            return name
    return None


def _is_text(sample: bytes, encoding: str) -> bool:
    """Whether bytes are letters and signs in an encoding; the last few may be cut off."""
    letters = sample.decode(encoding, "replace")[:-2]
    return all(unicodedata.category(letter) not in ("Cn", "Co", "Cs", "Cc") or letter in "\r\n\t" for letter in letters)


def _not_utf8_at(sample: bytes) -> int | None:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError as error:
        return error.start
    return None


def _of_other(path: Path, sample: bytes, at: int) -> TextEncoding:
    note = f"{path.name} is not UTF-8 (byte {at:,}): such bytes were read as Windows-1252."
    remedy = "If letters look wrong, save it as UTF-8, or give its --encoding."
    mixed = TextEncoding(UTF8, notes=(f"{note} {remedy}",))
    lines = [line for line in sample.splitlines() if not line.isascii()]
    others = [line for line in lines if _not_utf8_at(line + b"\n") is not None]
    if 2 * len(others) <= len(lines):
        return mixed
    found = _likely(b"\n".join(others)[:N_JUDGED_BYTES])
    if found is None:
        raise SourceError(
            f"{path.name} is not UTF-8 (byte {at:,}), and its encoding cannot be told for certain.",
            remedy="Save it as UTF-8, or say which it is, for example: --encoding cp1251, or shift_jis, or gb18030.",
        )
    if found == "cp1252":
        return mixed
    note = f"{path.name} is not UTF-8: it was read as {found} (--encoding overrides)."
    return TextEncoding(found, "replace", (note,))


_LATIN = ("cp1252", "cp1250", "iso8859-2", "cp1254", "cp1257", "mac_roman", "cp850", "cp852")
_RARE = frozenset({"mac_roman", "cp850", "cp852", "cp1257"})
_LEAST_OF_RARE = 6
"""Letters outside of ASCII that speak for a rare encoding at least. Of 954 samples in 36 languages the three that were
read wrongly, but for Romanian ş and ţ, had fewer; 32 that were right stop now."""

_LETTERS = {
    "de": "äöüß", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíñóúü", "it": "àèéìíòóùú", "pt": "àáâãçéêíóôõúü",
    "ca": "àçéèíïòóúü", "nl": "áéèëïíóöúü", "da": "æøåéü", "no": "æøåéòô", "nb": "æøåéòô",
    "sv": "åäöéü", "fi": "åäöéšž", "is": "áðéíóúýþæö", "en": "àáâäåçèéêëíïñóôöøúü", "pl": "ąćęłńóśźż",
    "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž", "hu": "áéíóöőúüű", "ro": "ăâîșțşţ", "tr": "âçğıîöşüi̇",
    "az": "çəğıöşü", "hr": "čćđšž", "bs": "čćđšž", "sl": "čšž", "et": "äõöüšž", "lv": "āčēģīķļņšūž",
    "lt": "ąčęėįšųūž", "sq": "çë", "eu": "ñü", "gl": "áéíñóúü", "af": "êëéôöïû", "ga": "áéíóú", "cy": "âêîôŵŷ",
    "mt": "ċġħż", "lb": "äéëöü",
}  # fmt: skip
"""The letters of languages in Latin script besides a to z."""

_OF_NAMES = frozenset("áàâãäåæçéèêëíïñóôöøúü")
"""Letters of names from other countries, which occur in every language."""

_MISREAD_DIAMETER = re.compile(r"(?<!\w)[ŘŲ] ?\d")
"""What the Ø of "Ø 29 cm" in Windows-1252 is in other encodings."""

_APART = frozenset("£°´·—¾½¼¿¡")
_SIGNS = frozenset("“”‘’„–—…•€£¥©®™°±²³·½¼¾×µ§«»¿¡\u00a0´\u00ad†")


def _likely(judged: bytes) -> str | None:
    """The one encoding in which these lines read as a language; None if there is none, or several that differ."""
    judged_by_letters = _SHARP_S.sub(b"a\xdf", judged)
    n_high = sum(byte >= 0x80 for byte in judged_by_letters)
    n_beside = sum(map(len, re.findall(rb"[\x80-\xff]{2,}", judged_by_letters)))
    is_latin = n_beside < 0.6 * n_high
    if is_latin:
        return _latin(judged)
    return _other_script(judged) or (_latin(judged) if n_beside < 0.8 * n_high else None)


_SHARP_S = re.compile(rb"[\xe4\xf6\xfc]\xdf")
"""As in "Größe", which alone has two letters that are not ASCII beside each other in German."""


def _decoded(judged: bytes, names: Sequence[str]) -> dict[str, str]:
    texts = {}
    for name in names:
        try:
            texts[name] = codecs.getincrementaldecoder(name)().decode(judged)  # which may end within a character
        except UnicodeDecodeError:
            continue
    return texts


MAX_LETTERS = 60
"""How many letters speak for a language at most: names from other countries do not, however many there are."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How well a text reads in a language: its probability by the words, and the share of letters that it has."""

    probability: float
    language: str
    share: float
    n_letters: int

    @property
    def score(self) -> float:
        return self.probability * self.share ** min(MAX_LETTERS, self.n_letters)

    def ratio_to(self, other: _Reading) -> float:
        """How much likelier this is than another reading of the same text. In one language all letters count."""
        n_more = max(0, min(self.n_letters, other.n_letters) - MAX_LETTERS) if self.language == other.language else 0
        return self.score / other.score * math.exp(min(100.0, n_more * math.log(self.share / other.share)))


def _latin(judged: bytes) -> str | None:
    readings: dict[str, tuple[_Reading, str]] = {}
    for name, text in _decoded(judged, _LATIN).items():
        if text not in readings and (reading := _read_latin(text)) is not None:
            readings[text] = reading, name
    ranked = sorted(readings.values(), key=lambda each: each[0].score, reverse=True)
    if not ranked:
        return None
    best, name = ranked[0]
    if name in _RARE and sum(byte >= 0x80 for byte in judged) < _LEAST_OF_RARE:
        return None
    return name if all(best.ratio_to(other) > (3 if name == "cp1252" else 10) for other, _ in ranked[1:]) else None


@cache
def _identifier() -> LanguageIdentifier:
    """The model of all languages that py3langid knows, loaded when it is first needed: it takes a second."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _read_latin(text: str) -> _Reading | None:
    """How well a text reads in its likeliest language whose letters it has; None for signs that no shop writes."""
    if _MISREAD_DIAMETER.search(text):
        return None
    found: list[str] = []
    for before, sign, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
        if sign.isascii():
            continue
        if sign in "ªº" or (sign == "°" and before in "nN"):  # 4ª, nº, n°
            if not before.isalnum():
                return None
        elif sign == "Ø" and not before.isalpha() and not after.isalpha():  # a diameter: Ø 29 cm
            continue
        elif sign.isalpha():
            if sign.isupper() and before.islower():
                return None
            found.append(sign.lower())
        elif sign not in _SIGNS or (before.isalpha() and sign not in "’‘" and (after.isalpha() or sign in _APART)):
            return None
    probabilities = dict(_identifier().rank(text[:4096]))
    if not found:
        return _Reading(1.0, "", 1.0, 0)
    foreign = [0.8 * (letter in _OF_NAMES) for letter in found]
    shares = {
        code: sum(max(letter in letters, less) for letter, less in zip(found, foreign, strict=True)) / len(found)
        for code, letters in _LETTERS.items()
    }
    readings = (
        _Reading(float(probabilities.get(code, 0.0)), code, share, len(found)) for code, share in shares.items()
    )
    best = max(readings, key=lambda each: each.score)
    return best if best.score else None


_COMMON: Mapping[str, str] = {
    "cp1251": r"[оеаинтсрвлкмдпу]", "koi8-r": r"[оеаинтсрвлкмдпу]", "cp866": r"[оеаинтсрвлкмдпу]",
    "iso8859-5": r"[оеаинтсрвлкмдпу]", "mac_cyrillic": r"[оеаинтсрвлкмдпу]",
    "cp1253": r"[αοιετσνηυρπκλμάόήώέί]", "iso8859-7": r"[αοιετσνηυρπκλμάόήώέί]",
    "cp1255": r"[א-ת]", "cp1256": r"[ا-يةأإآؤئىپچگک]", "cp874": r"[ก-ฺเ-์]",
    "cp949": r"[가-힣]", "cp932": r"[぀-ヿ]", "euc_jp": r"[぀-ヿ]",
}  # fmt: skip
_LEAST_COMMON = {
    "cp1253": 0.7,
    "iso8859-7": 0.7,
    "cp932": 0.3,
    "euc_jp": 0.3,
    "cp1255": 0.97,
    "cp1256": 0.97,
    "cp874": 0.97,
    "cp949": 0.97,
}
_HAN = {"gb18030": (0xB0, 0xD7), "big5": (0xA4, 0xC6), "cp932": (0x88, 0x97), "euc_jp": (0xB0, 0xCF)}
"""First bytes of the characters in daily use: level 1 of GB 2312, of Big5 and of JIS X 0208."""

_NO_WORD = re.compile(
    r"[^\W\d_][€\u00a0¶§£]|[\u00a0—“¶’≤≥][^\W\d_]*[^\W\d_A-Za-z]"  # signs inside words
    r"|[A-Za-z][Ͱ-ۿ]|[Ͱ-ۿ][A-Za-z]|[A-Za-z][฀-๿가-힣][a-z]"  # two scripts in one word
    r"|[а-яё][А-ЯЁ]|(?<![ก-ฮัิ-ฺ])[ัิ-ฺ]"  # a capital after a small letter, a Thai vowel after no consonant
)


def _other_script(judged: bytes) -> str | None:
    names = (*_COMMON, "gb18030", "big5")
    texts = {name: text for name, text in _decoded(judged, names).items() if _reads(name, text)}
    if len(set(texts.values())) > 1:
        texts = {name: text for name, text in texts.items() if name in _preferred(judged, texts)}
    if len(set(texts.values())) != 1:
        return None
    best = from_bytes(judged, cp_isolation=[*texts], threshold=0.5).best()
    return None if best is None else next(iter(texts))


def _preferred(judged: bytes, texts: Mapping[str, str]) -> Sequence[str]:
    """Of several encodings in which a text reads, the one of whose letters alone it consists."""
    if len(re.findall(r"[가-힣]", texts.get("cp949", ""))) >= 16:
        return ["cp949"]
    if "cp1255" in texts and len(re.findall(r"[א-ת]", texts["cp1255"])) >= 40:
        has_capitals = re.search(rb"[\xc0-\xdf\xfb-\xff]", judged)  # of Cyrillic and Greek, and their last letters
        return [name for name in texts if name != "cp1255"] if has_capitals else ["cp1255"]
    return list(texts)


def _reads(name: str, text: str) -> bool:
    """Whether a text in another script consists of what is common in it."""
    letters = [sign for sign in text if sign >= "\x80" and sign not in _SIGNS and unicodedata.category(sign)[0] != "M"]
    if not letters or any(unicodedata.category(sign)[0] == "C" for sign in letters) or _NO_WORD.search(text):
        return False
    joined = "".join(letters).lower()
    if name == "cp874" and len(re.findall(r"[ะ-ฺเ-ๅ]", text)) < 0.25 * len(letters):
        return False
    ends = re.findall(r"[ךםןףץ]([א-ת]?)", text)  # letters that only end words in Hebrew
    if name == "cp1255" and 2 * sum(map(bool, ends)) > len(ends):
        return False
    share = len(re.findall(_COMMON[name], joined)) / len(joined) if name in _COMMON else 0.0
    if name in _HAN:
        low, high = _HAN[name]
        n_daily = sum(low <= sign.encode(name, "replace")[0] <= high for sign in joined if "\u4e00" <= sign <= "\u9fff")
        n_half = sum("\uff61" <= sign <= "\uff9f" for sign in joined)
        kana = len(re.findall(r"[぀-ヿ]", joined))
        is_japanese = name in ("cp932", "euc_jp")
        if n_half > 0.1 * len(joined) or (is_japanese and not kana) or (not is_japanese and kana > 0.1 * len(joined)):
            return False
        return n_daily + (kana if is_japanese else 0) >= 0.85 * len(joined)
    return share >= _LEAST_COMMON.get(name, 0.65)
