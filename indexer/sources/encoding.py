"""Text files of unknown encoding, decoded without losing a row."""

from __future__ import annotations

import codecs
from pathlib import Path

from search.errors import SourceError

FALLBACK = "vitrina-cp1252"
"""A decoding error handler: bytes that are no UTF-8 are read one by one as Windows-1252, the usual other encoding of
spreadsheets in the West. Text in it hardly ever forms valid UTF-8, so files that mix both come out right too."""

N_SAMPLE_BYTES = 1 << 20


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="replace"), error.end


codecs.register_error(FALLBACK, _as_cp1252)


def detect_encoding(path: Path) -> tuple[str, tuple[str, ...]]:
    """The encoding to open a text file with, and a note if it is not UTF-8. Open it with ``errors=FALLBACK``.

    Judges the first MiB. Raises ``SourceError`` if the file is empty or no text.
    """
    with path.open("rb") as file:
        sample = file.read(N_SAMPLE_BYTES)
    if not sample.strip():
        raise SourceError(
            f"{path.name} is empty.", remedy="Export the catalog again; its first line names the columns."
        )
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", (f"{path.name} was read as UTF-16.",)
    if b"\0" in sample:
        raise SourceError(f"{path.name} is no text file: it holds NUL bytes.", remedy="Save it as text in UTF-8.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError as error:
        note = f"{path.name} is not UTF-8 (byte {error.start:,}): such bytes were read as Windows-1252."
        return "utf-8-sig", (f"{note} If letters look wrong, save it as UTF-8.",)
    return "utf-8-sig", ()


def count_lines(path: Path, max_bytes: int = 1 << 28) -> int | None:
    """The lines that end in the file; None for one larger than ``max_bytes``, 256 MiB or about a quarter second."""
    if path.stat().st_size > max_bytes:
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
