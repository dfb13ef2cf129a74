"""Looks for listed words in texts, compiled once for many texts. Made by the word lists; no I/O here."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import add
from typing import NamedTuple

from models.moderation import WordAction

MASK = "*"  # stands for each character of a masked word

# Thai to Tibetan, Jamo, Khmer, Kana, Han, Hangul: scripts that put no space between words, or glue endings to them.
_UNSPACED = (
    range(0x0E00, 0x10A0),
    range(0x1100, 0x1200),
    range(0x1780, 0x1800),
    range(0x3000, 0xD800),
    range(0xF900, 0xFB00),
    range(0x20000, 0x40000),
)
_JAMO = range(0x1160, 0x1200)  # medial and final ones, which belong to the letter before them

# What nobody sees although its category is not an invisible one (fillers, variation selectors), and strokes that make
# no letter of their own with the one before them.
_NOISE = re.compile(
    "[\u0300-\u036f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


class _Form(NamedTuple):
    """A text as it is compared; `origins`: for each of its characters, the part of the original that it comes from."""

    text: str
    origins: list[tuple[int, int]] | None  # None: the character in the same place


class _Match(NamedTuple):
    start: int
    end: int
    action: WordAction


class WordFilter:
    """The words that hold in one room.

    Words are found whatever their case, width and composition, and with invisible characters or strokes within. One
    that begins or ends with a letter of a spaced script is found only where a word begins or ends there. Of words that
    contain each other the longest decides, so an allowed one keeps what is in it from being masked or blocked.
    """

    def __init__(self, words: Mapping[str, WordAction]) -> None:
        # By how they begin, so that most places of a text are passed with one look.
        self._pairs: dict[str, list[tuple[str, WordAction]]] = {}
        self._singles = {word: action for word, action in words.items() if len(word) == 1}
        for word, action in words.items():
            if len(word) > 1:
                self._pairs.setdefault(word[:2], []).append((word, action))

    def apply(self, text: str) -> str | None:
        """The text with what is to be masked masked, as long as it was; None if it must not be said."""
        form = _form(text)
        matches = self._decided(form.text)
        if any(match.action == WordAction.BLOCK for match in matches):
            return None
        masked = [match for match in matches if match.action == WordAction.MASK]
        if not masked:
            return text
        letters = list(text)
        for start, end, _ in masked:
            first, last = (start, end) if form.origins is None else (form.origins[start][0], form.origins[end - 1][1])
            letters[first:last] = MASK * (last - first)
        return "".join(letters)

    def _decided(self, form: str) -> list[_Match]:
        """What was found, without what a longer one contains."""
        matches = self._found(form)
        if len(matches) < 2:
            return matches
        kept, reached = [], 0
        for match in sorted(matches, key=lambda match: (match.start, -match.end)):
            if match.end > reached:
                kept.append(match)
                reached = match.end
        return kept

    def _found(self, form: str) -> list[_Match]:
        matches = [
            _Match(start, start + len(word), action)
            for start, pair in enumerate(map(add, form, form[1:]))
            if pair in self._pairs
            for word, action in self._pairs[pair]
            if form.startswith(word, start) and _apart(form, start, start + len(word))
        ]
        if self._singles and not self._singles.keys().isdisjoint(form):
            for start, letter in enumerate(form):
                action = self._singles.get(letter)
                if action is not None and _apart(form, start, start + 1):
                    matches.append(_Match(start, start + 1, action))
        return matches


def normal(word: str) -> str:
    """The form in which a word is listed; empty if nothing of it can be found in a text."""
    return " ".join(_form(word).text.split())


def said(stored: str, text: str) -> bool:
    """Whether a stored text may be what became of this one: the same but for what was masked, by whatever list."""
    return len(stored) == len(text) and all(a in (b, MASK) for a, b in zip(stored, text, strict=True))


def compiled(words: Iterable[tuple[str | None, str, WordAction]]) -> tuple[WordFilter, dict[str, WordFilter]]:
    """The filter of rooms without a list of their own, and those of rooms with one.

    Each word comes with its room, or None if it holds in all; what a room says of a word goes before what holds in all.
    """
    general: dict[str, WordAction] = {}
    rooms: dict[str, dict[str, WordAction]] = {}
    for live_id, word, action in words:
        (general if live_id is None else rooms.setdefault(live_id, {}))[word] = action
    return WordFilter(general), {live_id: WordFilter(general | own) for live_id, own in rooms.items()}


def _form(text: str) -> _Form:
    if text.isascii():
        return _Form(text.lower(), None)
    if unicodedata.is_normalized("NFKC", text):
        folded = text.casefold()
        if len(folded) == len(text) and text.isprintable() and not _NOISE.search(text):
            return _Form(folded, None)
    letters: list[str] = []
    origins: list[tuple[int, int]] = []
    for start, end in _parts(text):
        part = _fold(text[start:end])
        letters.append(part)
        origins += [(start, end)] * len(part)
    return _Form("".join(letters), origins)


@lru_cache(4096)  # nearly always a character that was seen before
def _fold(part: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", part).casefold())
    return "".join(letter for letter in _NOISE.sub("", folded) if unicodedata.category(letter) != "Cf")


def _parts(text: str) -> Iterable[tuple[int, int]]:
    """Where each character begins and ends, together with the marks and the Jamo that belong to it."""
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or not (unicodedata.combining(text[end]) or ord(text[end]) in _JAMO):
            yield start, end
            start = end


def _apart(form: str, start: int, end: int) -> bool:
    """Whether what stands between two places is a word, or of a script in which that cannot be said."""
    before, after = form[start - 1 : start], form[end : end + 1]
    return not ((_spaced(before) and _spaced(form[start])) or (_spaced(after) and _spaced(form[end - 1])))


def _spaced(letter: str) -> bool:
    """Whether a character is a letter or digit of a script that puts spaces between words."""
    return letter.isalnum() and not any(ord(letter) in letters for letters in _UNSPACED)
