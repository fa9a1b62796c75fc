"""The lexical index: every item's words in memory, which follow the catalog by its sequence numbers."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import SEPARATOR, VERSION, Field, analyse
from vitrina.search.analysis.bound_words import DENIAL_CARRIERS, DENIED_BEFORE_CARRIERS, DENIED_BY
from vitrina.search.analysis.language import DIGRAPHS, STEMS_VERSION, Language, detect_language
from vitrina.search.analysis.spelling import SPELLED_WORD, fold
from vitrina.search.analysis.synonyms import Thesaurus, are_english, english_heads, parse_synonyms
from vitrina.search.lexical.bm25 import NO_IDS, QueryMatches, Reduced
from vitrina.search.lexical.denials import denials, other_names_without, without_names_of
from vitrina.search.lexical.expansion import Expansion, QueryExpander
from vitrina.search.lexical.heads import APART, HEAD_FIRST, TitleRows, head_of, last_terms, modifier_weight, title_rows
from vitrina.search.lexical.postings import NO_POSTINGS, Postings, restored_postings, updated
from vitrina.search.lexical.segment import N_FIELDS, Denying, Segment, TermStream
from vitrina.search.lexical.term_dictionary import TermDictionary
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.matching import is_among
from vitrina.search.store.terms import TextSettings
from vitrina.search.types.arrays import Arrays, packed, part_of, unpacked
from vitrina.search.types.errors import StorageError

log = logging.getLogger(__name__)

N_SAMPLED = 300
"""How many items' words the language is found out from."""

LANGUAGE_GROWTH = 4
"""The language is found out again once there are this many times as many items."""

MAX_EXPANSIONS = 256
MAX_REWORDINGS = 64

FIELD_END = "\0"
ENDED, NOTHING = -1, -2


@dataclass(frozen=True, slots=True)
class LexicalState:
    """One state of the index; everything in it stays as it is but for terms that are added to the dictionary."""

    postings: Postings
    dictionary: TermDictionary
    thesaurus: Thesaurus
    settings: TextSettings
    expansions: dict[str, Expansion] = field(default_factory=dict, compare=False)

    def expand(self, text: str) -> Expansion:
        """The words of a query, and every way in which an item may hold each of them; kept, as one search asks for
        those of its text several times."""
        found = self.expansions.get(text)
        if found is None:
            if len(self.expansions) >= MAX_EXPANSIONS:
                self.expansions.clear()
            found = replace(self.expander().expand(text), denying=self._denying())
            self.expansions[text] = found
        return found

    def _denying(self) -> Denying | None:
        ids = self.dictionary.ids_of
        found = Denying(ids(DENIED_BY), ids(DENIED_BEFORE_CARRIERS), ids(DENIAL_CARRIERS))
        return found if found.words or found.before_carriers else None

    def expander(self) -> QueryExpander:
        def n_holding(term: int) -> int:
            return len(self.postings.holding(term))

        return QueryExpander(self.dictionary, self.thesaurus, n_holding)


@dataclass(frozen=True, slots=True)
class Avoided:
    """Which of n items hold all words of what is to be avoided, or forms of them, and which say that they lack it, as
    in ``alcohol-free`` or ``no added sugar``, and so are none of the others; both of shape (n,)."""

    held: NDArray[np.bool_]
    lacked: NDArray[np.bool_]


class LexicalIndex:
    """The words of a catalog's items, as of change ``sequence``. Safe to search from several threads while one catches
    up."""

    def __init__(self, catalog: Catalog, arrays: Arrays | None = None) -> None:
        """Read the catalog's words, those aside that ``arrays`` of an earlier state hold, and analyse those items that
        an older Vitrina stored. Blocks for as long as that takes: three seconds for 100,000 items whose words are
        stored. Raises KeyError or ValueError where ``arrays`` are not whole."""
        self.catalog = catalog
        self._catching_up = threading.Lock()
        store_missing_terms(catalog)
        if arrays is None:
            self.sequence, self._state = 0, empty_state()
            self._catch_up()
        else:
            self.sequence, self._state = restored(arrays)
            self.catch_up()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The words as of ``sequence``, for a later index; nothing may catch up meanwhile."""
        state = self._state
        settings = state.settings
        head = [settings.language, str(settings.n_judged), settings.synonyms, str(self.sequence), *versions()]
        return {
            **{f"settings.{name}": array for name, array in packed(head).items()},
            **{f"dictionary.{name}": array for name, array in state.dictionary.arrays().items()},
            **{f"postings.{name}": array for name, array in state.postings.arrays().items()},
        }

    def __len__(self) -> int:
        return self._state.postings.n_items

    @property
    def state(self) -> LexicalState:
        """Everything as of the last change."""
        return self._state

    @property
    def language(self) -> str:
        """The catalog's language, ISO 639-1; empty if none is known."""
        return self._state.settings.language

    def match(self, text: str) -> QueryMatches:
        """What the items hold of the words of a query. Costs about a millisecond for 40,000 items."""
        state = self._state
        expansion = state.expand(text)
        return QueryMatches(expansion, state.postings, as_modifier(text, expansion, state))

    def called(self, text: str, item_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some items are called what a query asks for, shape (n,): their titles have its head, or another word
        for it, as what they are, and the items hold all its other words. None where heads come first, or are not
        known."""
        state = self._state
        expansion = state.expand(text)
        called = np.zeros(len(item_ids), np.bool_)
        at = head_of(analyse(text), expansion.words, state.dictionary.language)
        if at is not None and state.dictionary.language.code in APART:
            called = is_among(state.postings.rows_of(item_ids), titled_rows(at, expansion, state).heads)
        if called.any():
            called[called] = QueryMatches(expansion, state.postings).of(item_ids[called]).weakest > 0
        return called

    def head(self, text: str) -> str:
        """The word of a query that says what thing is asked for; empty where it is not known."""
        words = tuple(analyse(text))
        at = head_of(words, words, self._state.dictionary.language)
        return "" if at is None else words[at]

    def lacks(self, name: str) -> bool:
        """Whether a name ends in a known kind of thing, and no title has that, or another word for it, as what an item
        is; of a single word, and of a head in a language that puts it first, whether no item has it in any way."""
        state = self._state
        expansion, language = state.expand(name), state.dictionary.language
        at = head_of(analyse(name), expansion.words, language)
        if at is None or language.code not in APART | HEAD_FIRST:
            return False
        head = expansion.words[at]
        if language.code in APART and english_heads().isdisjoint(language.keys([head])):
            return False
        if language.code in HEAD_FIRST or len(expansion.words) == 1:
            return not len(QueryMatches(state.expand(head), state.postings).best(1))
        return not len(titled_rows(at, expansion, state).heads)

    def lacks_compound(self, name: str) -> bool:
        """Whether a name of several words is a known one, as a whole, and no item holds all its words in any way."""
        state = self._state
        expansion = state.expand(name)
        is_known = len(expansion.words) > 1 and state.thesaurus.is_name(expansion.words)
        return is_known and not QueryMatches(expansion, state.postings).has_whole()

    def rewordings(self, text: str) -> tuple[str, ...]:
        """What else a text may be called, by the synonyms of this catalog, ``MAX_REWORDINGS`` at most."""
        found = self._state.thesaurus.rewordings(analyse(text))
        return tuple(" ".join(words) for words in found[:MAX_REWORDINGS])

    def with_umlauts(self, text: str) -> str:
        """The text with umlauts and the like where two letters are typed for one and the catalog, its language's small
        words or its synonyms have the word with them alone: ``Glaeser fuer Wein``."""
        state = self._state
        language, forms = state.dictionary.language, state.dictionary.forms

        def spelled(typed: re.Match[str]) -> str:
            word = fold(typed.group())
            meant = language.with_umlauts(word)
            if meant == word or state.dictionary.spellings(word):
                return typed.group()
            is_known = meant in language.stop_words or state.thesaurus.knows(meant) or forms(meant)
            return meant if is_known or state.dictionary.compounds(meant) else typed.group()

        return SPELLED_WORD.sub(spelled, text) if language.code in DIGRAPHS else text

    def corrections(self, text: str) -> dict[str, str]:
        """What each word of a text, folded, was meant to be that no item has and that seems to be mistyped."""
        return self._state.expander().corrections(text)

    def avoid(self, text: str, item_ids: NDArray[np.int64], wanted: str = "") -> Avoided:
        """Which of some items hold what is to be avoided, and which say that they lack it. Another name for what is
        ``wanted`` is none for what is avoided: who wants safety boots without steel toecaps avoids no safety boots."""
        state = self._state
        expansion = without_names_of(state.expand(text), state.expand(wanted)) if wanted else state.expand(text)
        ways = (*denials(expansion, state.dictionary), *other_names_without(expansion, state.thesaurus, state.expand))
        denying = [state.postings.holding_phrase(phrase).rows for phrase in ways]
        lacked = np.isin(item_ids, state.postings.item_ids[np.concatenate(denying)] if denying else NO_IDS)
        return Avoided(QueryMatches(expansion, state.postings).of(item_ids).whole & ~lacked, lacked)

    def catch_up(self) -> bool:
        """Apply what was committed since; returns whether anything was. Cheap if nothing was. Raises StorageError."""
        with self._catching_up:
            newest = self.catalog.sequence()
            if newest == self.sequence:
                return False
            if newest < self.sequence:
                self.sequence, self._state = 0, empty_state()
            self._catch_up()
            return True

    def _catch_up(self) -> None:
        state = self._state
        changes = self.catalog.term_changes(self.sequence)
        if changes.settings != state.settings:
            state = with_settings(state, changes.settings)
        stream = term_stream(changes.item_ids, changes.terms, state.dictionary)
        postings = updated(state.postings, changes.touched_items, stream, len(state.dictionary))
        state = LexicalState(postings, state.dictionary, state.thesaurus, state.settings)
        self._state, self.sequence = state, changes.sequence
        if postings.n_items > LANGUAGE_GROWTH * state.settings.n_judged:  # takes seconds where another process writes
            self._state = self._with_language(state)

    def _with_language(self, state: LexicalState) -> LexicalState:
        """The state in the catalog's language, found out from the words that are there, and stored."""
        texts, n_items = sampled_texts(state), state.postings.n_items
        language = detect_language(texts) or ("en" if are_english(texts) else "")
        try:
            self.catalog.keep_language(language, n_items)
        except StorageError as error:
            log.warning("The catalog's language is not stored: %s", error)
        return with_settings(state, TextSettings(language, n_items, state.settings.synonyms))


def restored(arrays: Arrays) -> tuple[int, LexicalState]:
    """The sequence number and the state that ``LexicalIndex.arrays`` were of. Raises ValueError where another version
    analysed the words."""
    language, n_judged, synonyms, sequence, *version = unpacked(part_of(arrays, "settings."))
    if version != versions():
        raise ValueError("another version of Vitrina analysed its words")
    dictionary = TermDictionary(Language(language))
    dictionary.restore(part_of(arrays, "dictionary."))
    postings = restored_postings(part_of(arrays, "postings."))
    thesaurus = Thesaurus(dictionary.language, parse_synonyms(synonyms))
    return int(sequence), LexicalState(postings, dictionary, thesaurus, TextSettings(language, int(n_judged), synonyms))


def versions() -> list[str]:
    """What words that are kept were analysed by."""
    return [str(VERSION), str(STEMS_VERSION)]


def empty_state() -> LexicalState:
    language = Language("")
    return LexicalState(NO_POSTINGS, TermDictionary(language), Thesaurus(language), TextSettings())


def as_modifier(text: str, expansion: Expansion, state: LexicalState) -> Reduced | None:
    """The head of a query, and where titles have it before another noun alone: nowhere if no title has it as what an
    item is, since then nothing else is the thing itself. None for a query without a head."""
    at = head_of(analyse(text), expansion.words, state.dictionary.language)
    if at is None:
        return None
    rows = titled_rows(at, expansion, state)
    return Reduced(at, rows.modifiers if len(rows.heads) else NO_IDS, modifier_weight(state.dictionary.language))


def titled_rows(at: int, expansion: Expansion, state: LexicalState) -> TitleRows:
    """Where titles have the word of a query at a position, or another word for it."""
    terms = last_terms(each.phrase for each in expansion.of_word(at))
    return state.postings.cached(("titles", *terms), lambda: title_rows(state.postings, state.dictionary, terms))


def with_settings(state: LexicalState, settings: TextSettings) -> LexicalState:
    """The same words, read in the language and with the synonyms of other settings."""
    dictionary = state.dictionary
    if settings.language != dictionary.language.code:
        dictionary = TermDictionary(Language(settings.language))
        dictionary.add(state.dictionary.terms)
    thesaurus = Thesaurus(dictionary.language, parse_synonyms(settings.synonyms))
    return LexicalState(state.postings, dictionary, thesaurus, settings)


def store_missing_terms(catalog: Catalog) -> None:
    """Analyse the items of a catalog that an older Vitrina wrote; they are searched all the same where this fails."""
    n_done = 0
    try:
        while n_new := catalog.store_missing_terms():
            n_done += n_new
            log.info("Analysed the words of %d items", n_done)
    except StorageError as error:
        log.warning("The items' words are not stored, and are analysed at each start: %s", error)


def term_stream(item_ids: NDArray[np.int64], terms: Sequence[str], known: TermDictionary) -> TermStream:
    """Items' stored terms as ids; new terms are added to the dictionary."""
    if not terms:
        return TermStream(item_ids, np.empty((0, N_FIELDS), np.int32), np.empty(0, np.int32))
    # one split of one text, in which the end of a field is a word: a split for each field takes three times as long
    words = SEPARATOR.join(terms).replace(SEPARATOR, f" {FIELD_END} ").split(" ")
    distinct = [word for word in dict.fromkeys(words) if word not in ("", FIELD_END)]
    id_of = dict(zip(distinct, known.add(distinct).tolist(), strict=True)) | {FIELD_END: ENDED, "": NOTHING}
    ids = np.fromiter(map(id_of.__getitem__, words), dtype=np.int32, count=len(words))
    ids = ids[ids != NOTHING]
    ends = np.append(np.flatnonzero(ids == ENDED), len(ids))
    n_words = np.diff(ends, prepend=-1) - 1
    return TermStream(item_ids, n_words.reshape(-1, N_FIELDS).astype(np.int32), ids[ids >= 0])


def sampled_texts(state: LexicalState) -> list[str]:
    """The words of up to ``N_SAMPLED`` items, spread evenly, without their skus."""
    if not state.postings.segments:
        return []
    segment = state.postings.segments[0]
    every = max(1, len(segment) // N_SAMPLED)
    return [text_of(segment, row, state.dictionary) for row in range(0, len(segment), every)]


def text_of(segment: Segment, row: int, dictionary: TermDictionary) -> str:
    worded = (segment.terms_of(row, field).tolist() for field in Field if field is not Field.SKU)
    return " ".join(dictionary.terms[term] for terms in worded for term in terms)
