"""Small vocabularies like those of real shops."""

from __future__ import annotations

from vitrina.search.understanding.catalog_attributes import Vocabulary

FASHION = Vocabulary(
    {
        "category": ("Apparel", "Accessories", "Footwear", "Personal Care"),
        "subcategory": ("Topwear", "Shoes", "Bags", "Watches", "Accessories", "Dress", "Lips", "Skin"),
        "article": (
            *("Tshirts", "Shirts", "Casual Shoes", "Sports Shoes", "Formal Shoes", "Shorts", "Dresses", "Jeans"),
            *("Jackets", "Rain Jacket", "Watches", "Handbags", "Flip Flops", "Trousers", "Track Pants", "Belts"),
            *("Tops", "Ties", "Scarves", "Kurtas", "Perfume and Body Mist", "Night suits", "Sunglasses", "Sweaters"),
        ),
        "colour": (
            *("Black", "White", "Blue", "Navy Blue", "Turquoise Blue", "Teal", "Grey", "Gold", "Red", "Maroon"),
            *("Green", "Off White", "None", "Multi"),
        ),
        "gender": ("Men", "Women", "Boys", "Girls", "Unisex"),
        "season": ("Summer", "Winter", "Fall", "Spring"),
        "usage": ("Casual", "Sports", "Ethnic", "Formal", "Smart Casual", "None"),
        "year": ("2011", "2012"),
        "shoe_size": ("8", "10", "10.5", "42"),
        "size": ("S", "M", "XL"),
        "brand": ("Nike", "Pilgrim Street", "Levi's", "The North Face", "H&M", "Black"),
        "is_waterproof": ("false", "true"),
    }
)
GROCERY = Vocabulary(
    {
        "category": ("Fruit", "Packages", "Vegetables"),
        "article": (
            *("Apple", "Juice", "Milk", "Soy Milk", "Oat Milk", "Yoghurt", "Tomato", "Orange", "Lemon", "Lime"),
            *("Red Grapefruit", "Zucchini", "Aubergine", "Sour Cream", "Passion Fruit"),
        ),
    }
)
BOUTIQUE = Vocabulary(
    {
        "category": ("clothing", "shoes", "home"),
        "article": ("t-shirt", "shirt", "mug", "dress", "jumper", "tote bag", "lamp", "sneakers", "teapot"),
        "material": ("cotton", "linen", "leather", "wool", "steel"),
        "pattern": ("solid", "striped", "checked", "dotted", "floral"),
        "colour": ("black", "white", "navy blue", "blue", "olive", "beige"),
        "style": ("crew-neck", "long-sleeved", "round", "top-handle"),
        "gender": ("men", "women", "unisex"),
    }
)
