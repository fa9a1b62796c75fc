"""Query expansion: each spelling, form and synonym of a word finds the others, and the word itself comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, new_catalog
from vitrina.search.analysis.synonyms import SYNONYM_WEIGHT
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.store.catalog import Catalog
from vitrina.search.understanding.tokens import with_corrections

Shop = Callable[..., LexicalIndex]
"""Makes the index of a catalog with these titles; skus are their numbers, from 0."""

ENGLISH = "This is one of the best things in our shop, and it was made with love for you and your family"
GERMAN = "Das ist eines der besten Dinge in unserem Laden und wurde mit Liebe für Sie und Ihre Familie gemacht"
PORTUGUESE = "Esta é uma das melhores coisas da nossa loja e foi feita com amor para você e a sua família"
ITALIAN = "Questa è una delle cose migliori del nostro negozio, fatta con amore per voi e la vostra famiglia"
SPANISH = "Esta es una de las mejores cosas de nuestra tienda y fue hecha con amor para usted y su familia"
DUTCH = "Dit is een van de beste dingen in onze winkel en het is met liefde gemaakt voor u en uw gezin"
SWEDISH = "Detta är en av de bästa sakerna i vår butik och den gjordes med kärlek till dig och din familj"
FRENCH = "C'est l'une des meilleures choses de notre boutique, faite avec amour pour vous et votre famille"


@pytest.fixture
def shop(tmp_path: Path, encoder: FakeEncoder) -> Iterator[Shop]:
    opened: list[Catalog] = []

    def make(*titles: str, text: str = ENGLISH, synonyms: str = "") -> LexicalIndex:
        catalog = new_catalog(tmp_path / f"{len(opened)}.db")
        opened.append(catalog)
        entries = [make_entry(encoder, f"item{n}", title) for n, title in enumerate(titles)]
        entries += [make_entry(encoder, f"other{n}", "zzz", description=text) for n in range(9)]
        catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
        if synonyms:
            catalog.keep_synonyms(synonyms)
        return LexicalIndex(catalog)

    yield make
    for catalog in opened:
        catalog.close()


def found(index: LexicalIndex, query: str) -> list[int]:
    """The numbers of the titles that match a query, corrected as the parser does it, best first."""
    meant = with_corrections(query, index.corrections(query))
    stored = index.catalog.items(item_ids := index.match(meant).best(100).item_ids.tolist())
    skus = [stored[item_id].item.sku for item_id in item_ids]
    return [int(sku.removeprefix("item")) for sku in skus if sku.startswith("item")]


def weakest(index: LexicalIndex, query: str) -> dict[int, float]:
    """By the number of each title that matches: the weight of the word that it holds least."""
    best = index.match(query).best(100)
    stored = index.catalog.items(best.item_ids.tolist())
    skus = [stored[item_id].item.sku for item_id in best.item_ids.tolist()]
    weights = zip(skus, best.weakest.tolist(), strict=True)
    return {int(sku.removeprefix("item")): weight for sku, weight in weights if sku.startswith("item")}


def test_a_form_of_a_word_is_found_after_the_word_itself(shop: Shop) -> None:
    index = shop("Printed Dress", "Print Dress", "Plain Dress", "Oliver Boots", "Olive Boots")
    assert index.language == "en"
    assert found(index, "print")[0] == 1
    assert found(index, "print") == [1, 0]
    assert found(index, "printed") == [0, 1]
    assert found(index, "olive") == [4, 3]
    assert index.match("olive").best(9).literal.tolist() == [True, False]


def test_a_plural_and_a_british_spelling_are_the_word_itself(shop: Shop) -> None:
    index = shop("Grey Watches", "Gray Watch", "Women's Jewellery")
    assert weakest(index, "gray watches") == {0: 1.0, 1: 1.0}
    assert weakest(index, "woman jewelry")[2] == 1.0


@pytest.mark.parametrize("query", ["t shirt", "tshirt", "t-shirt", "T-Shirts", "tshirts"])
def test_a_compound_is_found_in_every_spelling(shop: Shop, query: str) -> None:
    index = shop("Red T-Shirt", "Red Tshirt", "Red T Shirts", "Red Dress Shirt")
    assert {0, 1, 2} == {number for number, weight in weakest(index, query).items() if weight >= 0.9}


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("head set", "Gaming Headset"),
        ("wifi", "Wi-Fi 6 Router"),
        ("headset", "Gaming Head Set"),
        ("smart watch", "Blue Smartwatch"),
        ("smartwatches", "Blue Smart Watch"),
        ("tn-2110", "Toner TN2110"),
        ("TN2110", "Toner TN-2110"),
        ("tn 2110", "Toner TN2110 black"),
        ("tn2110", "Toner TN 2110 black"),
        ("w734d-1avdf", "Casio W-734D-1AVDF"),
        ("w-734-d", "Casio W734D"),
        ("2tb", "Disk 2 TB"),
        ("2 tb", "Disk 2TB"),
        ("1.5 TB", "Disk 1.5TB"),
        ("55cm", "Bag 55 cm"),
        ("55 cm", "Bag 55cm"),
        ('32"', "TV 32 inch"),
        ("32 inch", 'TV 32"'),
        ("32-inch", "TV 32″"),
        ("10000mah", "Charger 10,000 mAh"),
    ],
)
def test_parts_of_a_word_or_model_number(shop: Shop, query: str, title: str) -> None:
    index = shop(title, "Something else")
    assert index.match(query).best(9).literal.tolist()[:1] == [True]
    assert found(index, query) == [0]


def test_the_beginning_of_a_model_number_stands_for_it(shop: Shop) -> None:
    index = shop("Toner TN-2510XL", "Phone SM-A556B", "Chip 78001X", "Toner TN-2599", "Socks 25 10")
    assert found(index, "tn2510") == [0]
    assert found(index, "sm a556") == [1]
    assert found(index, "a556") == [1]
    assert found(index, "tn25") == found(index, "c780") == [], "another number"


def test_a_number_in_letters_is_one_in_digits(shop: Shop) -> None:
    index = shop("2-Burner Stove", "Three Ring Stove", "Burner")
    assert found(index, "stove two burners")[0] == 0
    assert found(index, "stove 3 ring")[0] == 1


def test_parts_must_be_next_to_each_other_in_one_field(shop: Shop) -> None:
    index = shop("Set of head bands", "Model 2110 TN", "TN 5 2110")
    assert found(index, "headset") == []
    assert found(index, "tn2110") == []


def test_a_word_the_catalog_lacks_is_corrected(shop: Shop) -> None:
    index = shop("Wireless Headphones", "Running Shoes", "Shoe Rack")
    assert found(index, "headphnes") == [0]
    assert found(index, "haedphones") == [0]
    assert found(index, "runing shoes")[0] == 1
    assert found(index, "hdphns") == []


def test_what_a_word_is_corrected_to(shop: Shop) -> None:
    index = shop("Wireless Headphones", "Running Shoes", "Hammocks", "Hammock", "Cord", "Card")
    assert index.corrections("Headphnes, running") == {"headphnes": "headphones"}
    assert index.corrections("hamock") == {"hamock": "hammock"}, "the spelling that is closest"
    assert index.corrections("card") == index.corrections("curd") == {}, "which are words"
    assert index.corrections("running shoe headphones 12 xbox") == {}
    assert shop("Mane Comb").corrections("mare") == {}, "other shops have mares"
    assert shop("Batería", text=SPANISH).corrections("vateria") == {"vateria": "batería"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cofee tabel", "coffee table"),  # once for twice, two letters swapped
        ("pilow cace", "pillow case"),  # which sounds alike
        ("wadrobe", "wardrobe"),
        ("notbook", "notebook"),
        ("unicron", "unicorn"),
        ("lihgt bulb", "light bulb"),
        ("speekar stand", "speaker stand"),  # two errors in seven letters that sound alike
        ("lamp forkitchen", "lamp for kitchen"),
        ("brakfluid", "brake fluid"),
        ("knfe", "knife"),
        ("coton pillow", "cotton pillow"),  # which is a brand, too
        ("thum drive", "thumb drive"),
    ],
)
def test_errors_that_people_make(shop: Shop, typed: str, meant: str) -> None:
    index = shop(
        "Coffee Table",
        "Pillow Case",
        "Light Bulb",
        "Brake Fluid",
        "Loudspeaker, speaker",
        "White Kitchen Lamp",
        "Thumb",
        "Chef Knife, knf, cotton",
    )
    assert with_corrections(typed, index.corrections(typed)) == meant


@pytest.mark.parametrize(
    "typed",
    ["dewalt drill", "miele", "helly hansen", "playmobil", "clinique cream", "panthenol", "unleather", "hoodless"],
)
def test_brands_and_what_lacks_something_are_typed_as_meant(shop: Shop, typed: str) -> None:
    assert shop("Drill", "Cream", "Leather Jacket", "Hooded Coat", "Garden Mill").corrections(typed) == {}


def test_compounds_stay_whole(shop: Shop) -> None:
    index = shop("Winterjacke", "Rote Jacke mit Kapuze", "Wein, rot", text=GERMAN)
    assert index.language == "de"
    assert index.corrections("kinderjacke rotwein") == {}
    assert index.corrections("winterjakce") == {"winterjakce": "winterjacke"}


def test_frequent_words_are_meant_rather_than_rare_ones(shop: Shop) -> None:
    assert shop("Steel Shelf").corrections("gaurds") == {"gaurds": "guards"}
    assert shop(*["Leather Wallet"] * 30, "Leathers Wallex").corrections("wallef") == {"wallef": "wallet"}


def test_a_last_word_may_be_the_beginning_of_one(shop: Shop) -> None:
    index = shop(
        "Washing Machine", "Washing Machine White", "Machinist Vice", "Blue Jeans", "Kumquat", "Kumihimo", "Teach"
    )
    assert set(found(index, "washing mach")[:2]) == {0, 1}
    assert index.corrections("washing mach") == {"mach": "machine"}
    assert found(index, "jea") == [3]
    assert index.corrections("blue jea") == {"jea": "jeans"}
    assert set(found(index, "kum")) == {4, 5}
    assert index.corrections("kum") == {}, "one or the other"
    assert found(index, "je") == []
    assert found(index, "jea qqq") == [], "no last word"
    assert index.corrections("blue jeams") == {"jeams": "jeans"}
    assert found(index, "qqq") == []


def test_accents_are_no_typing_errors(shop: Shop) -> None:
    index = shop("Batería acústica", "Púas", text=SPANISH)
    assert index.language == "es"
    assert found(index, "vateria") == [0]
    assert found(index, "bateris") == [0]


def test_no_word_of_the_catalog_is_corrected_and_no_number(shop: Shop) -> None:
    index = shop("Short Coat", "Shirt", "Toner TN2110", "Model 2110", "Cat")
    assert found(index, "shirt") == [1]
    assert found(index, "tn2111") == []
    assert found(index, "2111") == []
    assert found(index, "cot") == []
    assert found(shop("Touch Screen", "Hex Bolts"), "couch") == []  # spelled as it is meant


def test_synonyms_are_found_after_the_word_itself(shop: Shop) -> None:
    index = shop("Grey Couch", "Grey Sofa", "Jump Rope", "Climbing Rope", "Black Sneakers", "Gaming Laptop")
    assert found(index, "sofa") == [1, 0]
    assert weakest(index, "sofa") == {1: 1.0, 0: pytest.approx(SYNONYM_WEIGHT)}
    assert found(index, "skipping rope")[0] == 2
    assert found(index, "trainers") == [4]
    assert found(index, "gaming notebook") == [5]


def test_another_name_counts_without_the_word_that_both_have(shop: Shop) -> None:
    index = shop("Leather Leash", "Dog Leash", "Lead Crystal")
    assert found(index, "dog lead") == [1, 2, 0]
    assert found(index, "long dog lead")[0] == 1
    assert weakest(index, "dog lead")[1] > SYNONYM_WEIGHT
    assert 0 not in found(index, "lead")


def test_a_misspelled_word_has_synonyms_after_the_word_itself(shop: Shop) -> None:
    index = shop("Hi Vis Vest", "Sofa", "Couch", "Visible Hat")
    assert found(index, "high visibilty")[0] == 0  # no item has the word that is meant
    assert found(index, "sfoa") == [1, 2]
    assert index.corrections("sfoa") == {"sfoa": "sofa"}
    assert shop("Hat", text="Fine hats").corrections("something that fits") == {}
    assert shop("Sofa").corrections("settee") == {}  # which is another word for it
    assert shop("Fishing Net").corrections("net for next week") == {}
    assert shop("Cylinder").corrections("calandar kitchin") == {"calandar": "calendar", "kitchin": "kitchen"}
    assert 0 not in found(index, "visible")


def test_rare_meanings_are_no_synonyms(shop: Shop) -> None:
    index = shop("Cow", "Marijuana", "Earphones", "Watch Strap")
    for query in ("jersey", "pot", "phone", "bracelet"):
        assert found(index, query) == []


def test_a_shops_own_synonyms(shop: Shop) -> None:
    titles = ("Grand Foulard", "Bed Throw", "Sitzsack", "Bean Bag")
    index = shop(*titles)
    assert found(index, "plaid") == []
    index.catalog.keep_synonyms("plaid, grand foulard, bed throw\nbean bag => sitzsack  # as we call it\n")
    assert index.catch_up()
    assert set(found(index, "plaid")) == {0, 1}
    assert set(found(index, "bed throw")) == {0, 1}
    assert weakest(index, "bed throw") == {0: 1.0, 1: 1.0}
    assert found(index, "bean bag") == [2]
    index.catalog.keep_synonyms("")
    assert index.catch_up()
    assert found(index, "plaid") == []
    assert found(index, "bean bag") == [3]


def test_german(shop: Shop) -> None:
    index = shop("Rote Häuser", "Rotes Haus", "Sofa", "Couch", "Farbe", text=GERMAN)
    assert index.language == "de"
    assert set(found(index, "haus")) == {0, 1}
    assert found(index, "hauser")[0] == 0
    assert found(index, "sofa") == [2, 3]
    assert found(index, "der die das haus")[0] == 1
    assert index.match("das haus").words == ("haus",)


def test_synonyms_in_other_languages_are_found_in_every_form_and_in_compounds(shop: Shop) -> None:
    index = shop("Mesa de centro de roble", "Mesitas auxiliares", "Sillas", text=SPANISH)
    assert index.language == "es"
    assert found(index, "mesa centro") == [0, 1]
    index = shop("Tischleuchte Oslo", "Schlafcouch grau", "Sessel", "Nachthemd", text=GERMAN)
    assert found(index, "Sofa") == [1]
    assert found(index, "Nachttischlampe") == [0], "a synonym, and not its parts"


def test_another_name_for_what_is_wanted_is_none_for_what_is_avoided(shop: Shop) -> None:
    boots = "Safety boots, composite", "Boots, steel toecap", "Boots, steel toe caps"
    index = shop(*boots, synonyms="steel toecap, safety boot\ntoecap, toe cap\n")
    ids = np.sort(index.match("boots").best(9).item_ids)
    assert index.avoid("steel toecap", ids, "boots").held.tolist() == [True, True, True]
    assert index.avoid("steel toecap", ids, "safety boots").held.tolist() == [False, True, True]


def test_what_is_called_by_what_it_lacks_is_not_that(shop: Shop) -> None:
    index = shop("Cable de micrófono", "Micrófono inalámbrico", "Micrófono sin cable", text=SPANISH)
    assert found(index, "sin cable") == [2, 1]


def test_small_words_are_none_of_a_query(shop: Shop) -> None:
    index = shop("Regalo", "Algo para la mesa", text=SPANISH)
    assert found(index, "busco algo que sea un regalo")[0] == 0
    assert index.match("busco un regalo para mi").words == ("regalo",)


def test_spanish(shop: Shop) -> None:
    index = shop("Zapatos negros de cuero", "Camión eléctrico", "Camisa", text=SPANISH)
    assert index.language == "es"
    assert found(index, "zapato de cuero negro") == [0]
    assert index.match("camion").best(9).literal.tolist() == [True]
    assert found(index, "electricos") == [1]


def test_french_elision(shop: Shop) -> None:
    index = shop("Eau de toilette", "Montre d'enfant", text=FRENCH)
    assert index.language == "fr"
    assert found(index, "l'eau") == [0]
    assert found(index, "enfants") == [1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [("连衣裙", [0]), ("裙", [0]), ("運動鞋", [1]), ("ワンピース", [2]), ("운동화", [3]), ("衣", [0])],
)
def test_text_in_pairs_of_letters(shop: Shop, query: str, expected: list[int]) -> None:
    index = shop("红色连衣裙", "黑色運動鞋", "赤いワンピース", "검은 운동화", text="红色的鞋子和黑色的衬衫")
    assert found(index, query)[:1] == expected


def test_a_few_english_titles_are_english(shop: Shop) -> None:
    assert shop("Linen Shirt", "Boots", "Leather Belt", text="").language == "en"


def test_nothing_is_stemmed_in_a_language_that_is_not_known(shop: Shop) -> None:
    index = shop("Print", "Printed", text="qqq xkcd 123 vvv")
    assert index.language == ""
    assert found(index, "print") == [0]
    assert found(index, "sofa") == []


def test_a_compound_is_found_by_what_it_is_and_by_what_it_is_for(shop: Shop) -> None:
    index = shop("Stehlampe", "Lampen", "Schreibtischlampe", "Lampenschirm", "Karat", text=GERMAN)
    assert index.language == "de"
    assert set(found(index, "lampe")[:3]) == {0, 1, 2}
    assert found(index, "lampe")[3:] == [3]
    assert found(index, "Schreibtisch") == [2]
    assert found(index, "rat") == []
    assert set(found(shop("Stehlampe", "Lampen"), "lampe")) <= {1}, "English writes them apart"


def test_a_compound_that_the_catalog_lacks_is_found_by_its_parts(shop: Shop) -> None:
    index = shop("Damen Laufschuh", "Herren Laufschuh", "Damen Jacke", "Blume", "Topf", "Schuhe", text=GERMAN)
    assert found(index, "Damenschuhe")[0] == 0
    assert {0, 1, 5} <= set(found(index, "Turnschuhe"))
    assert set(found(index, "Blumentopf")) == {3, 4}
    assert found(index, "Damenjacken")[0] == 2
    index = shop("Sideboard Fischgrat", "Hochstuhl", "Klappstuhl", text=GERMAN)
    assert found(index, "Apparatgrat") == [], "what ends one word alone may be none"
    assert set(found(index, "Drehstuhl")) == {1, 2}


def test_the_last_part_of_a_compound_may_have_another_name(shop: Shop) -> None:
    index = shop("Gartenleuchte Solar", "Garten Lampe", "Topfhandschuhe grau", "Kaffeemaschine", text=GERMAN)
    assert found(index, "Gartenlampe") == [1, 0]
    assert found(index, "Grillhandschuhe") == [2], "one of the kind, though it stands nowhere by itself"
    assert found(index, "Waschmaschine") == [], "every other thing is a machine"


def test_the_parts_of_a_compound_count_one_word(shop: Shop) -> None:
    index = shop("Spargeltopf mit Korb", "Kocher, Heu, auch Wagen", "Messer", text=GERMAN)
    assert found(index, "Spargeltopf für Heuwagen") == [0, 1]
    index = shop("Gemüse Saatgut", "Reibe fein", text=GERMAN)
    assert found(index, "Gemüsereibe") == [1, 0], "the last part counts more"


def test_words_written_apart_have_the_synonyms_of_one(shop: Shop) -> None:
    index = shop("Eieruhr magnetisch", "Brotdose Edelstahl", "Brot Backautomat, Box", text=GERMAN)
    assert found(index, "küchen timer") == [0]
    assert found(index, "brot box")[0] == 2
    assert set(found(index, "brotbox")) == {1, 2}


def test_a_preposition_is_no_part_of_a_compound(shop: Shop) -> None:
    assert found(shop("Haken, zum Hängen vor der Tür", text=GERMAN), "Vorhänge") == []


def test_a_name_in_er_keeps_it_in_compounds(shop: Shop) -> None:
    assert found(shop("Abtropfgestell", "Muffinform pastell", "Dessertteller", text=GERMAN), "Teller") == [2]
    assert found(shop("Zum Braten von Fleisch", "Bräter oval", text=GERMAN), "Bräter") == [1]


@pytest.mark.parametrize(
    ("text", "title", "query"),
    [
        (FRENCH, "Lot de 3 boxers", "boxer"),
        (FRENCH, "Robe bleue et pantalons blancs", "bleus blanche"),
        (FRENCH, "Veste légère", "léger"),
        (ITALIAN, "Cassettiera bassa", "cassettiere"),
        (ITALIAN, "Cucchiai in legno", "cucchiaio"),
        (PORTUGUESE, "Aventais e botões azuis", "avental azul botão"),
        (SPANISH, "Collares de plata", "collar"),
        (DUTCH, "Glazen borden", "bord"),
    ],
)
def test_numbers_and_genders_that_stems_part(shop: Shop, text: str, title: str, query: str) -> None:
    assert found(shop(title, "Zzz", text=text), query) == [0]


def test_what_is_written_with_a_hyphen_is_one_thing_where_the_shop_has_it(shop: Shop) -> None:
    index = shop("Boxer homme", "Veste à porter sous un manteau", "Vêtements de pluie", text=FRENCH)
    assert found(index, "sous-vêtements") == [0]
    assert set(found(shop("Veste à porter sous un manteau", text=FRENCH), "sous-vêtements")) == {0}


def test_a_number_in_a_name_may_be_in_letters(shop: Shop) -> None:
    assert found(shop("Bikini corail", "Maillot de sport", text=FRENCH), "maillot 2 pièces")[0] == 0


def test_what_an_item_denies_it_does_not_hold(shop: Shop) -> None:
    index = shop("Kocher, nicht geeignet für Induktion", "Kocher Induktion", "Kocher ohne Deckel", text=GERMAN)
    assert found(index, "Induktion") == [1]
    assert found(index, "Deckel") == []
    assert found(index, "Kocher") == [1, 2, 0]
    index = shop("Non stick pan", "No iron shirt", "Pan with lid, without lid holder", text=ENGLISH)
    assert [found(index, words) for words in ("non stick", "stick", "iron", "lid")] == [[0], [], [1], [2]]
    assert found(shop("Olla no apta para horno", "Olla de horno", text=SPANISH), "horno") == [1]


def test_a_verb_finds_what_begins_with_its_stem(shop: Shop) -> None:
    assert found(shop("Trinkflasche", "Trikot", text=GERMAN), "trinken") == [0]


def test_words_that_bound_something_are_no_typing_errors(shop: Shop) -> None:
    index = shop("Pyjama bébé 6 mois", "Jean", text=FRENCH)
    assert index.corrections("jean moins de 60 euros") == {}
    index = shop("Jean ventre plat", text=FRENCH)
    assert index.corrections("jean entre 50 et 80 euros") == {}


def test_two_letters_are_typed_for_an_umlaut(shop: Shop) -> None:
    index = shop("Töpfe und Schüssel", "Neue Maße", "Aero Duett", text=GERMAN)
    assert index.with_umlauts("Toepfe fuer Gluehwein, neue, Aero") == "töpfe für Gluehwein, neue, Aero"
    assert shop("Töpfe", "Zzz").with_umlauts("Toepfe") == "Toepfe", "not in English"


@pytest.mark.parametrize(
    ("title", "query"),
    [
        ("Leeslamp", "leeslampje"),
        ("Nachtkastje", "nachtkast"),
        ("Fotolijst", "lijstjes"),
        ("Ring", "ringetje"),
        ("Stoeltje", "stoel"),
        ("Bloem", "bloempje"),
        ("Plant", "plantje"),
        ("Bankje", "bank"),
        ("Bal", "balletje"),
    ],
)
def test_small_things_in_dutch(shop: Shop, title: str, query: str) -> None:
    index = shop(title, "Tafel", text=DUTCH)
    assert index.language == "nl"
    assert found(index, query) == [0]


@pytest.mark.parametrize(
    ("text", "title", "query"), [(DUTCH, "Staande Bureaulamp", "lampen"), (SWEDISH, "Golvlampa", "lampa")]
)
def test_compounds_in_other_languages(shop: Shop, text: str, title: str, query: str) -> None:
    index = shop(title, "Tafel", text=text)
    assert index.language in ("nl", "sv")
    assert found(index, query) == [0]


@pytest.mark.parametrize(
    ("text", "title", "query"),
    [
        (PORTUGUESE, "Garrafinha verde", "garrafa"),
        (PORTUGUESE, "Potes verdes", "potinhos"),
        (PORTUGUESE, "Bloco verde", "bloquinhos"),
        (ITALIAN, "Vestitino verde", "vestito"),
        (ITALIAN, "Maglioni verdi", "maglioncini"),
        (SPANISH, "Botella verde", "botellita"),
        (GERMAN, "Lämpchen grün", "lampe"),
    ],
)
def test_small_things_are_found_after_the_word_itself(shop: Shop, text: str, title: str, query: str) -> None:
    assert found(shop(title, f"{query} viola", "Altro", text=text), query)[:2] == [1, 0]


def test_a_diminutive_may_be_a_name_of_its_own(shop: Shop) -> None:
    assert found(shop("Pantaloni", "Bermuda", text=ITALIAN), "pantaloncini") == [1]


def test_the_word_for_a_size_is_none_before_letters(shop: Shop) -> None:
    index = shop("Fralda tamanho P", "Fralda noturna G", "Camiseta")
    assert weakest(index, "fralda tamanho g") == {0: 0.0, 1: 1.0}
    assert found(index, "tamanho") == [0]


def test_a_measure_is_one_word_in_whatever_spelling(shop: Shop) -> None:
    index = shop("Dumbbells 2.5-24 kg, 10 weights", "Dumbbell 10kg", "Dumbbell 15kg", "Dumbbell 10 kilos")
    assert index.match("10 kg dumbbell").words == ("10 kg", "dumbbell")
    assert set(found(index, "10 kg dumbbell")[:2]) == {1, 3}
    assert set(weakest(index, "10 kg")) == {1, 3}, "neither a 10 nor a kg alone is 10 kg"


def test_an_amount_is_found_in_another_unit_after_its_own(shop: Shop) -> None:
    index = shop("Pan 30cm", "Pan 28cm", 'Pan 12"', "Tray 40 x 30 x 5")
    assert found(index, "12 inch pan") == [2, 0, 1]
    assert found(index, "30 cm") == [0, 2, 3]


def test_a_measure_may_be_part_of_a_model_number_and_of_a_shops_own_synonym(shop: Shop) -> None:
    index = shop("Printer HL-2170W", "Printer HL-2140", "Notebook", synonyms="13 inch laptop, notebook")
    assert found(index, "hl 2170 w")[0] == 0
    assert 2 in found(index, "13 inch laptop")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("lock under 1 kg", [1, 2]),
        ("lock over 1 kg", [0]),
        ("lock between 300 and 500 g", [1, 2]),
        ("helmet size 57", [3]),
        ("helmet 47 cm", [4]),
        ("puzzle age 5", [5]),
        ("puzzle for a 10 year old", [6]),
    ],
)
def test_amounts_within_bounds_and_ranges(shop: Shop, query: str, expected: list[int]) -> None:
    titles = ("Lock 1.2 kg", "Lock 0.35 kg", "Lock 480g", "Helmet 52-58 cm", "Helmet 46-51cm")
    index = shop(*titles, "Puzzle, 3-6 years", "Puzzle ages 8+")
    held = [at for at, weight in weakest(index, query).items() if weight > 0]
    assert sorted(held) == expected


def test_a_sentence_finds_what_helps_against_a_trouble(shop: Shop) -> None:
    assert found(shop("External Hard Drive", "Picture Frame"), "back up all my family photos") == [0]


def test_what_a_thing_does_not_do_is_denied_too(shop: Shop) -> None:
    index = shop("Gel that won't sling", "Gel with a sling", "Bag that doesn't sag")
    assert found(index, "sling") == [1]
    assert found(index, "sag") == []


def test_what_sentences_are_made_with_asks_for_nothing(shop: Shop) -> None:
    index = shop("Mango Chutney", "Mustard that goes a long way", "Who T-Shirt")
    assert index.match("what goes with a mango").words == ("mango",)
    assert found(index, "what goes with a mango") == [0]
    assert found(index, "the who") == [2], "unless nothing else is said"
