"""Where the products of a JSON document are: by the names of lists, and by the keys that objects have."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TextIO, TypeGuard

import ijson

from vitrina.indexer.sources.cells import parse_literal
from vitrina.indexer.sources.column_names import folded, has_word, name_table
from vitrina.indexer.sources.encodings import TextEncoding, open_text
from vitrina.indexer.sources.json_ld import is_json_ld

LISTS = (
    "products", "items", "articles", "goods", "productos", "articulos", "artículos", "produits", "produkte", "artikel",
    "prodotti", "articoli", "produtos", "artigos", "producten", "artikelen", "produkty", "zbozi", "zboží", "produkter",
    "varer", "tuotteet", "termekek", "termékek", "produse", "urunler", "ürünler", "товары", "товари", "продукты",
    "προϊόντα", "商品", "商品一覧", "商品列表", "产品", "상품", "상품목록", "produk", "منتجات", "المنتجات", "מוצרים",
)  # fmt: skip
"""What lists of products are called."""

CONTAINERS = (
    *LISTS, "item_list_element", "itemListElement", "@graph", "data", "results", "records", "rows",
    "entries", "catalog", "catalogo", "catálogo", "katalog", "offers",
    "listings", "hits", "docs", "nodes", "edges", "list",
    "content", "value", "product", "objects", "elements", "response", "documents", "product_list", "productlist",
    "payload", "result", "search_results", "searchresults", "skus", "feed", "store", "models", "sections",
)  # fmt: skip
"""Keys under which APIs put their lists of products."""

TITLES = frozenset(
    {
        "title", "name", "nombre", "titulo", "título", "nom", "titre", "libelle", "titel", "bezeichnung", "nome",
        "titolo", "nazwa", "tytul", "nazev", "název", "nazov", "naam", "navn", "namn", "nimi", "nev", "denumire",
        "название", "наименование", "назва", "商品名", "商品名称", "名称", "상품명", "nama", "اسم", "الاسم",
    }
)  # fmt: skip
"""Keys of what a product, or a section of a shop, is called."""

OF_PRODUCT = TITLES | {"sku", "handle", "product_name", "@type", "__parentId"}
"""Keys of an object that is a product itself, whatever lists it holds."""

SOLD = frozenset(
    {
        "sku", "price", "prices", "handle", "@type", "product_name", "variants", "variations", "offers", "image",
        "images", "precio", "prix", "preis", "prezzo", "preco", "preço", "prijs", "cena", "pris", "hinta", "ar", "pret",
        "fiyat", "цена", "ціна", "価格", "价格", "가격", "harga", "السعر", "imagen", "imagenes", "bild", "immagine",
        "imagem", "afbeelding", "zdjecie", "resim",
    }
)  # fmt: skip
"""Keys of what is sold, and no section of a shop."""

_EXTRAS = frozenset(
    {
        "delivery", "deliveries", "delivery_options", "shipping", "shipments", "shipping_methods", "shipping_options",
        "options", "extras", "related", "related_products", "addons", "add_ons", "accessories", "services", "fees",
        "upsells", "cross_sells", "recommendations", "versand", "lieferung", "optionen", "zubehor", "livraison",
        "accessoires", "envio", "envios", "opciones", "accesorios", "spedizione", "opzioni", "accessori", "entrega",
        "frete", "opcoes", "acessorios", "verzending", "levering", "opties", "dostawa", "opcje", "akcesoria",
        "доставка", "опции", "аксессуары",
    }
)  # fmt: skip
"""Keys, folded, of what is sold with a product, or shown beside it."""

N_KEYED = 3
"""By so many objects those under keys are told to be products."""

N_PEEKED_EVENTS = 200_000
_N_ENTRIES = 50


def is_line(lines: list[str]) -> bool:
    """Whether the first line is an object for itself, and not one that holds the list of products."""
    try:
        first = json.loads(lines[0].strip().removesuffix(",") if len(lines) > 1 else lines[0])
    except (ValueError, RecursionError):
        return isinstance(parse_literal(lines[0]), dict)  # Python, not JSON
    if not isinstance(first, dict) or len(lines) > 1:
        return isinstance(first, dict)
    if len(first) > 1 and all(isinstance(each, dict) and _is_named(each) for each in first.values()):
        return False  # products by their keys
    if _are_mostly_sold([*first.items()]) or _are_alike([*first.items()]):
        return False
    if len(first) == 1 and isinstance(only := next(iter(first.values())), list) and only and isinstance(only[0], dict):
        return False
    lists = [first.get(name) for name in LISTS] if SOLD.isdisjoint(first) else []
    is_shop = any(_is_list(each) or _is_keyed(each) for each in lists)
    return not is_json_ld(first) and not is_shop and not (OF_PRODUCT.isdisjoint(first) and _holds_list(first))


def _is_list(value: object) -> TypeGuard[list[dict[str, object]]]:
    """Whether this is a list of objects."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _is_keyed(value: object) -> bool:
    """Whether this is an object of products by their keys."""
    first = [*islice(value.values(), N_KEYED)] if isinstance(value, dict) else []
    are_sold = bool(first) and all(isinstance(each, dict) and _is_sold(each) for each in first)
    return are_sold or (isinstance(value, dict) and _are_mostly_sold([*value.items()]))


def _are_mostly_sold(entries: Sequence[tuple[str, object]]) -> bool:
    """Whether an object with these keys, each with what stands there or with its keys alone, is one of products, the
    odd one aside: two thirds of at least two have names and prices, and no key is that of a product or a list."""
    products = [held for _, held in entries if isinstance(held, (dict, set)) and _is_sold(held)]
    if len(products) < max(2, 2 / 3 * len(entries)) or not all(map(frozenset(LISTS).isdisjoint, products)):
        return False
    return not any(key.casefold() in CONTAINERS or _is_field(folded(key)) for key, _ in entries)


def _are_alike(entries: Sequence[tuple[str, object]]) -> bool:
    """Whether an object has the same keys under each of its own, which are codes or numbers: several products of a shop
    that calls what they have in its own way."""
    held = [{*own} for _, own in entries if isinstance(own, (dict, set))]
    if len(held) < max(N_KEYED, len(entries)) or not all(any(map(str.isdigit, key)) for key, _ in entries):
        return False
    return 3 * len(set.intersection(*held)) >= 2 * max(2, *map(len, held))


def _is_field(name: str) -> bool:
    """Whether a key is one that a product has."""
    fields = name_table("names")
    return name in SOLD or name in OF_PRODUCT or any(name in fields[own] for own in ("sku", "title", "price"))


def _holds_list(value: Mapping[str, object], depth: int = 0) -> bool:
    found = [inner for key, inner in value.items() if key in CONTAINERS or key.casefold() in CONTAINERS]
    if any(map(_is_list, found)) or any(_is_keyed(value.get(name)) for name in LISTS):
        return True
    lists = [each for key, each in value.items() if key not in SOLD and _is_list(each)]
    lists += [held for each in lists for name in LISTS if _is_list(held := each[0].get(name))]
    if any(_is_sold(each[0]) for each in lists):
        return True
    return depth < 4 and any(_holds_list(each, depth + 1) for each in value.values() if isinstance(each, dict))


def _is_sold(keys: Collection[str]) -> bool:
    """Whether an object is a product by its keys."""
    return _is_named(keys) and (not SOLD.isdisjoint(keys) or _is_priced(keys))


def _is_named(keys: Collection[str]) -> bool:
    """Whether keys are those of a product, however they are spelled: ``Product Name`` is ``product_name``."""
    return not OF_PRODUCT.isdisjoint(keys) or not OF_PRODUCT.isdisjoint(map(folded, keys))


def _is_priced(keys: Collection[str]) -> bool:
    """Whether a key has a word for a price in it."""
    return any(has_word(folded(key), "words", "price") for key in keys)


def first_events(path: Path, encoding: TextEncoding) -> Iterator[tuple[str, str, object]]:
    """The first events of a document, as ijson reads them with their prefixes, up to where it is broken: that is
    reported where the products end."""
    with suppress(ijson.JSONError, RecursionError), open_text(path, encoding) as file:
        # without use_float a long number crashes the process
        yield from islice(ijson.parse(Utf8Bytes(file), use_float=True), N_PEEKED_EVENTS)


def find_prefix(path: Path, encoding: TextEncoding) -> str | None:
    """Where the products are: the first list of objects under a known key, else the object itself if it is a product,
    else the first list of objects with names and prices, or with products in lists of theirs, else the first list."""
    lists: dict[str, set[str]] = {}
    keys: set[str] = set()
    single = None
    for prefix, event, value in first_events(path, encoding):
        if event == "start_map" and prefix.endswith("item") and prefix.split(".").count("item") == 1:
            lists.setdefault(prefix, set())
        elif event == "map_key" and prefix == "":
            keys.add(str(value))
        elif event == "map_key" and value in OF_PRODUCT and prefix in ("product", "data.product"):
            single = prefix
        elif event == "map_key" and (around := _list_around(prefix)) in lists:
            lists[around].add(str(value))
        if prefix == "item":
            return "item"
    last = {prefix: prefix.removesuffix(".item").rpartition(".")[2] for prefix in lists}
    known = (prefix for prefix, key in last.items() if key in CONTAINERS or key.casefold() in CONTAINERS)
    own = "" if keys & OF_PRODUCT else single
    if own is not None and "@graph" not in keys:
        return own
    sold = (prefix for prefix, held in lists.items() if _is_named(held) and _is_priced(held))
    return next(known, next(sold, next(iter(lists), "" if keys & {"@context"} else None)))


def lists_beside(path: Path, encoding: TextEncoding, prefix: str) -> dict[str, bool]:
    """The other lists of what has names and prices in a document whose products are at ``prefix``, each with whether it
    is read with them: beside a list with no known name, and with mostly the same keys. For the others of a list with a
    known name only the first events are looked at."""
    lists: dict[str, set[str]] = {prefix: set()}
    parent, _, own = prefix.removesuffix(".item").rpartition(".")
    is_known = own in CONTAINERS or own.casefold() in CONTAINERS
    with suppress(ijson.JSONError, RecursionError, OverflowError), open_text(path, encoding) as file:
        events = ijson.parse(Utf8Bytes(file), use_float=True)
        for at, event, value in islice(events, N_PEEKED_EVENTS) if is_known else events:
            if event == "map_key" and at.endswith(".item") and at.split(".").count("item") == 1:
                lists.setdefault(at, set()).add(str(value))
    keys = lists.pop(prefix)
    sold = {at: held for at, held in lists.items() if _is_named(held) and (_is_priced(held) or "cost" in held)}
    return {
        at: not is_known
        and at.removesuffix(".item").rpartition(".")[0] == parent
        and 2 * len(keys & held) >= len(keys | held)
        for at, held in sold.items()
    }


def list_within(path: Path, encoding: TextEncoding, prefix: str) -> str | None:
    """Where in the objects at a prefix, which are sections of an answer, the first list of what has names and prices
    stands; None if there is none but those of extras, or something around it has a name itself."""
    keys: dict[str, set[str]] = {}
    for at, event, value in first_events(path, encoding):
        if event == "map_key" and at.startswith(f"{prefix}."):
            keys.setdefault(at, set()).add(str(value))
        elif event == "string" and _is_title(at, prefix):
            return None
    if any(_is_named(held) for at, held in keys.items() if "item" not in _places(at, prefix)):
        return None
    named = [at for at, held in keys.items() if _is_named(held)]
    own = (at for at in named if _EXTRAS.isdisjoint(map(folded, _places(at, prefix))))
    sold = (at for at in own if at.endswith(".item") and _is_priced(keys[at]))
    return next((at for at in sold if not any(at.startswith(f"{around}.") for around in named)), None)


def _places(at: str, prefix: str) -> list[str]:
    return at[len(prefix) + 1 :].split(".")


def _is_title(at: str, prefix: str) -> bool:
    """Whether a text at a place is what the object at a prefix, or one in it and in no list, is called."""
    places = _places(at, prefix) if at.startswith(f"{prefix}.") else ["item"]
    return "item" not in places and folded(places[-1]) in name_table("names")["title"]


def _list_around(prefix: str) -> str:
    """The list that an object at a prefix is in, or that of the section whose products it is one of."""
    head, _, name = prefix.removesuffix(".item").rpartition(".")
    return head if name in LISTS else prefix


def keyed_prefix(path: Path, encoding: TextEncoding) -> str:
    """Where products stand under their keys, as ``{"products": {"m1": {"name": "Mug", "price": 9}}}``, and not in a
    list; empty if that is nowhere."""
    keys: dict[str, list[set[str]]] = {}
    for prefix, event, value in first_events(path, encoding):
        if event != "start_map" and event != "map_key":
            continue
        head, _, own = prefix.rpartition(".")
        is_known = head.rpartition(".")[2].casefold() in LISTS and head.count(".") < 2
        if (not prefix and value in SOLD) or (is_known and own == "item"):
            return ""  # a product itself, or a list of them
        if is_known and event == "start_map":
            if len(keys.setdefault(head, [])) == N_KEYED:
                break
            keys[head].append(set())
        elif is_known:
            keys[head][-1].add(str(value))
    return next(
        (
            head
            for head, each in keys.items()
            if (all(map(_is_named, each)) and _is_sold(each[0])) or _are_mostly_sold([("", held) for held in each])
        ),
        "",
    )


def are_products(path: Path, encoding: TextEncoding) -> bool:
    """Whether most of what a document, an object, has under its keys are products."""
    return _are_mostly_sold(_entries(path, encoding, CONTAINERS))


def are_named(path: Path, encoding: TextEncoding) -> bool:
    """Whether all of the first objects that a document, an object, has under its keys have names, or the same keys."""
    entries = _entries(path, encoding)
    first = entries[:N_KEYED]
    return _are_alike(entries) or (len(first) > 1 and all(held is not None and _is_named(held) for _, held in first))


def _entries(path: Path, encoding: TextEncoding, last: Collection[str] = ()) -> list[tuple[str, set[str] | None]]:
    """The first keys of a document that is an object, each with the keys of the object there, None if it is none. Reads
    on only to the first of the ``last`` keys: a long list may stand there."""
    entries: list[tuple[str, set[str] | None]] = []
    depth = 0
    for _, event, value in first_events(path, encoding):
        if event == "start_map" and depth == 1:
            entries[-1] = (entries[-1][0], set())
        if event == "map_key" and depth == 1:
            if len(entries) == _N_ENTRIES:
                break
            entries.append((str(value), None))
            if str(value).casefold() in last:
                break
        elif event == "map_key" and depth == 2 and (held := entries[-1][1]) is not None:
            held.add(str(value))
        depth += event.startswith("start_") - event.startswith("end_")
        if not depth:
            break
    return entries


def are_pages(path: Path, encoding: TextEncoding, prefix: str) -> bool:
    """Whether each object of a list has products under their names or keys, as pages of a crawl do."""
    try:
        with open_text(path, encoding) as file:
            pages = [*islice(ijson.items(Utf8Bytes(file), prefix, use_float=True), N_KEYED)]
    except (ijson.JSONError, RecursionError):
        return False
    held = [each for page in pages for each in (page.values() if isinstance(page, dict) else (None,))]
    is_named = all(SOLD.isdisjoint(page) and OF_PRODUCT.isdisjoint(page) for page in pages if isinstance(page, dict))
    return is_named and len(held) > 1 and all(isinstance(each, dict) and not SOLD.isdisjoint(each) for each in held)


_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]+|\\.)*"?|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_MAX_CONSTANT_CHARS = len("-Infinity")


class Utf8Bytes:
    """A text file as the UTF-8 bytes that ijson reads, with null for the numbers that Python writes and JSON has not:
    NaN, Infinity and -Infinity."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._open = ""  # the last text read ends in a string, or behind a backslash in one

    def read(self, n_chars: int = -1) -> bytes:
        """Up to n characters, as bytes; a few more if they end in what may be such a number."""
        text = self._file.read(n_chars)
        for _ in range(_MAX_CONSTANT_CHARS):
            if n_chars < 1 or not text or text[-1] not in "-InfinityNaN":
                break
            if not (more := self._file.read(1)):
                break
            text += more
        begun, self._open = self._open, _open_string(self._open + text)
        if "NaN" in text or "Infinity" in text:
            text = _STRING_OR_CONSTANT.sub(_without_constants, begun + text)[len(begun) :]
        return text.encode("utf-8", errors="replace")


def _open_string(text: str) -> str:
    """How the string begins, as far as it matters, in which a text ends that begins outside of one; empty if it ends
    outside."""
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    return "" if text.count('"') % 2 == 0 else '"\\' if text.endswith("\\") else '"'


def _without_constants(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else "null"
