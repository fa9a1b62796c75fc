"""What a column holds, told by its values where its name does not say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import (
    WITHOUT_BLANKS,
    folded,
    has_word,
    is_named_as,
    n_known_names,
    name_table,
    words_of,
)
from vitrina.indexer.sources.money import parse_price
from vitrina.indexer.sources.price_names import is_per_measure
from vitrina.search.types.currencies import n_decimals
from vitrina.search.types.errors import InputError

Sample = Callable[[], Sequence[Mapping[str, object]]]
"""Gives the cells of a table's first rows; reads them only if they are asked for."""

_IMAGE = re.compile(r"\.(?:jpe?g|jfif|png|gif|webp|avif|heic|bmp|tiff?)(?:[?#].*)?$", re.IGNORECASE)
_OF_IMAGE_HOST = r"^(?:https?:)?//[a-z\d]{0,4}-?(?:img|images?)-?\d*\.[\w-]+\.\w"
"""An address at a host that serves nothing but images, as ``img2.shop.example`` is called."""

_IMAGE_FILE_OR_HOST = re.compile(rf"{_IMAGE.pattern}|{_OF_IMAGE_HOST}", re.IGNORECASE)
_WEB_ADDRESS = re.compile(r"^(?:https?:)?//|^www\.", re.IGNORECASE)
_IMAGE_OR_ADDRESS = re.compile(rf"{_WEB_ADDRESS.pattern}|{_IMAGE.pattern}", re.IGNORECASE)
_SIGNS = "$€£₹¥₽₴₺₩₫₸₪฿"
AMOUNT = re.compile(
    rf"^(?:(?:[{_SIGNS}] ?|(?:USD|EUR|GBP|CHF|CAD|AUD|INR|JPY|PLN|SEK|NOK|DKK) ?)\d[\d.,]*|\d[\d.,\s]*[{_SIGNS}])$"
)
_AMOUNTS = re.compile(rf"^(?:(?:\d[\d.,\s]*[{_SIGNS}]\s*){{1,2}}|(?:[{_SIGNS}]\s*\d[\d.,\s]*){{1,2}})$")
_WITH_CENTS = re.compile(r"^\d{1,6}[.,]\d\d$")
_QUANTITY = re.compile(r"qty|quantit|stock|count|pieces")
_PROSE = re.compile(r"^(?![\[{]).*\S\s+\S", re.DOTALL)
"""Words, and no list or object."""

_NUMBER = re.compile(r"\d+[.,]\d{1,2}")
_ZERO = re.compile(r"0+(?:[.,]0+)?|-1(?:[.,]0+)?")
MAX_KEY_CHARS = 64
MAX_NAME_CHARS = 256
"""What stands for a key where there is none, a title or an address, may be as long as a sku."""

MAX_SHORT_CHARS = 120
"""Descriptions of a table without titles that are nearly all as short as this are its titles."""


def _are_phrases(sample: Sample, column: str) -> bool:
    """Whether most keys of a table are rather names: words with blanks between them."""
    texts = [str(row[column]).strip() for row in sample() if not is_blank(row.get(column))]
    return sum(map(_is_phrase, texts)) * 2 >= max(1, len(texts))


def _is_phrase(text: str) -> bool:
    return " " in text and any(map(str.isalpha, text))


def column_with(pattern: re.Pattern[str], sample: Sample, columns: Iterable[str]) -> str | None:
    """The first column in which at least nine of ten values are as the pattern says; below that, a run's report names
    the column and leaves it to the shop."""
    rows = sample() if columns else ()
    for column in columns:
        texts = [cell.strip() for row in rows if isinstance(cell := row.get(column), str) and not is_blank(cell)]
        if texts and 10 * sum(map(bool, map(pattern.search, texts))) >= 9 * len(texts):
            return column
    return None


def _is_price_name(column: str) -> bool:
    """Whether nothing in a column's name says that its amounts are no prices of the products."""
    name = folded(column)
    others = words_of(name) & {*name_table("not")["price"]}
    return not (others - {"discount"} if has_word(name, "words", "price") else others) and not is_per_measure(name)


def are_codes(texts: Sequence[str]) -> bool:
    """Whether no text has a blank in it, or a word of a script that has none, and four of five have a digit."""
    if any(sign >= WITHOUT_BLANKS and sign.isalpha() for text in texts for sign in text):
        return False
    n_digits = sum(any(map(str.isdigit, text)) for text in texts)
    return not any(len(text.split()) > 1 for text in texts) and 5 * n_digits >= 4 * len(texts)


def are_different(rows: Sequence[Mapping[str, object]], column: str, max_chars: int = MAX_KEY_CHARS) -> bool:
    """Whether a column has another short value in each of several rows; the same row again does not count."""
    values = {str(row[column]).strip() for row in rows if not is_blank(row.get(column))}
    if 1 < len(values) < len(rows):
        rows = list({repr(row): row for row in rows}.values())
    return len(values) == len(rows) > 1 and all(len(value) <= max_chars for value in values)


def cell_at(cells: Mapping[str, object], column: str) -> object:
    """The cell under a column's name, or under a dotted path into nested objects; None if there is none."""
    if column in cells or "." not in column:
        return cells.get(column)
    head, _, rest = column.partition(".")
    inner = cells.get(head)
    if isinstance(inner, (list, tuple)):
        inner = next((part for part in inner if isinstance(part, Mapping)), None)
    if not isinstance(inner, Mapping):
        return None
    if rest in inner or (name := rest.partition(".")[0]) in inner:
        return cell_at(inner, rest)
    spelled = next((str(key) for key in inner if folded(str(key)) == name), None)  # minPrice for min_price
    return None if spelled is None else cell_at(inner, f"{spelled}{rest[len(name) :]}")


def are_different_texts(rows: Sequence[Mapping[str, object]], column: str) -> bool:
    """Whether a column, or a path into one, has another short text in each of several rows."""
    cells = [cell_at(row, column) for row in rows]
    found = [{**row, column: cell} for row, cell in zip(rows, cells, strict=True)]
    return all(isinstance(cell, str) for cell in cells) and are_different(found, column, MAX_NAME_CHARS)


def named_by_values(sample: Sample, columns: Sequence[str], *, is_priced: bool = False) -> tuple[str, ...]:
    """The first column that reads as titles; where it is called by a language, all that are, English first. Of rows
    with prices the first column may have titles of a word, as ``Piano`` above makes of pianos."""
    named = next((column for column in columns if _read_as_titles(sample, column)), None)
    if named is None and is_priced and len(sample()) > 2:
        named = next((column for column in columns[:1] if _read_as_titles(sample, column, is_lenient=True)), None)
    languages = name_table("codes")["languages"]
    if named is None or folded(named) not in languages:
        return () if named is None else (named,)
    others = [column for column in columns if folded(column) in languages]
    return tuple(sorted(others, key=lambda column: folded(column) != "en"))


def are_images(sample: Sample, columns: Sequence[str], named: Sequence[str]) -> bool:
    """Whether a column's addresses are those of images, and not of pages, by their endings or hosts, where no row fills
    a column that is ``named`` for images."""
    if column_with(_IMAGE_FILE_OR_HOST, sample, columns[:1]) is None:
        return False
    return all(is_blank(cell_at(row, column)) for row in sample() for column in named)


def are_unused(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> bool:
    """Whether most of several rows have nothing in any of the columns."""
    n_blank = sum(all(is_blank(cell_at(row, column)) for column in columns) for row in rows)
    return len(rows) > 1 and 2 * n_blank > len(rows)


def are_zero(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> bool:
    """Whether the columns say nothing but 0, or -1 for none, in any of several rows."""
    texts = [str(cell).strip() for row in rows for column in columns if not is_blank(cell := cell_at(row, column))]
    return bool(texts) and all(_ZERO.fullmatch(text) for text in texts)


def are_amounts(rows: Sequence[Mapping[str, object]], column: str) -> bool:
    """Whether most rows have an amount above 0 in a column."""
    return 2 * sum(_price(cell_at(row, column))[0] > 0 for row in rows) > len(rows)


def is_of_digits(rows: Sequence[Mapping[str, object]], column: str) -> bool:
    """Whether a column has another number, or code without any letter, in each of several rows."""
    texts = [str(row.get(column, "")) for row in rows]
    return are_different(rows, column) and not any(sign.isalpha() for text in texts for sign in text)


def _are_numbers(sample: Sample, column: str) -> bool:
    return all(str(row.get(column, "")).isdecimal() for row in sample())


def _are_titles(sample: Sample, columns: Sequence[str]) -> bool:
    """Whether nearly all of a table's only texts are as short as titles are."""
    texts = [str(row[columns[0]]) for row in sample() if not is_blank(row.get(columns[0]))] if columns else []
    n_short = sum(len(text) <= MAX_SHORT_CHARS and "\n\n" not in text and "<" not in text for text in texts)
    return bool(texts) and 10 * n_short >= 9 * len(texts)


def _filled_first(sample: Sample, columns: Sequence[str]) -> list[str]:
    """Columns as the table has them, those first that nine of ten rows fill."""
    rows = sample() if columns else ()
    order = list(rows[0] if rows else ())

    def place(column: str) -> tuple[bool, int]:
        n_filled = sum(not is_blank(cell_at(row, column)) for row in rows)
        return 10 * n_filled < 9 * len(rows), order.index(column) if column in order else len(order)

    return sorted(columns, key=place)


def _read_as_titles(sample: Sample, column: str, *, is_lenient: bool = False) -> bool:
    """Whether a column whose name says nothing has a short text in nearly each of several rows, mostly of several
    words, or leniently without digits, and another one in nearly each."""
    name = folded(column)
    if any(has_word(name, "not", each) for each in ("other", "title")) or has_word(name, "words", "option"):
        return False
    texts = [cell.strip() for row in sample() if isinstance(cell := row.get(column), str) and not is_blank(cell)]
    is_filled = len(texts) > 1 and 10 * len(texts) >= 9 * len(sample())
    n_worded = sum(_is_phrase(text) or (is_lenient and not re.search(r"[\d/@]", text)) for text in texts)
    is_worded = 10 * n_worded >= 8 * len(texts)
    return is_filled and is_worded and _are_titles(sample, [column]) and 10 * len({*texts}) >= 9 * len(texts)


def _is_code_of_described(fields: Mapping[str, tuple[str, ...]], sample: Sample) -> bool:
    """Whether what is called as titles are is the key, or has another code in each row, and short descriptions name
    the products."""
    title = fields.get("title", ())[:1]
    if not title or not _are_titles(sample, fields.get("description", ())):
        return False
    if title == fields["sku"][:1]:
        return not has_word(folded(title[0]), "words", "title") and not _are_phrases(sample, title[0])
    rows = sample()
    return are_codes([str(row.get(title[0])).strip() for row in rows]) and are_different(rows, title[0])


def _mostly_repeats(sample: Sample, column: str) -> bool:
    """Whether fewer than half of a column's texts differ, as kinds of products do and titles do not."""
    texts = [row[column] for row in sample() if not is_blank(row.get(column))]
    return 2 * len({*map(str, texts)}) < len(texts)


def tell_by_values(
    fields: dict[str, tuple[str, ...]], known: Mapping[str, Sequence[str]], sample: Sample, columns: Sequence[str]
) -> str | None:
    """Add to ``fields`` what no name tells and no dialect knows: the titles in short descriptions that mostly differ or
    in keys of several words, and, among the ``columns`` that are nothing else, titles, images and prices with
    a currency. Returns the column that is called the price and is none, where another one's values are."""
    if (title := fields.get("title", ("",)))[0].lower() == "label" and _are_numbers(sample, "label"):
        fields |= {"title": title[1:]}  # of a class
    if not known.get("title") and _is_code_of_described(fields, sample):
        code = fields.pop("title")[:1]  # "Item" is the code where "Description" is the name
        fields["sku"] = fields["sku"] if known.get("sku") else tuple(dict.fromkeys((*code, *fields["sku"])))
    unused = fields.get("title", ())
    if not known.get("title") and all(is_blank(cell_at(row, each)) for row in sample() for each in unused):
        fields.pop("title", None)
        described = fields.get("description", ())
        if short := next((each for each in _filled_first(sample, described) if _are_titles(sample, [each])), None):
            del fields["description"]
            others = tuple(each for each in described if each != short)
            named = named_by_values(sample, columns) if _mostly_repeats(sample, short) else ()
            fields |= {"title": (*(named or (short,)), *unused)} | ({"description": others} if others else {})
            columns = [each for each in columns if each not in named]
        elif _are_phrases(sample, fields["sku"][0]):
            fields["title"] = fields["sku"]
        elif named := named_by_values(sample, columns):
            fields["title"] = (*named, *unused)
            columns = [each for each in columns if each not in named]
        elif unused:
            fields["title"] = unused
    if "description" not in fields and not known.get("description"):
        details = [column for column in columns if folded(column) in ("details", "detail")]
        if column := column_with(_PROSE, sample, details):
            fields["description"] = (column,)
    if not known.get("image") and (column := column_with(_IMAGE_FILE_OR_HOST, sample, columns)):
        fields["image"] = (column,)
    elif not known.get("image"):
        covers = [column for column in columns if has_word(folded(column), "perhaps", "image")]
        if column := column_with(_IMAGE_OR_ADDRESS, sample, covers):
            fields["image"] = (column,)
    if "url" not in fields and not known.get("url"):
        free = [column for column in columns if (column,) != fields.get("image")]
        links = [column for column in free if is_named_as("url", folded(column))]
        if column := column_with(_WEB_ADDRESS, sample, links):
            fields["url"] = (column,)
    if "price" in fields and "currency" not in fields and not known.get("currency"):
        codes = "|".join(name_table("codes")["currencies"]).upper()
        if column := column_with(re.compile(rf"^(?:{codes})$"), sample, columns):
            fields["currency"] = (column,)
    if known.get("price"):
        return None
    _tell_price(fields, sample, columns)
    return _replace_pence(fields, sample, columns) or _replace_price(fields, sample, columns)


def _replace_pence(fields: dict[str, tuple[str, ...]], sample: Sample, columns: Sequence[str]) -> str | None:
    """Where the column of the price has whole pence or cents, as another column of prices tells that has the same with
    a currency, as in 4500 beside £45.00, make this the price, and return the column that it was."""
    named, *others = fields.get("price", ("",))
    rows = [row for row in sample() if not is_blank(cell_at(row, named))] if named else []
    if not any(str(cell_at(row, named)).isdecimal() for row in rows):
        return None
    for column in (*others, *columns):
        if not is_named_as("price", folded(column)):
            continue
        pairs = [(str(cell_at(row, named)), *_price(cell)) for row in rows if not is_blank(cell := row.get(column))]
        are_same = all(pence == str(cents) and code and n_decimals(code) for pence, cents, code in pairs)
        if are_same and any(cents for _, cents, _ in pairs) and 10 * len(pairs) >= 9 * len(rows):
            fields["price"] = (column,)
            return named
    return None


def _replace_price(fields: dict[str, tuple[str, ...]], sample: Sample, columns: Sequence[str]) -> str | None:
    """Where nothing in the column of the price is money, as where a header does not fit its rows, but nine of ten rows
    have an amount with a currency in exactly one other, make this the price, and return the column that it was."""
    named, *others = fields.get("price", ("",))
    if not named or "sale_price" in fields or not _has_no_money(sample, named):
        return None
    free = [column for column in (*others, *columns) if _is_price_name(column) and _has_money(sample, column)]
    if len(free) != 1:
        return None
    fields["price"] = (free[0],)
    return named


def _has_no_money(sample: Sample, column: str) -> bool:
    """Whether several rows have something in a column, and none a price, not even one of 0, or a word, which would say
    why it has none: ``on request``."""
    cells = [cell for row in sample() if not is_blank(cell := cell_at(row, column))]
    has_words = any(map(str.isalpha, "".join(map(str, cells))))
    return (
        len(cells) > 1
        and not has_words
        and not any(any(_price(cell)) or _ZERO.fullmatch(str(cell).strip()) for cell in cells)
    )


def _has_money(sample: Sample, column: str) -> bool:
    """Whether nine of ten rows have an amount with a currency in a column."""
    n_amounts = sum(all(_price(cell)) for row in sample() if isinstance(cell := row.get(column), str))
    return 10 * n_amounts >= 9 * len(sample())


def _tell_price(fields: dict[str, tuple[str, ...]], sample: Sample, columns: Sequence[str]) -> None:
    """Add the price that only values tell, or what is called the final one where it is the lower of two."""
    if fields.keys().isdisjoint(("price", "price_cents")):
        free = [column for column in columns if _is_price_name(column) and (column,) != fields.get("image")]
        free = [column for column in free if not AMOUNT.match(column)]  # which is a sum above the table
        taken = {each for found in fields.values() for each in found}
        of_two = [each for row in sample()[:1] for each in row if each not in taken and _has_two(sample, each)]
        perhaps = [each for each in free if folded(each) in name_table("perhaps")["price"]]
        if any(_QUANTITY.search(folded(each)) for row in sample()[:1] for each in row):
            perhaps = []  # of all pieces
        told = column_with(AMOUNT, sample, free) or column_with(_AMOUNTS, sample, of_two)
        if column := told or column_with(_WITH_CENTS, sample, perhaps):
            fields["price"] = (column,)
    elif "price" in fields and "sale_price" not in fields:
        price, *others = fields["price"]
        final = [each for each in (*others, *columns) if folded(each) in name_table("perhaps")["sale_price"]]
        if paid := next((each for each in final if _is_lower(sample, each, price)), None):
            fields["sale_price"] = (paid,)


def _has_two(sample: Sample, column: str) -> bool:
    """Whether most cells have two amounts with a currency, as ``460 ₽845 ₽``: nobody buys so, whatever its name is."""
    texts = [str(row[column]) for row in sample() if not is_blank(row.get(column))]
    return 2 * sum(sum(text.count(sign) for sign in _SIGNS) == 2 for text in texts) > len(texts)


def _is_lower(sample: Sample, column: str, other: str) -> bool:
    """Whether a column's prices are never above those of another one beside them, and now and then below."""
    pairs = [(_price(cell_at(row, column)), _price(cell_at(row, other))) for row in sample()]
    both = [(own, above) for own, above in pairs if own[0] and above[0]]
    return all(own <= above and own[1] == above[1] for own, above in both) and any(own < above for own, above in both)


def _price(cell: object) -> tuple[int, str]:
    """A price in cents and its currency; 0 for what is none."""
    try:
        cents, code = parse_price(cell)
    except InputError:
        return 0, ""
    return cents or 0, code or ""


def is_product(columns: Sequence[str]) -> bool:
    """Whether what is read as names of columns is rather the first product."""
    return not n_known_names(columns) and any(map(is_value, columns))


def is_value(text: str) -> bool:
    """Whether a text is rather an image or an amount than the name of a column."""
    return any((_IMAGE.search(text), _NUMBER.fullmatch(text), AMOUNT.match(text)))
