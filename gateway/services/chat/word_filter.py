"""Finds listed words in texts. Created by the word lists; no I/O."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import regex
from ahocorasick_rs import AhoCorasick

from gateway.protocol.text import FOLDED, NOT_SEEN, SYLLABLE_MARK, caseless, fold, latin_lookalikes
from models.main.moderation import WordAction

MASK = "*"  # replaces each character of a masked word

# A letter or digit of a script that puts spaces between words.
_SPACED = regex.compile(
    r"[[\p{L}\p{N}]--[\p{Hangul}\p{Han}\p{scx=Hira}\p{scx=Kana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]]",
    regex.V1,
)
_HANGUL = regex.compile(r"\p{Hangul}")
# Letters that form other letters with marks: kana, and consonants with vowels. `_WHOLE` matches the results.
_MARKED = regex.compile(r"[\p{Hiragana}\p{Katakana}\p{InSC=Consonant}\p{InSC=Vowel_Independent}]")
_WHOLE = regex.compile(rf"[\p{{Hiragana}}\p{{Katakana}}]|{SYLLABLE_MARK}", regex.V1)
# Characters that are part of the character before them, or invisible: medial and final jamo, half-width voicing marks.
_CONTINUATION = regex.compile(rf"[[{NOT_SEEN}]\p{{M}}\p{{HST=V}}\p{{HST=T}}\uff9e\uff9f]+", regex.V1)
_UNIT = regex.compile(rf"(?s:.){_CONTINUATION.pattern[:-1]}*", regex.V1)


def _lookalikes() -> dict[int, str]:
    """Return the letters of other scripts that look like a Latin one: those that have a case, as Cyrillic and Greek do.

    Arabic, Hebrew and other scripts without case look alike letter by letter, but not in words. `ı` is left out: it is
    not `i` to people who write Turkish.
    """
    found = {code: alike for code, alike in latin_lookalikes(r"[[\p{Lu}\p{Ll}]--[ı]]").items() if alike.isalpha()}
    # A capital may look like `l`; its small letter shows that it is an `i`.
    small = {code: found.get(ord(chr(code).lower()[0]), alike) for code, alike in found.items()}
    return {code: alike for code, alike in small.items() if len(alike) == 1 and not FOLDED[chr(code)].isascii()}


_LOOKS_LATIN = _lookalikes()
_LOOKALIKES = frozenset(map(chr, _LOOKS_LATIN))


class _Word(NamedTuple):
    listed: str
    exact: str | None  # with diacritics; None if only the folded letters count
    action: WordAction


class _Match(NamedTuple):
    start: int
    end: int
    action: WordAction


class WordFilter:
    """The listed words of one room: its own words, and those of `general` that it does not list itself.

    A word is found in each spelling: case, width, composition, separate jamo, invisible characters or marks within it,
    and letters of other scripts that look like Latin ones. It must begin and end at the boundaries of characters, so
    "자지" is not found in "자질". A word that begins or ends with a letter of a script with spaces must begin or end
    there in the text, too. Diacritics count if the listed word has them. If matches contain each other, the longest
    one decides: an allowed word protects the words within it.
    """

    def __init__(self, words: Mapping[str, WordAction], general: "WordFilter | None" = None) -> None:
        self._own = words.keys()
        self._general = general
        forms = [(_forms(word), word, action) for word, action in words.items()]
        self._words = [_Word(word, exact, action) for (folded, exact), word, action in forms if folded]
        self._automaton = AhoCorasick([folded for (folded, _), _, _ in forms if folded]) if self._words else None

    @property
    def empty(self) -> bool:
        """Whether no word is listed."""
        return self._automaton is None and (self._general is None or self._general.empty)

    def apply(self, text: str) -> str | None:
        """Return the text with masked words, in its former length; None if a word is blocked."""
        if self.empty:
            return text
        matches = self._matches(text)
        if not _LOOKALIKES.isdisjoint(text):
            matches += self._matches(text.translate(_LOOKS_LATIN))
        if not matches:  # nearly always
            return text
        matches = _decided(matches)
        if any(match.action == WordAction.BLOCK for match in matches):
            return None
        characters = list(text)
        for start, end, action in matches:
            if action == WordAction.MASK:
                characters[start:end] = MASK * (end - start)
        return "".join(characters)

    def _matches(self, text: str) -> list[_Match]:
        folded = fold(text)
        hits = self.hits(folded)
        if not hits:
            return []
        form = _Form(text, folded)
        return [match for hit in hits if (match := form.match(*hit))]

    def hits(self, folded: str) -> list[tuple[_Word, int, int]]:
        """Return the words whose letters are in a folded text, each with its begin and end."""
        found = []
        if self._automaton is not None:
            matches = self._automaton.find_matches_as_indexes(folded, overlapping=True)
            found = [(self._words[word], start, end) for word, start, end in matches]
        if self._general is not None:
            found += [hit for hit in self._general.hits(folded) if hit[0].listed not in self._own]
        return found


class _Form:
    """A text and its folded form; decides which hits are words."""

    def __init__(self, text: str, folded: str) -> None:
        self._text = text
        self._folded = folded
        self._places = list(accumulate(map(len, map(FOLDED.__getitem__, text)), initial=0))

    def match(self, word: _Word, start: int, end: int) -> _Match | None:
        """Return the place in the text of a hit in the folded form; None if the hit is not a word."""
        span = self._span(start, end)
        if span is None or not self._is_apart(start, end):
            return None
        if word.exact is not None:
            forms = zip(*_letters(self._text[slice(*span)]), strict=True)
            if not any(word.exact == "".join(form) for form in forms):
                return None
        return _Match(*span, word.action)

    def _span(self, start: int, end: int) -> tuple[int, int] | None:
        # None within a character, or a syllable of conjoining jamo. Marks belong to the character before them.
        first, last = bisect_right(self._places, start) - 1, bisect_left(self._places, end)
        if self._places[first] != start or _CONTINUATION.match(self._text, first):
            return None
        if match := _CONTINUATION.match(self._text, last):
            last = match.end()
        return (first, last) if self._places[last] == end else None

    def _is_apart(self, start: int, end: int) -> bool:
        # Whether the hit is a whole word, or in a script without spaces.
        before, first, last, after = (
            _SPACED.match(self._folded, index, index + 1) for index in (start - 1, start, end - 1, end)
        )
        return not ((start and before and first) or (last and after))


def normal(word: str) -> str:
    """Return the form in which a word is listed; empty if nothing of it can be found in a text."""
    return " ".join(caseless(word).split())


def said(stored: str, text: str) -> bool:
    """Return whether `stored` can be `text` after masking with any list."""
    if stored == text:  # nearly always
        return True
    return len(stored) == len(text) and all(a in (b, MASK) for a, b in zip(stored, text, strict=True))


def compiled(words: Iterable[tuple[str | None, str, WordAction]]) -> tuple[WordFilter, dict[str, WordFilter]]:
    """Return the filter of rooms without a list of their own, and those of rooms with one.

    Each word has its room, None for all rooms. The action of a room's own word overrides that of all rooms.
    """
    general: dict[str, WordAction] = {}
    rooms: dict[str, dict[str, WordAction]] = {}
    for live_id, word, action in words:
        (general if live_id is None else rooms.setdefault(live_id, {}))[word] = action
    everywhere = WordFilter(general)
    return everywhere, {live_id: WordFilter(own, everywhere) for live_id, own in rooms.items()}


def _decided(matches: list[_Match]) -> list[_Match]:
    """Return the matches without those that a longer one contains."""
    if len(matches) < 2:
        return matches
    kept, reached = [], 0
    for match in sorted(matches, key=lambda match: (match.start, -match.end)):
        if match.end > reached:
            kept.append(match)
            reached = match.end
    return kept


@lru_cache(20_000)  # twice the most words: a change of one word compiles all words again
def _forms(word: str) -> tuple[str, str | None]:
    folded, exact = fold(word), "".join(exact for exact, _ in _letters(word))
    return folded, None if exact == folded and not _MARKED.search(exact) else exact


def _letters(text: str) -> list[tuple[str, str]]:
    """Return each letter of a text in two forms: with all diacritics, and without those that need not match."""
    return [_letter(unit) for unit in _UNIT.findall(text)]


@lru_cache(8192)
def _letter(unit: str) -> tuple[str, str]:
    folded = fold(unit)
    exact = folded if unit.isascii() or _HANGUL.match(folded) else caseless(unit)
    return exact, exact if _WHOLE.search(exact) else folded
