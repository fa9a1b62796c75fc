"""Books in ONIX 3.0, the publishers' format, in its long tags and in its short ones: what its codes say, as cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Cells = dict[str, object]

_SHORT = {
    "a001": "RecordReference", "productidentifier": "ProductIdentifier", "b221": "ProductIDType", "b244": "IDValue",
    "descriptivedetail": "DescriptiveDetail", "b012": "ProductForm", "titledetail": "TitleDetail", "b202": "TitleType",
    "titleelement": "TitleElement",
    "x409": "TitleElementLevel", "b203": "TitleText", "b030": "TitlePrefix", "b031": "TitleWithoutPrefix",
    "b029": "Subtitle", "contributor": "Contributor", "b035": "ContributorRole", "b036": "PersonName",
    "b037": "PersonNameInverted", "b047": "CorporateName", "language": "Language", "b253": "LanguageRole",
    "b252": "LanguageCode", "extent": "Extent", "b218": "ExtentType", "b219": "ExtentValue", "subject": "Subject",
    "b070": "SubjectHeadingText", "collateraldetail": "CollateralDetail", "textcontent": "TextContent",
    "x426": "TextType", "d104": "Text", "supportingresource": "SupportingResource", "x436": "ResourceContentType",
    "resourceversion": "ResourceVersion", "x435": "ResourceLink", "publishingdetail": "PublishingDetail",
    "publisher": "Publisher", "b081": "PublisherName", "productsupply": "ProductSupply",
    "supplydetail": "SupplyDetail", "price": "Price", "x462": "PriceType", "j151": "PriceAmount",
    "j152": "CurrencyCode",
}  # fmt: skip

_MARKS = frozenset({"DescriptiveDetail", "descriptivedetail"})
_IDENTIFIERS = {"15": "isbn", "03": "gtin", "02": "isbn10"}
_ROLES = {"A01": "author", "B01": "editor", "B06": "translator", "A12": "illustrator", "E07": "narrator"}
_FORMS = {"BB": "hardback", "BC": "paperback", "DG": "e-book", "EA": "e-book", "ED": "e-book", "AC": "audio CD"}
_TEXTS = ("03", "02", "01")
"""A description, a short one, and any other."""

_COVERS = ("01", "02", "03")
_PRICES = ("02", "04", "42", "12", "01", "03", "")
"""What readers pay, with tax and recommended, fixed, or of another kind, then without tax. Other prices are the
trade's."""

_PAGES = frozenset({"00", "08", "11"})


def book_cells(cells: Cells) -> Cells:
    """A product of ONIX 3.0 as the cells of a table of books; any other product's as they are."""
    book = _long(cells) if _MARKS & cells.keys() else None
    if not isinstance(book, dict) or "ProductIdentifier" not in book:
        return cells
    found: Cells = {}
    for each in _at(book, "ProductIdentifier"):
        found.setdefault(_IDENTIFIERS.get(str(each.get("ProductIDType")), "identifier"), each.get("IDValue"))
    found["sku"] = next((found[key] for key in ("isbn", "gtin") if key in found), book.get("RecordReference"))
    found |= _title(book)
    for each in _at(book, "DescriptiveDetail", "Contributor"):
        name = next((each[key] for key in ("PersonName", "PersonNameInverted", "CorporateName") if key in each), None)
        held = found.setdefault(_ROLES.get(str(each.get("ContributorRole")), "contributor"), [])
        if isinstance(held, list) and name:
            held.append(name)
    detail = next(_at(book, "DescriptiveDetail"), {})
    found["format"] = _FORMS.get(str(detail.get("ProductForm")))
    found["language"] = [
        each.get("LanguageCode") for each in _at(detail, "Language") if each.get("LanguageRole", "01") == "01"
    ]
    found["pages"] = next(
        (each.get("ExtentValue") for each in _at(detail, "Extent") if each.get("ExtentType") in _PAGES), None
    )
    found["category"] = [text for each in _at(detail, "Subject") if (text := each.get("SubjectHeadingText"))]
    found["publisher"] = next((each.get("PublisherName") for each in _at(book, "PublishingDetail", "Publisher")), None)
    found["description"] = _first(_at(book, "CollateralDetail", "TextContent"), "TextType", _TEXTS).get("Text")
    resources = [*_at(book, "CollateralDetail", "SupportingResource")]
    covers = [each for each in resources if each.get("ResourceContentType") in _COVERS]
    versions = (version for each in covers for version in _at(each, "ResourceVersion"))
    found["image"] = [link for version in versions if (link := version.get("ResourceLink"))]
    price = _first(_at(book, "ProductSupply", "SupplyDetail", "Price"), "PriceType", _PRICES)
    found |= {"price": price.get("PriceAmount"), "currency": price.get("CurrencyCode", cells.get("currency"))}
    return {name: cell for name, cell in found.items() if cell not in (None, "", [])}


def _title(book: Cells) -> Cells:
    """The title of the product itself with its prefix, and its subtitle."""
    titles = _first(_at(book, "DescriptiveDetail", "TitleDetail"), "TitleType", ("01", "00", ""))
    element = _first(_at(titles, "TitleElement"), "TitleElementLevel", ("01", "03", ""))  # and not of a series
    parts = (element.get(key) for key in ("TitlePrefix", "TitleWithoutPrefix"))
    title = element.get("TitleText") or " ".join(str(part) for part in parts if part)
    return {"title": title, "subtitle": element.get("Subtitle")}


def _first(objects: Iterator[Cells], key: str, codes: Sequence[str]) -> Cells:
    """The object with the first of these codes that there is; an empty one where there is none."""
    held = [*objects]
    return next((each for code in codes for each in held if each.get(key, "") == code), {})


def _at(value: object, *keys: str) -> Iterator[Cells]:
    """The objects under a path of keys, of which each may hold one or a list; an element with nothing but several
    others of one kind in it was read as their list."""
    several = isinstance(value, list)
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict) and keys:
            yield from _at(each.get(keys[0], [each] if several else None), *keys[1:])
        elif isinstance(each, dict):
            yield each


def _long(value: object) -> object:
    """A value with long tags in the place of short ones."""
    if isinstance(value, list):
        return [_long(each) for each in value]
    return {_SHORT.get(key, key): _long(each) for key, each in value.items()} if isinstance(value, dict) else value
