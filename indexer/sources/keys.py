"""What the items of a table go by: the columns of their keys, or what serves as one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Literal

from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded, has_word, is_named_as, n_known_names, name_table, words_of
from vitrina.indexer.sources.column_values import (
    AMOUNT,
    MAX_NAME_CHARS,
    Sample,
    are_codes,
    are_different,
    are_different_texts,
    cell_at,
    column_with,
    is_of_digits,
    is_product,
    named_by_values,
)
from vitrina.search.types.errors import SourceError

KeyedBy = Literal["key", "title", "image", "row"]
"""What items go by: their keys, titles where nothing is a key, also where they repeat for each image, or where they
repeat otherwise, with what else their rows say."""

_KEYS = (
    "sku id pid article artikel item material style model part handle index gtin upc isbn asin ean barcode plu model"
)
"""Words in the names of keys, besides those that other languages have for a code or a number."""

_KEY = re.compile(r"(?:\w+_)?keys?|art")
"""What is called a key itself, and is no ``key_features``; ``art`` is short for the article's number."""

_QUALITIES = frozenset({"material", "style", "art", "model"})
"""Names of codes in some programs, and of oak, wool, a kind of product and what it is called in others."""

_CHANGING = re.compile(
    r"stock|availab|quantity|qty|inventory|rating|review|updated|modified|created|date|sold|rank|badge|promo|discount|sale|lager|bestand"
)
"""What is in the names of columns that say how an item is doing, and not what it is."""

_MEASURES = frozenset(
    str.split("dimension dimensions format formato abmessung abmessungen thickness epaisseur dicke espesor")
)
"""Words in the names of sizes that may be numbers alone, besides those of options."""

_NUMBER_OF_FILE = re.compile(r"(?:(?![/\\])[\W_])*\d*\.\w{3,4}$")
"""What the files of a product's images are told apart by, as ``mug_1.jpg`` and ``mug_2.png``."""

_OF_CAMERA = re.compile(
    r"(?:img|imagen?|images|dsc[nf]?|pxl|vid|gopr|sam|p|cam|scan|screenshot|whatsappimage|pic|pict|pics|picture|photo|foto"
    r"|bild|bilde|billede|kep|kuva|immagine|imagem|afbeelding|zdjecie|obrazek|resim|gorsel|фото|изображение|画像|写真|图片|圖片"
    r"|이미지|사진|unnamed|untitled|download|file|default|product|item)?",
    re.IGNORECASE,
)
"""The letters of what a camera, a phone or nobody in particular called a file, as ``IMG_0001.jpg`` and ``1.jpg``."""

_SKU_LIKE = re.compile(r"sku|id\b|id$|code|number|key|handle|ref|ean|gtin", re.IGNORECASE)


def key_in(sample: Sample, columns: Sequence[str]) -> str | None:
    """The first column whose name has a word of a key, and that has another short value in every row but a line of
    totals; None if there is none, or one row alone. Row numbers, which a program added, come last."""
    words = frozenset(_KEYS.split())
    for column in sorted(columns, key=lambda each: folded(each) in ("index", "unnamed_0")):
        name = folded(column)
        if has_word(name, "words", "sku") or not words.isdisjoint(words_of(name)) or _KEY.fullmatch(name):
            is_other = has_word(name, "not", "other") or has_word(name, "not", "sku")
            filled = [row for row in sample() if not is_blank(row.get(column))]
            if name in _QUALITIES and not are_codes([str(row[column]).strip() for row in filled]):
                continue
            if (not is_other or name in words) and len(sample()) <= len(filled) + 1 and are_different(filled, column):
                return column
    return None


def are_nearly_all_titles(rows: Sequence[Mapping[str, object]], column: str, price: Sequence[str] = ()) -> bool:
    """Whether a column has a title in each row, and another one in at least four of five, or in half of them where no
    two have the same options, or none has two prices: a product in two sizes has one in two rows. One row alone is
    enough; the same row again does not count."""
    rows = list({repr(row): row for row in rows}.values())
    titles = [str(row[column]).strip() for row in rows if not is_blank(row.get(column))]
    is_short = all(len(title) <= MAX_NAME_CHARS and any(map(str.isalpha, title)) for title in titles)
    if len(titles) < max(1, len(rows)) or not is_short:
        return False
    options = [each for row in rows for each in row if has_word(folded(each), "words", "option")]
    sold = {repr([row.get(each) for each in (column, *options)]) for row in rows}
    prices = [[cell for each in price if not is_blank(cell := cell_at(row, each))] for row in rows]
    priced = {(title, repr(found)) for title, found in zip(titles, prices, strict=True)}
    n_titles = len({*titles})
    is_told = len(sold) == len(rows) or (all(prices) and len(priced) == n_titles)
    return 5 * n_titles >= 4 * len(rows) or (is_told and len(rows) < 2 * n_titles)


def row_digest(cells: Mapping[str, object], without: Collection[str]) -> str:
    """Eight hexadecimal digits of SHA-256 that stand for what a row says in words, or as an option, ``without`` some of
    its columns: numbers, dates and stock change while an item stays what it is."""
    told = {name: cell for name, cell in cells.items() if name not in without and _is_lasting(name, cell)}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _is_lasting(name: str, cell: object) -> bool:
    """Whether a cell says something that an item keeps."""
    has_words = any(map(str.isalpha, str(cell))) and not _CHANGING.search(folded(name))
    is_measure = not _MEASURES.isdisjoint(words_of(folded(name)))
    return not is_blank(cell) and (has_words or is_measure or has_word(folded(name), "words", "option"))


def are_items_by_row(rows: Sequence[Mapping[str, object]], column: str, price: Sequence[str]) -> bool:
    """Whether nearly all rows have a title, and say something else than others do, besides their prices; at least half
    of the titles, or else nearly all with their options, differ, as long as these are no collections. Sales of the same
    products do not."""
    rows = list({repr(row): row for row in rows}.values())
    titles = [str(row[column]).strip() for row in rows if not is_blank(row.get(column))]
    n_titled = sum(len(title) <= MAX_NAME_CHARS and any(map(str.isalpha, title)) for title in titles)
    names = dict.fromkeys(each for row in rows for each in row)
    options = [each for each in names if has_word(folded(each), "words", "option")]
    n_sold = len({repr([row.get(each) for each in (column, *options)]) for row in rows})
    n_apart = len({row_digest(row, price) for row in rows})
    is_nearly_all = [10 * n >= 9 * len(rows) for n in (n_titled, n_apart, n_sold)]
    is_told = is_nearly_all[2] or 2 * len({*titles}) >= len(rows) or folded(column) in name_table("perhaps")["title"]
    return len(rows) > 1 and all(is_nearly_all[:2]) and is_told


def found_keys(
    fields: dict[str, tuple[str, ...]], free: Sequence[str], sample: Sample, images: Sequence[str], *, is_alone: bool
) -> tuple[tuple[str, ...], KeyedBy]:
    """The columns of keys where no name says it, and whether titles, addresses or images' names must serve; takes those
    with barcodes, and titles that are numbers, out of ``fields``, and puts the titles that only their values tell into
    it."""
    key, own = key_in(sample, free), fields.pop("sku", ())
    if not key and not own:  # "Artikel" may be the number or the name
        own = tuple(each for each in fields.get("title", ()) if is_of_digits(sample(), each))[:1]
        titles = tuple(each for each in fields.pop("title", ()) if each not in own)
        fields |= {"title": titles} if titles else {}
    is_cut = not is_alone or any(map(_is_title_name, fields.get("title", ())))
    prices = fields.get("price", ())
    is_open = not key and is_cut and any(all(is_blank(row.get(each)) for each in own) for row in sample() or ({},))
    if is_open and "title" not in fields and ("price" in fields or images or column_with(AMOUNT, sample, free)):
        named = named_by_values(sample, free, is_priced="price" in fields) or _series(sample(), free, prices)
        fields |= {"title": named} if named else {}
    others = [each for name in ("title", "url") for each in fields.get(name, ())[:1]]
    others += [each for column in images[:1] for each in (column, f"{column}.path")]
    others += () if "title" in fields else fields.get("description", ())[:1]  # which is then short
    serving = [each for each in fields.get("title", ())[:1] if is_open and _are_pictured(sample(), each, images)]
    keyed_by: KeyedBy = "image" if serving else "title"
    serving = serving or [each for each in others if is_open and are_different_texts(sample(), each)][:1]
    if not serving and is_open and (len(sample()) > 1 or bool(prices) or bool(images)):
        serving = [each for each in fields.get("title", ()) if are_nearly_all_titles(sample(), each, prices)][:1]
    if not serving and is_open and not is_alone and (prices or images):
        paid = (*prices, *fields.get("sale_price", ()), *fields.get("price_cents", ()))
        named = fields.get("title") or fields.get("description", ())  # which is then short
        serving = [each for each in named[:1] if are_items_by_row(sample(), each, paid)]
        keyed_by = "row"
    return (*((key,) if key else ()), *own, *serving), keyed_by if serving else "key"


def _series(rows: Sequence[Mapping[str, object]], columns: Sequence[str], prices: Sequence[str]) -> tuple[str, ...]:
    """The column of collections, by which a trade calls products with prices that have no other name, as tiles."""
    known = name_table("perhaps")["title"]
    named = [column for column in columns if folded(column) in known] if prices and len(rows) > 1 else []
    texts = {column: [str(row.get(column) or "").strip() for row in rows] for column in named}
    told = (each for each in named if all(map(_has_letters, texts[each])) and len({*texts[each]}) > 1)
    return (*islice(told, 1),)


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _are_pictured(rows: Sequence[Mapping[str, object]], title: str, images: Sequence[str]) -> bool:
    """Whether a table has a row for each image of a product: rows with one title say the same besides the image, whose
    file is called as those of their other rows are, and as none of another title's, but for its number. Files that a
    camera called tell nothing."""
    if len(images) != 1 or not rows or any(is_blank(row.get(title)) for row in rows):
        return False
    told = {repr({name: cell for name, cell in row.items() if name != images[0]}) for row in rows}
    named = {(str(row[title]).strip(), _NUMBER_OF_FILE.sub("", str(row.get(images[0])))) for row in rows}
    n_titles, n_files = (len({*found}) for found in zip(*named, strict=True))
    names = (re.sub(r"[\W\d_]", "", re.split(r"[\\/]", file)[-1]) for _, file in named)
    return not any(map(_OF_CAMERA.fullmatch, names)) and len(rows) > len(told) == len(named) == n_titles == n_files


def _is_title_name(column: str) -> bool:
    """Whether a column is called a title and nothing else, as the names of columns that were not parted are."""
    others = ("sku", "description", "price", "image", "url")
    return not any(has_word(folded(column), "words", each) for each in others)


def keyed_note(name: str, column: str, keyed_by: KeyedBy, n_further: int) -> str:
    """The note of what the items of a file go by where nothing is a key, and how many of its rows were taken for
    further images of others."""
    more = " and, as it repeats, a digest of what else a row says besides prices" if keyed_by == "row" else ""
    note = f"{name} has no column of keys: items go by {column}{more}; --map sku=COLUMN names a key."
    were = "row was taken for a further image" if n_further == 1 else "rows were taken for further images"
    return f"{note} {n_further:,} {were} of products above, as they say the same." if n_further else note


def no_key(columns: Sequence[str], source: str) -> SourceError:
    """The error for a table in which nothing is a key, with the column that likely is one."""
    if is_product(columns) or (not n_known_names(columns) and any(each.strip().isdecimal() for each in columns)):
        return SourceError(
            f"The first line of {source} looks like a product and not like the names of columns: "
            f"{shown_columns(columns)}.",
            remedy="Write a line with the columns' names above it, such as: sku,title,price,image",
            details={"columns": list(columns)},
        )
    named = [column for column in columns if folded(column) not in ("", "index", "unnamed_0")] or [*columns]
    likely = [each for each in named if _SKU_LIKE.search(each)]
    guess = [*likely, *(each for each in named if is_named_as("title", folded(each))), named[0]][0]
    spelled = f"sku={guess}" if re.fullmatch(r"[\w.-]+", guess) else f'"sku={guess}"'
    return SourceError(
        f"{source} has no column that looks like a product's key. Its columns are: {shown_columns(columns)}.",
        remedy=f"Say which one identifies a product, for example: --map {spelled}",
        details={"columns": list(columns)},
    )


def shown_columns(columns: Sequence[str]) -> str:
    """The names of columns as an error shows them."""
    shown = ", ".join(column[:60] for column in columns[:60])
    return shown if len(columns) <= 60 else f"{shown} and {len(columns) - 60} more"
