"""Translating a table's rows: each product one row, with its variants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import zip_longest

from vitrina.indexer.sources.base import PartRow, Rejection, TableRow, VariantRow
from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded
from vitrina.indexer.sources.columns import Columns
from vitrina.indexer.sources.dialects.dialect import CatalogDialect, Join
from vitrina.indexer.sources.dialects.joining import (
    Group,
    JoinRow,
    Spool,
    code_of,
    continued,
    distinct,
    filled,
    following,
    parts_in,
    rank_of,
    row_kind,
)
from vitrina.indexer.sources.dialects.layout import REDUCED, Layout
from vitrina.indexer.sources.dialects.nesting import (
    DEFAULT,
    constant,
    expanded_variants,
    named_options,
    nested_variants,
    of_single,
    roles_of,
    ruled_price,
    summed,
)
from vitrina.indexer.sources.dialects.pairs import Cells, read_pairs
from vitrina.indexer.sources.dialects.stock import availability
from vitrina.indexer.sources.dialects.visibility import HiddenCounts, hidden_by, shown
from vitrina.indexer.sources.variant_titles import titled, with_words, words_apart

Rows = Iterable[TableRow | Rejection]

MAX_COLUMNS = 10_000
"""Columns that one layout knows, of objects that all have other keys."""

_LEVELS = frozenset({"sku", "price", "price_cents", "sale_price", "currency", "identifiers"})
"""The roles whose columns tell nothing of the product as a whole once they are its variants'."""


def translate(
    rows: Rows, dialect: CatalogDialect, columns: Columns, kept: frozenset[str], counts: HiddenCounts
) -> Iterator[TableRow | Rejection]:
    """One row a product: columns under the dialect's names, options and attributes by their own, rows joined.

    ``kept`` are the columns that the user mapped, which are kept whatever the dialect says. ``counts`` are those of
    products and variants that the shop does not show.
    """
    translator = _Translator(dialect, columns, kept, counts)
    join = dialect.join
    if join is None or join.by == "nested":
        for row in rows:
            if (single := row if isinstance(row, Rejection) else translator.single(row)) is not None:
                yield single
        return
    with closing(Spool(by_prefix=join.by == "prefix")) as spool:
        prepared = translator.prepared(rows, join)
        for group in following(prepared) if join.by == "order" else spool.joined(prepared):
            if isinstance(group, Rejection):
                yield group
                continue
            if (merged := translator.merged(group, join)) is None:
                continue
            yield replace(merged, parts=translator.parts(group[0].row.cells, spool)) if dialect.parts else merged


class _Translator:
    """Translates rows under one dialect; layouts are kept for the sets of columns met."""

    def __init__(self, dialect: CatalogDialect, columns: Columns, kept: frozenset[str], counts: HiddenCounts) -> None:
        self._dialect = dialect
        self._columns = columns
        self._kept = kept
        self._counts = counts
        self._used = columns.used_by_fields | kept
        self._row = Layout(dialect, (), kept)
        self._inner = Layout(dialect, (), kept)

    def _layout(self, cells: Cells) -> Layout:
        """The layout of the table's rows; it grows with the columns met."""
        if not cells.keys() <= self._row.known:
            self._row = self._grown(self._row, cells)
        return self._row

    def _layout_inside(self, cells: Cells) -> Layout:
        """The layout of the objects in the rows."""
        if not cells.keys() <= self._inner.known:
            self._inner = self._grown(self._inner, cells)
        return self._inner

    def _grown(self, layout: Layout, cells: Cells) -> Layout:
        before = layout.names if len(layout.names) < MAX_COLUMNS else {}
        return Layout(self._dialect, tuple(dict.fromkeys((*before, *cells))), self._kept)

    def single(self, row: TableRow) -> TableRow | None:
        """A row that is a product by itself, with the variants that stand in it; None if the shop does not show it."""
        layout = self._layout(row.cells)
        if layout.is_plain:
            return row
        cells = layout.normal(row.cells)
        if (reason := hidden_by(layout, cells)) is not None and self._counts.add_product(reason, row.n_rows):
            return None
        declared = self._dialect.variants
        variants = nested_variants(row.origin, cells, layout.nested, declared, self._layout_inside, self._is_shown)
        attributes = {**availability([(layout, cells)], are_variants=False), **layout.spread(cells)}
        if not variants and declared.expand:
            column = layout.column(declared.sku)
            variants = expanded_variants(row.origin, cells, column, declared.expand, attributes)
        product = self._product(row.origin, cells, row.n_rows, variants, attributes, layout)
        return replace(product, problems=row.problems)

    def _is_shown(self, cells: Cells) -> bool:
        """Whether a variant in its product's row is read; counts it if the shop does not show it."""
        if (reason := hidden_by(self._layout_inside(cells), cells, is_variant=True)) is not None:
            self._counts.variants[reason] += 1
        return reason is None or not self._counts.leaves_out

    def _product(
        self,
        origin: str,
        cells: dict[str, object],
        n_rows: int,
        variants: Sequence[VariantRow],
        attributes: Mapping[str, object],
        layout: Layout,
    ) -> TableRow:
        """The row of a product; what its only variant says without options is the product's."""
        if len(variants) == 1 and not variants[0].options:
            for name, cell in of_single(variants[0]).items():
                cells.setdefault(self._columns.fields.get(name, (name,))[0], cell)
            variants = ()
        return TableRow(origin, self._without_ignored(cells, layout), n_rows, tuple(variants), attributes)

    def _without_ignored(self, cells: dict[str, object], layout: Layout) -> dict[str, object]:
        ignored = layout.ignored - self._used
        return {name: cell for name, cell in cells.items() if name not in ignored}

    def prepared(self, rows: Rows, join: Join) -> Iterator[JoinRow | Rejection]:
        """The rows with what joins them."""
        normal = self._normal(rows)
        for row in continued(normal, self._layout, join, self._columns.images) if join.continued else normal:
            if isinstance(row, Rejection):
                yield row
                continue
            cells = row.cells
            layout = self._layout(cells)
            kind = row_kind(layout, cells, join)
            names = tuple(name for template in join.names if (name := filled(template, layout, cells)))
            parent = ""
            rank = 0
            if kind == "translation":
                parent, names, rank = (names[0] if names else ""), (), rank_of(code_of(layout, cells, join), join)
            elif join.by == "group" or (join.by in ("parent", "prefix") and kind != "product"):
                parent = str(layout.cell(cells, join.column) or "").strip()
            children = tuple(self._children(layout, cells, join)) if kind in ("product", "translation") else ()
            yield JoinRow(kind, row, names, parent, children, rank)

    def _normal(self, rows: Rows) -> Iterator[TableRow | Rejection]:
        for row in rows:
            yield row if isinstance(row, Rejection) else self._with_normal_cells(row)

    def _with_normal_cells(self, row: TableRow) -> TableRow:
        return TableRow(row.origin, self._layout(row.cells).normal(row.cells), row.n_rows)

    def _children(self, layout: Layout, cells: Cells, join: Join) -> dict[str, dict[str, object]]:
        """The options of the variants that a product lists, by their skus."""
        text = layout.cell(cells, join.column if join.by == "children" else join.children)
        found: dict[str, dict[str, object]] = {}
        if isinstance(text, list):
            text = [next(iter(each.values()), None) if isinstance(each, Mapping) else each for each in text]
            names, values = (layout.cell(cells, keys) for keys in (join.option_name, join.option_value))
            for each, name, value in zip_longest(text, *(x if isinstance(x, list) else () for x in (names, values))):
                if not is_blank(each):
                    options = found.setdefault(str(each).strip(), {})
                    options.update({} if is_blank(name) or is_blank(value) else {str(name): value})
            return found
        if isinstance(text, str):
            for part in text.split(join.between):
                pairs: dict[str, object] = dict(read_pairs(part, join.pattern)) if join.pattern else {"sku": part}
                if sku := str(pairs.pop("sku", "")).strip():
                    found[sku] = pairs
        return found

    def merged(self, group: Group, join: Join) -> TableRow | None:
        """The rows of one product as one row; None if the shop does not show it."""
        n_rows = sum(each.row.n_rows for each in group)
        group, gone = shown(group, self._layout, join, self._counts)
        if not group:
            return None
        head = group[0]
        in_group = join.by == "group" or join.alone or (join.by != "children" and head.kind == "variant")
        members = [each.row for each in group if each.kind in ("product", "variant")]
        layout = self._layout(head.row.cells)
        if in_group and (len(members) > 1 or join.alone):
            cells, attributes, variants = self._grouped(members, layout, head, join)
        else:
            cells = dict(head.row.cells)
            children = self._children(layout, cells, join) if join.by == "children" else {}
            if children and (column := layout.column(join.column)):
                cells.pop(column, None)
            attributes = layout.spread(cells)
            rows = [each.row for each in group[1:] if each.kind in ("product", "variant")]
            price = layout.cell(cells, self._dialect.fields.get("price", ()))
            names = {name: head.row.cells[name] for name, *_ in layout.pairs if name in head.row.cells}
            variants = [self._variant(row, children, attributes, names, price) for row in rows]
            variants = self._without_constant_options(variants, attributes)
            known = {*gone, *(str(variant.cells.get("sku", "")).strip() for variant in variants)}
            absent = ((sku, options) for sku, options in children.items() if sku not in known)
            variants += [VariantRow(head.row.origin, {"sku": sku}, options) for sku, options in absent]
            variants = [self._under_rules(variant, group, price) for variant in variants]
            self._fill_gaps(cells, rows)
        self._add_images(cells, [each.row for each in group if each.kind == "image"])
        for each in group:
            if each.kind == "attribute":
                attributes = {**self._layout(each.row.cells).spread(dict(each.row.cells)), **attributes}
        counted = [(self._layout(row.cells), row.cells) for row in members]
        attributes = {**availability(counted, are_variants=join.by == "group"), **attributes}
        own = {filled(template, layout, head.row.cells) for template in join.names}
        translations = [each for each in group[1:] if each.kind == "translation" and each.parent in own]
        self._add_translations(cells, translations, join)
        return self._product(head.row.origin, cells, n_rows, variants, attributes, layout)

    def _grouped(
        self, rows: list[TableRow], layout: Layout, head: JoinRow, join: Join
    ) -> tuple[dict[str, object], dict[str, object], list[VariantRow]]:
        """Rows of which none is the product: columns with their distinct values, and each row a variant."""
        spread = [(row, dict(row.cells)) for row in rows]
        options = self._options_of(spread)
        attributes = constant(options, layout) if len(rows) > 1 else {}
        differing = self._differing(spread) if len(rows) > 1 else ()
        variants = []
        titles = self._columns.fields.get("title", ()) if len(rows) > 1 else ()
        apart = words_apart(row.cells.get(next(iter(titles), "")) for row in rows)
        for (row, _), own, words in zip(spread, options, apart, strict=True):
            of_row, when = self._layout(row.cells), self._dialect.variants.when
            if when and of_row.cell(row.cells, when) is None:
                continue
            named = {name: cell for name in differing if not is_blank(cell := row.cells.get(name))}
            title = of_row.cell(row.cells, self._dialect.variants.title) if len(rows) > 1 else None
            held = with_words({**named, **own}, [] if title else words) or ({"variant": title} if title else {})
            roles = roles_of(of_row, row.cells, self._dialect.variants) | titled("title", row.cells, titles)
            variants.append(VariantRow(row.origin, roles, held))
        variants = [] if [each.options for each in variants] == [{}] else variants
        drop = {*(self._level_columns(spread) if variants else ()), *differing}
        cells = distinct((cells for _, cells in spread), drop - self._kept)
        if len(rows) > 1 and not join.alone and head.parent:
            cells[self._columns.fields["sku"][0]] = head.parent
        for field in ("title", "description", "url"):
            for column in self._columns.fields.get(field, ()):
                if isinstance(cell := cells.get(column), list):
                    cells[column] = cell[0]
        return cells, attributes, variants

    def _options_of(self, rows: list[tuple[TableRow, dict[str, object]]]) -> list[dict[str, object]]:
        """Each row's options, taken out of its cells; a name that only one row has counts for all."""
        named: dict[str, object] = {}
        for row, cells in rows:
            for name_column, _value_column, _pair in self._layout(row.cells).pairs:
                if not is_blank(cells.get(name_column)):
                    named.setdefault(name_column, cells[name_column])
        found = []
        for row, cells in rows:
            layout = self._layout(row.cells)
            for name_column, _value_column, _pair in layout.pairs:
                if is_blank(cells.get(name_column)) and name_column in named:
                    cells[name_column] = named[name_column]
            by_column = {name: cells.pop(column, None) for column, name in layout.options.items()}
            options = {
                **{name: cell for name, cell in by_column.items() if not is_blank(cell)},
                **layout.spread(cells, "variant"),
            }
            found.append({name: value for name, value in options.items() if value != DEFAULT})
        return found

    def _differing(self, rows: list[tuple[TableRow, dict[str, object]]]) -> tuple[str, ...]:
        """The columns that are options since they differ between the rows."""
        keys = self._dialect.variants.options
        columns = dict.fromkeys(column for row, _ in rows for column in self._layout(row.cells).columns(keys))
        values = {column: {str(row.cells.get(column) or "") for row, _ in rows} - {""} for column in columns}
        return tuple(column for column, found in values.items() if len(found) > 1)

    def _level_columns(self, rows: list[tuple[TableRow, dict[str, object]]]) -> set[str]:
        """The columns that tell of variants alone."""
        keys = tuple(key for role in sorted(_LEVELS) for key in getattr(self._dialect.variants, role))
        found = {column for row, _ in rows for column in self._layout(row.cells).columns(keys)}
        return found - {*self._columns.fields.get("sku", ())[:1]} - {*self._columns.fields.get("title", ())}

    def _variant(
        self,
        row: TableRow,
        children: Mapping[str, Mapping[str, object]],
        attributes: dict[str, object],
        names: Cells,
        price: object,
    ) -> VariantRow:
        """A variant's own row; what it says besides its options becomes the product's. ``names`` are those of options
        in the product's row, ``price`` is the product's."""
        layout, cells = self._layout(row.cells), {**names, **row.cells}
        options = layout.spread(cells, "variant")
        own = roles_of(layout, cells, self._dialect.variants)
        own |= titled("name", row.cells, self._columns.fields.get("title", ()))
        more = layout.cell(cells, self._dialect.variants.surcharge)
        if "price" not in own and (total := summed(price, more)) is not None:
            own["price"] = total
        codes = [name for name in options if folded(name) in self._dialect.variants.identifiers]
        if codes:
            held = own.get("identifiers")
            own["identifiers"] = [*(held if isinstance(held, list) else ()), *(options.pop(name) for name in codes)]
        if (named := children.get(str(own.get("sku", "")).strip())) is not None:
            own_names = named or {name for name in options if folded(name) in self._dialect.variants.options}
            for name, value in options.items():
                if name not in own_names:
                    attributes.setdefault(name, value)
            options = {**named} or {name: options[name] for name in options if name in own_names}
        return VariantRow(row.origin, own, named_options(layout, cells, self._dialect.variants, options))

    def _under_rules(self, variant: VariantRow, group: Group, price: object) -> VariantRow:
        """A variant with the price that a rule in its group gives its sku, or that is reduced as its product's is."""
        for each in group:
            if each.kind == "rule":
                own = roles_of(self._layout(each.row.cells), each.row.cells, self._dialect.variants)
                is_named = variant.cells.get("sku") in each.row.cells.values()  # in the column of skus or of names
                if is_named and (found := ruled_price(own.get("price"), price)):
                    return replace(variant, cells={**variant.cells, "price": found})
        head = group[0].row.cells
        less = self._layout(head).reduced(head, variant.cells.get("price"))
        return variant if less is None else replace(variant, cells={**variant.cells, REDUCED: less})

    def _without_constant_options(self, variants: list[VariantRow], attributes: dict[str, object]) -> list[VariantRow]:
        """The variants without those columns of options in which all are alike; these are the product's attributes."""
        keys = set(self._dialect.variants.options)
        names = {name for variant in variants for name in variant.options if folded(name) in keys}
        alike = {name for name in names if len({str(each.options.get(name, "")) for each in variants}) == 1}
        if len(variants) < 2 or not alike:
            return variants
        for name in alike:
            attributes.setdefault(name, variants[0].options[name])
        return [
            replace(each, options={name: value for name, value in each.options.items() if name not in alike})
            for each in variants
        ]

    def _fill_gaps(self, cells: dict[str, object], rows: list[TableRow]) -> None:
        """Take from the variants' rows the texts that the product's own row lacks."""
        for field in ("title", "description", "url"):
            columns = self._columns.fields.get(field, ())
            if any(not is_blank(cells.get(column)) for column in columns):
                continue
            held = ((column, row.cells.get(column)) for row in rows for column in columns)
            cells.update(next(({column: cell} for column, cell in held if not is_blank(cell)), {}))

    def parts(self, cells: Cells, spool: Spool) -> tuple[PartRow, ...]:
        """What a product without a price is sold as, or consists of."""
        layout, declared = self._layout(cells), self._dialect.variants
        return tuple(
            replace(part, cells=roles_of(self._layout(own), own, declared))
            for each in self._dialect.parts
            for part in parts_in(layout.cell(cells, each.column), each)
            for own in spool.cells_of(part.name)
        )

    def _add_images(self, cells: dict[str, object], rows: list[TableRow]) -> None:
        for row in rows:
            for column in self._columns.images:
                if not is_blank(cell := row.cells.get(column)):
                    held = cells.get(column)
                    cells[column] = [cell] if is_blank(held) else [*(held if isinstance(held, list) else [held]), cell]

    def _add_translations(self, cells: dict[str, object], rows: list[JoinRow], join: Join) -> None:
        """Add the titles in other languages. Fields of the default store count instead of the product's own; what no
        other row says is taken from a translation, but no sale price beside a price from elsewhere."""
        prices, sales = (self._columns.fields.get(name, ()) for name in ("price", "sale_price"))
        fields = self._columns.used_by_fields - {*self._columns.images, *self._columns.fields["sku"]}
        for each in rows:
            own = {name: cell for name, cell in each.row.cells.items() if not is_blank(cell)}
            code = code_of(self._layout(own), own, join)
            if rank_of(code, join) == 0:
                cells.update({name: own[name] for name in fields if name in own})
                continue
            for column in self._columns.fields.get("title", ()):
                if column in own and own[column] != cells.get(column):
                    cells.setdefault(f"{column}_{code}", own[column])
        for each in rows:
            priced = sales if any(not is_blank(cells.get(column)) for column in prices) else ()
            for column in (*self._columns.images, *sorted(fields.difference(priced))):
                if is_blank(cells.get(column)) and not is_blank(cell := each.row.cells.get(column)):
                    cells[column] = cell
