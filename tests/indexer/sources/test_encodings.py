"""Encodings are told rightly or asked for; a text never comes out as gibberish."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from babel import Locale

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.encodings import detect_encoding
from vitrina.search.types.errors import SourceError

CODECS = {
    "ru": ("cp1251", "koi8-r"), "uk": ("cp1251",), "ja": ("cp932", "euc_jp"), "zh": ("gb18030",), "zh_Hant": ("big5",),
    "ko": ("cp949",), "pl": ("cp1250", "iso8859-2"), "cs": ("cp1250",), "hu": ("cp1250",), "tr": ("cp1254",),
    "el": ("cp1253",), "he": ("cp1255",), "ar": ("cp1256",), "th": ("cp874",), "de": ("cp1252", "mac_roman"),
    "fr": ("cp1252", "mac_roman"), "es": ("cp1252",), "pt": ("cp1252",), "da": ("cp1252",), "sv": ("cp1252",),
}  # fmt: skip


def names(language: str, codec: str) -> list[str]:
    """Words in a language that an encoding can write: its names of countries and languages."""
    locale = Locale.parse(language)
    found = []
    for name in (*locale.territories.values(), *locale.languages.values()):
        try:
            name.encode(codec)
        except UnicodeEncodeError:
            continue
        found.append(name)
    return found


@pytest.mark.parametrize(("language", "codec"), [(code, codec) for code, known in CODECS.items() for codec in known])
def test_a_catalog_in_an_old_encoding_is_read_rightly_or_not_at_all(tmp_path: Path, language: str, codec: str) -> None:
    rng, words, n_read = random.Random(0), names(language, codec), 0
    for number in range(12):
        text = "sku,title\n" + "".join(f"{at},{name}\n" for at, name in enumerate(rng.sample(words, 60)))
        path = write(tmp_path, f"{number}.csv", text.encode(codec))
        try:
            found = detect_encoding(path)
        except SourceError:
            continue
        assert path.read_bytes().decode(found.name, found.errors) == text
        n_read += 1
    assert n_read >= 3


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1251", "Серая куртка;Зелёное пальто"),
        ("gb18030", "灰色外套;绿色长裤"),
        ("cp932", "グレーのジャケット;みどりのズボン"),
    ],
)
def test_a_few_rows_are_right_or_stopped(tmp_path: Path, codec: str, text: str) -> None:
    rows = text.split(";")
    path = write(tmp_path, "shop.csv", "".join(["sku,title\n", *(f"{row[0]},{row}\n" for row in rows)]).encode(codec))
    try:
        records, _ = read(path)
    except SourceError:
        source = open_source(str(path), encoding=codec)
        assert [row.item.title for row in source.rows()] == rows  # type: ignore[union-attr]
    else:
        assert [record.item.title for record in records] == rows
        assert "was read as" in open_source(str(path)).notes[0]


def test_utf_16_and_32(tmp_path: Path) -> None:
    for codec in ("utf-16", "utf-32", "utf-16-le", "utf-16-be"):
        assert only(write(tmp_path, "shop.csv", "sku,title\n1,Größe 灰\n".encode(codec))).item.title == "Größe 灰"


def test_an_encoding_that_is_given(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "sku,title\n1,Größe\n".encode("cp850"))
    (row,) = open_source(str(path), encoding="cp850").rows()
    assert row.item.title == "Größe"  # type: ignore[union-attr]
    with pytest.raises(SourceError, match="no encoding 'klingon'"):
        open_source(str(path), encoding="klingon")
    with pytest.raises(SourceError, match="not in the encoding ascii"):
        open_source(str(path), encoding="ascii")
    with pytest.raises(SourceError, match="no text file"):
        open_source(str(write(tmp_path, "shop.parquet", b"PAR1")), encoding="cp850")


def test_ordinals_are_signs_that_shops_write(tmp_path: Path) -> None:
    text = "sku;nombre\n1;Castañuelas de fibra nº 5 para niños\n2;Interfaz de audio 4ª generación, cañas y púas\n"
    found = detect_encoding(write(tmp_path, "es.csv", text.encode("cp1252")))
    assert text.encode("cp1252").decode(found.name, found.errors) == text


def test_a_sign_of_diameter_is_no_letter_of_another_encoding(tmp_path: Path) -> None:
    lines = [f"K{i};Deckel für die Pfannen und Töpfe der Küche" for i in range(25)]
    text = "\n".join(["Artikelnummer;Artikelname", *lines, "K25;Spritzschutz für Pfannen, Ø 29 cm"])
    found = detect_encoding(write(tmp_path, "de.csv", text.encode("cp1252")))
    assert text.encode("cp1252").decode(found.name, found.errors) == text


def test_a_sign_of_degree_after_n_is_no_sign_of_another_encoding(tmp_path: Path) -> None:
    table = "Référence;Libellé;Quantité;Photo n°1\nR1;Bougie « Noël »;4;1.jpg\nR2;Savon à l'huile;9;2.jpg\n"
    record = read(write(tmp_path, "shop.csv", table.encode("cp1252")))[0][0]
    assert record.item.title == "Bougie « Noël »"


def test_a_few_signs_and_foreign_letters_do_not_hide_the_encoding_of_a_long_file(tmp_path: Path) -> None:
    rows = [f"{n};Bratpfanne Größe {n} Ø 28 cm für Gemüse, Crêpe und Spätzle\n" for n in range(200)]
    text = "Artikelnummer;Artikelname\n" + "".join(
        [*rows[:6], *(row.replace("Ø ", "").replace("Crêpe", "Soße") for row in rows[6:])]
    )
    found = detect_encoding(write(tmp_path, "jtl.csv", text.encode("cp1252")))
    assert text.encode("cp1252").decode(found.name, found.errors) == text


def test_hebrew_letters_that_only_end_words_are_others_inside_them(tmp_path: Path) -> None:
    rows = "".join(f"{n},Vitamin C 60капс\n{n + 9},Zinc 90 таб\n" for n in range(1, 9))
    found = detect_encoding(write(tmp_path, "shop.csv", f"sku,title\n{rows}".encode("cp1251")))
    assert found.name == "cp1251"
