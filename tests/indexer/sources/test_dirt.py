"""Generated dirt: no cell stops a run, no row is lost, and no amount is off by a factor."""

from __future__ import annotations

import contextlib
import csv
import decimal
import io
import re
from pathlib import Path

import pytest
from babel.numbers import format_currency
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.indexer.sources.catalogs import write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record, Rejection
from vitrina.search.types.errors import SourceError

LINE_END = r"\r\n|\r|\n"
N_ROWS = 20
"""Rows of one generated file; the opt-in test reads a thousand files."""

COLUMNS = ["sku", "title", "description", "price", "currency", "image", "url", "colour", "size", "notes"]
LOCALES = ("en_US", "de_DE", "fr_FR", "en_IN", "de_CH", "sv_SE", "pl_PL", "pt_BR", "ja_JP", "ar_EG", "id_ID", "cs_CZ")
CURRENCIES = ("USD", "EUR", "INR", "SEK", "JPY", "KWD", "CHF", "BRL", "PLN")

words = st.sampled_from(
    ["red", "Soft wool", "size 12", "ä", "灰色", "it's", 'the "best"', "a, b", "a; b", "x|y", "50%"]
)
rubbish = st.text(max_size=12) | st.sampled_from(
    ["", "None", "\\N", "-", "nan", "#REF!", "='x'", '="007"', "<p>a<br>b</p>", "&lt;b&gt;a&lt;/b&gt;", "&eacute;", "[",
     "{'a': [1, 'b']}", '["a.jpg", "b.jpg"]', "a.jpg, b.jpg", "../x.jpg", "file:///etc/passwd", "javascript:alert(1)",
     "https://a.example/b.jpg", "1e400", "12" * 40, "\x00", "\ud7ff", "\u202e", "'" * 3, '"' * 3, "a\nb", "a\r\nb",
     r"a\nb", "x" * 300, "Call for price", "12.99 - 15.99 €", "NaN", "-5"]
)  # fmt: skip
cells = words | rubbish


@st.composite
def prices(draw: st.DrawFn) -> tuple[str, str, int]:
    """A price as a locale writes it, its currency, and its amount in the smallest unit."""
    currency = draw(st.sampled_from(CURRENCIES))
    places = {"JPY": 0, "KWD": 3}.get(currency, 2)
    amount = draw(st.integers(0, 10**8))
    locale = draw(st.sampled_from(LOCALES))
    return format_currency(decimal.Decimal(amount).scaleb(-places), currency, locale=locale), currency, amount


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[str], int | None]:
    """A row, and its price in the smallest unit where it is one."""
    price, currency, amount = draw(prices() | st.tuples(cells, cells, st.none()))
    others = [draw(cells) for _ in COLUMNS[5:]]
    sku = draw(st.one_of(st.integers(1, 10**9).map(str), st.sampled_from(["", "None", "A/1", "ü", " 1 "])))
    return [sku, draw(cells), draw(cells), price, currency, *others], amount


catalogs = st.tuples(
    st.lists(rows(), min_size=1, max_size=N_ROWS),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
Catalog = tuple[list[tuple[list[str], int | None]], str, int, str]


def check_a_catalog(folder: Path, catalog: Catalog) -> None:
    """Every row of a written file is a record or a rejection, and the price of every record of one row is the one that
    was written."""
    given_rows, delimiter, quoting, encoding = catalog
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\r\n")  # type: ignore[arg-type]
    writer.writerow(COLUMNS)
    starts = {}
    for row, amount in given_rows:
        starts[f"shop.csv:{len(re.findall(LINE_END, text.getvalue())) + 1}"] = amount
        writer.writerow(row)
    path = write(folder, "shop.csv", text.getvalue().encode(encoding, errors="replace"))
    n_blank = sum(not any(cell.strip() for cell in row) for row, _ in given_rows)
    if n_blank == len(given_rows):
        with pytest.raises(SourceError, match="no rows"):
            open_source(str(path))
        return
    found = list(open_source(str(path)).rows())
    assert sum(row.n_rows for row in found) == len(given_rows) - n_blank
    for each in found:
        assert isinstance(each, Rejection) or each.item.sku
        if isinstance(each, Record) and each.n_rows == 1 and (amount := starts.get(each.origin)) is not None:
            assert each.item.price_cents == amount


def quiet(n_examples: int) -> settings:
    return settings(
        deadline=None,
        max_examples=n_examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@quiet(40)
@given(catalogs)
def test_a_dirty_catalog_loses_no_row_and_no_amount(tmp_path: Path, catalog: Catalog) -> None:
    check_a_catalog(tmp_path, catalog)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@quiet(1000)
@given(catalogs)
def test_20_000_dirty_rows(tmp_path: Path, catalog: Catalog) -> None:
    check_a_catalog(tmp_path, catalog)


# Without doubled quotes, which make a text of several lines valid in which each line looks like a row.
quoted = st.text(st.sampled_from('ab" '), min_size=1, max_size=8).filter(
    lambda text: text.strip(' "') and '""' not in text
)


@quiet(200)
@given(
    st.lists(st.tuples(quoted, quoted), min_size=2, max_size=N_ROWS), st.sampled_from([",", ";", "\t"]), st.booleans()
)
def test_quotes_set_at_random_cost_no_other_row(
    tmp_path: Path, titles: list[tuple[str, str]], delimiter: str, ends: bool
) -> None:
    """One row a line: whatever its quotes, each line is one record or one rejection, with its own line number."""
    lines = [delimiter.join((f"s{at}", title, note)) for at, (title, note) in enumerate(titles)]
    text = delimiter.join(("sku", "title", "notes")) + "\n" + "\n".join(lines) + "\n" * ends
    found = list(open_source(str(write(tmp_path, "shop.csv", text))).rows())
    assert [each.origin for each in found] == [f"shop.csv:{at}" for at in range(2, len(lines) + 2)]
    skus = [each.item.sku for each in found if isinstance(each, Record)]
    assert skus == [f"s{at}" for at, each in enumerate(found) if isinstance(each, Record)]


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252", "shift_jis", "gb18030", "utf-16", "utf-8"])
@quiet(10)
@given(words=st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=10))
def test_any_text_in_any_encoding_is_read_or_refused(tmp_path: Path, encoding: str, words: list[str]) -> None:
    text = "sku,title\n" + "".join(f'{at},"{word}"\n' for at, word in enumerate(words))
    path = write(tmp_path, "shop.csv", text.encode(encoding, "ignore"))
    with contextlib.suppress(SourceError):
        assert all(row.origin for row in open_source(str(path)).rows())
