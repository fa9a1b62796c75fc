"""Writers of catalogs in the forms of well-known exports, for the tests."""

# ruff: noqa: E501 -- rows are as wide as the real ones

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from vitrina.search.types.item import Item, Variant

Cells = Mapping[str, object]
ATTRIBUTES = ("colour", "material")
"""The attributes that every export carries here; sizes are the variants'."""


def table(rows: Iterable[Cells], delimiter: str = ",") -> str:
    """Rows as delimited text under all their columns."""
    held = list(rows)
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in held for name in row))
    writer = csv.DictWriter(out, names, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(held)
    return out.getvalue()


def money(cents: int | None) -> str:
    return "" if cents is None else f"{cents // 100}.{cents % 100:02}"


def image_path(item: Item) -> str:
    return f"pics/{item.sku}.webp"


def size(variant: Variant) -> object:
    return variant.options["size"]


def shopify(items: Sequence[Item]) -> str:
    rows: list[Cells] = []
    for item in items:
        product = {
            "Handle": item.sku,
            "Title": item.title,
            "Body (HTML)": f"<p>{escape(item.description)}</p>",
            "Published": "true",
            "Image Src": image_path(item),
            "Image Position": 1,
            **{
                f"{name.title()} (product.metafields.custom.{name})": item.attributes.get(name, "")
                for name in ATTRIBUTES
            },
        }
        forms: list[Cells] = [
            {
                "Option1 Name": "Size",
                "Option1 Value": size(each),
                "Variant SKU": each.sku,
                "Variant Price": money(each.price_cents),
            }
            for each in item.variants
        ] or [{"Option1 Name": "Title", "Option1 Value": "Default Title", "Variant Price": money(item.price_cents)}]
        rows.append({**product, **forms[0]})
        rows += [{"Handle": item.sku, **form, "Option1 Name": ""} for form in forms[1:]]
    return table(rows)


def shopify_products(items: Sequence[Item]) -> str:
    return json.dumps(
        {
            "products": [
                {
                    "id": number,
                    "handle": item.sku,
                    "title": item.title,
                    "body_html": item.description,
                    **{name: item.attributes.get(name) for name in ATTRIBUTES},
                    "images": [{"id": 1, "src": image_path(item)}],
                    "options": [{"name": "Size" if item.variants else "Title"}],
                    "variants": [
                        {"id": 1, "sku": each.sku, "price": money(each.price_cents), "option1": size(each)}
                        for each in item.variants
                    ]
                    or [{"id": 1, "price": money(item.price_cents), "option1": "Default Title"}],
                }
                for number, item in enumerate(items)
            ]
        }
    )


def shopify_bulk(items: Sequence[Item]) -> str:
    lines: list[Cells] = []
    for number, item in enumerate(items):
        parent = f"gid://shopify/Product/{number}"
        lines.append(
            {"id": parent, "handle": item.sku, "title": item.title, "descriptionHtml": item.description}
            | {name: item.attributes.get(name) for name in ATTRIBUTES}
        )
        lines.append(
            {"id": f"gid://shopify/MediaImage/{number}", "image": {"url": image_path(item)}, "__parentId": parent}
        )
        forms = [(each.sku, each.price_cents, [{"name": "Size", "value": size(each)}]) for each in item.variants]
        for position, (sku, cents, options) in enumerate(forms or [("", item.price_cents, [])]):
            own = f"gid://shopify/ProductVariant/{number}{position}"
            lines.append(
                {"id": own, "sku": sku, "price": money(cents), "selectedOptions": options, "__parentId": parent}
            )
    return "".join(json.dumps(line) + "\n" for line in lines)


def woocommerce(items: Sequence[Item]) -> str:
    rows: list[Cells] = []
    for number, item in enumerate(items):
        pairs = [(name.title(), item.attributes.get(name, "")) for name in ATTRIBUTES]
        pairs += [("Size", ", ".join(str(size(each)) for each in item.variants))] if item.variants else []
        named = {f"Attribute {n} name": name for n, (name, _) in enumerate(pairs, 1)}
        values = {f"Attribute {n} value(s)": value for n, (_, value) in enumerate(pairs, 1)}
        rows.append(
            {
                "ID": 1000 + number,
                "Type": "variable" if item.variants else "simple",
                "SKU": item.sku,
                "Name": item.title,
                "Published": 1,
                "Description": f"<p>{escape(item.description)}</p>",
                "Regular price": "" if item.variants else money(item.price_cents),
                "Images": image_path(item),
                "Parent": "",
                **named,
                **values,
            }
        )
    for number, item in enumerate(items):
        rows += [
            {
                "ID": 5000 + 10 * number + position,
                "Type": "variation",
                "SKU": each.sku,
                "Name": f"{item.title} - {size(each)}",
                "Published": 1,
                "Regular price": money(each.price_cents),
                "Parent": item.sku if position else f"id:{1000 + number}",
                "Attribute 1 name": "Size",
                "Attribute 1 value(s)": size(each),
            }
            for position, each in enumerate(item.variants)
        ]
    return table(rows)


def magento(items: Sequence[Item]) -> str:
    rows: list[Cells] = []
    for item in items:
        common = {"store_view_code": "", "attribute_set_code": "Default", "product_websites": "base"}
        rows += [
            {
                "sku": each.sku,
                "product_type": "simple",
                "name": f"{item.title} {size(each)}",
                "visibility": "Not Visible Individually",
                "price": f"{money(each.price_cents)}0000",
                "additional_attributes": f"size={size(each)}",
                **common,
            }
            for each in item.variants
        ]
        children = "|".join(f"sku={each.sku},size={size(each)}" for each in item.variants)
        rows.append(
            {
                "sku": item.sku,
                "product_type": "configurable" if item.variants else "simple",
                "name": item.title,
                "description": f"<p>{escape(item.description)}</p>",
                "visibility": "Catalog, Search",
                "price": "" if item.variants else money(item.price_cents),
                "base_image": f"/{image_path(item)}",
                "additional_attributes": ",".join(f"{name}={item.attributes.get(name, '')}" for name in ATTRIBUTES),
                "additional_images": f"/{image_path(item)}",
                "configurable_variations": children,
                **common,
            }
        )
        rows.append({"sku": item.sku, "store_view_code": "de", "name": f"{item.title} (de)"})
    return table(rows)


def bigcommerce_v2(items: Sequence[Item]) -> str:
    rows: list[Cells] = []
    for item in items:
        rows.append(
            {
                "Item Type": "Product",
                "Product Name": item.title,
                "Product Code/SKU": item.sku,
                "Product Description": item.description,
                "Price": money(item.price_cents),
                "Product Image URL - 1": image_path(item),
                "Product Custom Fields": ";".join(f"{name}={item.attributes.get(name, '')}" for name in ATTRIBUTES),
            }
        )
        rows += [
            {
                "Item Type": "  SKU",
                "Product Name": f"[S]Size={size(each)}",
                "Product Code/SKU": each.sku,
                "Price": money(each.price_cents),
            }
            for each in item.variants
        ]
    return table(rows)


def bigcommerce_v3(items: Sequence[Item]) -> str:
    rows: list[Cells] = []
    for item in items:
        fields = ";".join(f"{name}={item.attributes.get(name, '')}" for name in ATTRIBUTES)
        product = {"Item": "Product", "Name": item.title, "SKU": item.sku, "Description": item.description}
        rows.append({**product, "Options": "", "Price": money(item.price_cents), "Custom Fields": fields})
        rows += [
            {
                "Item": "Variant",
                "SKU": each.sku,
                "Options": f"Type=Rectangle|Name=Size|Value={size(each)}",
                "Price": money(each.price_cents),
            }
            for each in item.variants
        ]
        rows.append({"Item": "Image", "Image URL (Import)": image_path(item)})
    return table(rows)


def prestashop(items: Sequence[Item]) -> str:
    return table(
        (
            {
                "Product ID": number,
                "Name *": item.title,
                "Reference #": item.sku,
                "Price tax included": money(item.price_cents),
                "Description": item.description,
                "Image URLs (x,y,z...)": image_path(item),
                "Feature(Name:Value:Position)": ",".join(
                    f"{name}:{item.attributes.get(name, '')}:{n}" for n, name in enumerate(ATTRIBUTES)
                ),
            }
            for number, item in enumerate(items)
        ),
        ";",
    )


def akeneo(items: Sequence[Item]) -> str:
    rows: list[Cells] = []
    for item in items:
        common = {
            "categories": "a,b",
            "enabled": 1,
            "family": "f",
            "name-de_DE": f"{item.title} (de)",
            "name-en_US": item.title,
            "description-en_US-ecommerce": item.description,
            "picture": image_path(item),
            **{name: item.attributes.get(name, "") for name in ATTRIBUTES},
        }
        forms = [(each.sku, item.sku, size(each), each.price_cents) for each in item.variants]
        for sku, parent, own, cents in forms or [(item.sku, "", "", item.price_cents)]:
            rows.append({"sku": sku, "parent": parent, "size": own, "price-EUR": money(cents), **common})
    return table(rows, ";")


def etsy(items: Sequence[Item]) -> str:
    return table(
        {
            "TITLE": item.title,
            "DESCRIPTION": item.description,
            "PRICE": money(item.price_cents),
            "CURRENCY_CODE": "EUR",
            "TAGS": "a,b",
            "MATERIALS": "x",
            "IMAGE1": image_path(item),
            "VARIATION 1 TYPE": "Colour",
            "VARIATION 1 NAME": "Colour",
            "VARIATION 1 VALUES": item.attributes.get("colour", ""),
            "VARIATION 2 NAME": "Material",
            "VARIATION 2 VALUES": item.attributes.get("material", ""),
            "SKU": item.sku,
        }
        for item in items
    )


def ebay(items: Sequence[Item]) -> str:
    action = "*Action(SiteID=Germany|Country=DE|Currency=EUR|Version=1193|CC=UTF-8)"
    rows: list[Cells] = []
    for item in items:
        sizes = ";".join(str(size(each)) for each in item.variants)
        rows.append(
            {
                action: "Add",
                "CustomLabel": item.sku,
                "*Title": item.title,
                "Relationship": "",
                "RelationshipDetails": f"Size={sizes}" if sizes else "",
                "*Description": item.description,
                "PicURL": image_path(item),
                "*StartPrice": "" if sizes else money(item.price_cents),
                **{f"C:{name}": item.attributes.get(name, "") for name in ATTRIBUTES},
            }
        )
        rows += [
            {
                "CustomLabel": each.sku,
                "Relationship": "Variation",
                "RelationshipDetails": f"Size={size(each)}",
                "*StartPrice": money(each.price_cents),
            }
            for each in item.variants
        ]
    return table(rows)


def amazon(items: Sequence[Item]) -> str:
    rows: list[Cells] = []
    for item in items:
        common = {
            "feed_product_type": "x",
            "product_description": item.description,
            "main_image_url": image_path(item),
            **{name: item.attributes.get(name, "") for name in ATTRIBUTES},
        }
        own = {
            "item_sku": item.sku,
            "item_name": item.title,
            "standard_price": "" if item.variants else money(item.price_cents),
        }
        rows.append(
            {**own, "parent_child": "parent" if item.variants else "", "parent_sku": "", "size_name": "", **common}
        )
        rows += [
            {"item_sku": each.sku, "item_name": f"{item.title} {size(each)}", "standard_price": money(each.price_cents)}
            | {"parent_child": "child", "parent_sku": item.sku, "size_name": size(each), **common}
            for each in item.variants
        ]
    return table(rows, "\t")


def merchant_rows(items: Sequence[Item]) -> list[dict[str, object]]:
    rows = []
    for item in items:
        forms = [(each.sku, item.sku, size(each), each.price_cents) for each in item.variants]
        for sku, group, own, cents in forms or [(item.sku, "", "", item.price_cents)]:
            rows.append(
                {
                    "id": sku,
                    "title": item.title,
                    "description": item.description,
                    "image_link": image_path(item),
                    "price": f"{money(cents)} EUR",
                    "item_group_id": group,
                    "size": own,
                    **{name: item.attributes.get(name, "") for name in ATTRIBUTES},
                }
            )
    return rows


def merchant_tsv(items: Sequence[Item]) -> str:
    return table(({f"g:{name}": cell for name, cell in row.items()} for row in merchant_rows(items)), "\t")


def facebook(items: Sequence[Item]) -> str:
    return table(
        {("image[0].url" if name == "image_link" else name): cell for name, cell in row.items()}
        for row in merchant_rows(items)
    )


def merchant_rss(items: Sequence[Item]) -> str:
    rows = (
        "".join(f"<g:{name}>{escape(str(cell))}</g:{name}>" for name, cell in row.items())
        for row in merchant_rows(items)
    )
    body = "".join(f"<item><title>plain</title>{row}</item>\n" for row in rows)
    return f'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{body}</channel></rss>'


def merchant_atom(items: Sequence[Item]) -> str:
    rows = (
        "".join(f"<g:{name}>{escape(str(cell))}</g:{name}>" for name, cell in row.items())
        for row in merchant_rows(items)
    )
    body = "".join(f"<entry><id>tag:x</id><title type='html'>plain</title>{row}</entry>\n" for row in rows)
    return f'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">{body}</feed>'


def yml(items: Sequence[Item]) -> str:
    offers = []
    for row in merchant_rows(items):
        group = f" group_id={quoteattr(str(row['item_group_id']))}" if row["item_group_id"] else ""
        params = "".join(
            f"<param name={quoteattr(name)}>{escape(str(row[name]))}</param>"
            for name in (*ATTRIBUTES, "size")
            if row[name]
        )
        offers.append(
            f"<offer id={quoteattr(str(row['id']))}{group}><name>{escape(str(row['title']))}</name>"
            f"<price>{str(row['price']).split()[0]}</price><currencyId>EUR</currencyId><picture>{row['image_link']}</picture>"
            f"<description>{escape(str(row['description']))}</description>{params}</offer>"
        )
    return f"<!DOCTYPE yml_catalog SYSTEM 'shops.dtd'><yml_catalog><shop><offers>{''.join(offers)}</offers></shop></yml_catalog>"


def heureka(items: Sequence[Item]) -> str:
    shop_items = []
    for row in merchant_rows(items):
        params = "".join(
            f"<PARAM><PARAM_NAME>{name}</PARAM_NAME><VAL>{escape(str(row[name]))}</VAL></PARAM>"
            for name in (*ATTRIBUTES, "size")
            if row[name]
        )
        group = f"<ITEMGROUP_ID>{row['item_group_id']}</ITEMGROUP_ID>" if row["item_group_id"] else ""
        shop_items.append(
            f"<SHOPITEM><ITEM_ID>{row['id']}</ITEM_ID><PRODUCTNAME>{escape(str(row['title']))}</PRODUCTNAME>"
            f"<DESCRIPTION>{escape(str(row['description']))}</DESCRIPTION><IMGURL>{row['image_link']}</IMGURL>"
            f"<PRICE_VAT>{str(row['price']).split()[0]}</PRICE_VAT>{params}{group}</SHOPITEM>"
        )
    return f"<SHOP>{''.join(shop_items)}</SHOP>"


def json_ld(items: Sequence[Item]) -> str:
    def offer(cents: int | None) -> dict[str, object]:
        return {"@type": "Offer", "price": money(cents), "priceCurrency": "EUR"}

    graph = []
    for item in items:
        node: dict[str, object] = {
            "@type": "ProductGroup" if item.variants else "Product",
            "name": item.title,
            "description": item.description,
            "productGroupID" if item.variants else "sku": item.sku,
            "image": {"@type": "ImageObject", "contentUrl": image_path(item)},
            "additionalProperty": [
                {"@type": "PropertyValue", "name": name, "value": item.attributes.get(name)} for name in ATTRIBUTES
            ],
        }
        if item.variants:
            node["hasVariant"] = [
                {"@type": "Product", "sku": each.sku, "size": size(each), "offers": offer(each.price_cents)}
                for each in item.variants
            ]
        else:
            node["offers"] = [offer(item.price_cents)]
        graph.append(node)
    return json.dumps({"@context": "https://schema.org", "@graph": graph})


def wix(items: Sequence[Item]) -> str:
    rows: list[Cells] = []
    for number, item in enumerate(items):
        infos = {f"additionalInfoTitle{n}": name for n, name in enumerate(ATTRIBUTES, 1)}
        values = {
            f"additionalInfoDescription{n}": item.attributes.get(name, "") for n, name in enumerate(ATTRIBUTES, 1)
        }
        product = {
            "handleId": f"h{number}",
            "fieldType": "Product",
            "name": item.title,
            "description": item.description,
        }
        own = {
            "productImageUrl": image_path(item),
            "sku": item.sku,
            "price": money(item.price_cents),
            "productOptionName1": "",
        }
        rows.append({**product, **own, "productOptionDescription1": "", **infos, **values})
        rows += [
            {"handleId": f"h{number}", "fieldType": "Variant", "sku": each.sku, "price": money(each.price_cents)}
            | {"productOptionName1": "Size", "productOptionDescription1": size(each)}
            for each in item.variants
        ]
    return table(rows)


def plain(items: Sequence[Item]) -> str:
    return table(
        {
            "sku": item.sku,
            "title": item.title,
            "description": item.description,
            "price": money(item.price_cents),
            "currency": "EUR",
            "image": image_path(item),
            **{name: item.attributes.get(name, "") for name in ATTRIBUTES},
        }
        for item in items
    )


WRITERS: Mapping[str, tuple[str, Callable[[Sequence[Item]], str]]] = {
    "Shopify product export": ("shopify.csv", shopify),
    "Shopify products": ("products.json", shopify_products),
    "Shopify bulk operation": ("bulk.jsonl", shopify_bulk),
    "WooCommerce product export": ("wc.csv", woocommerce),
    "Adobe Commerce product export": ("magento.csv", magento),
    "BigCommerce product export": ("bc2.csv", bigcommerce_v2),
    "BigCommerce product export, v3": ("bc3.csv", bigcommerce_v3),
    "Akeneo product export": ("akeneo.csv", akeneo),
    "eBay listings": ("ebay.csv", ebay),
    "Amazon inventory file": ("amazon.txt", amazon),
    "Google Merchant feed": ("feed.tsv", merchant_tsv),
    "Google Merchant feed, RSS": ("rss.xml", merchant_rss),
    "Google Merchant feed, Atom": ("atom.xml", merchant_atom),
    "Facebook catalog": ("facebook.csv", facebook),
    "YML feed": ("yml.xml", yml),
    "Heureka feed": ("heureka.xml", heureka),
    "schema.org products": ("ld.json", json_ld),
    "Wix product export": ("wix.csv", wix),
}
"""Writers of exports that carry variants, by the dialect they are recognised as."""

WITHOUT_VARIANTS: Mapping[str, tuple[str, Callable[[Sequence[Item]], str]]] = {
    "PrestaShop products": ("prestashop.csv", prestashop),
    "Etsy listings": ("etsy.csv", etsy),
    "catalog table": ("plain.csv", plain),
}
