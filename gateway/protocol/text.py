"""Unicode rules for texts: which are visible, which names are valid, how texts are compared. Pure functions.

Used by the payloads, the word filter and the names of accounts. Character classes are Unicode properties of the `regex`
package, so that characters added to Unicode need no change here.
"""

import unicodedata
from collections.abc import Callable

import regex
from confusable_homoglyphs.confusables import confusables_data
from pydantic import AfterValidator

FOLDS = 20_000  # characters whose folded form is cached
MARKS = 4  # combining marks on one letter; more would cover other lines (UTS 39, 5.4)

# Characters that fonts draw as nothing, although no Unicode property says so: the Braille pattern without dots, the
# placeholder of an embedded object, the musical note without a head.
_BLANK = r"\u2800\ufffc\U0001d159"

# Controls, format characters, private use, halves of surrogate pairs, fillers, variation selectors.
_INVISIBLE = rf"\p{{Cc}}\p{{Cf}}\p{{Co}}\p{{Cs}}\p{{NChar}}\p{{Default_Ignorable_Code_Point}}{_BLANK}"
_NOTHING = regex.compile(rf"[{_INVISIBLE}\p{{M}}\p{{Z}}\s]*", regex.V1)

# Dropped when texts are compared. White space is not, because it separates words.
NOT_SEEN = rf"[{_INVISIBLE}]--[\t\n\r]"
_UNSEEN = regex.compile(f"[{NOT_SEEN}]", regex.V1)
_IGNORED = regex.compile(rf"[[{NOT_SEEN}]\p{{M}}]", regex.V1)
# In Indic, Thai and related scripts vowels and tones are marks on a consonant, and count as letters.
SYLLABLE_MARK = r"[\p{M}&&\P{InSC=Other}]"
_LOOSE_MARK = regex.compile(rf"([\p{{InSC=Consonant}}\p{{InSC=Vowel_Independent}}]{SYLLABLE_MARK}+)|\p{{M}}", regex.V1)

# Invisible characters that are part of something visible: of an emoji, of a variant of a Han character, and joiners in
# scripts whose letters change their shape.
_PICTURE = r"\p{Extended_Pictographic}(?:\p{EMod}|[\ufe0e\ufe0f])?"
_COMPOSED = regex.compile(
    rf"""
    [0-9\#*]\ufe0f?\u20e3
    | {_PICTURE}(?:[\U000e0020-\U000e007e]+\U000e007f|(?:\u200d{_PICTURE})+)?
    | (?<=\p{{Han}})\p{{Variation_Selector}}
    | (?<=[\p{{Arabic}}\p{{Syriac}}\p{{Mongolian}}\p{{ccc=9}}])[\u200c\u200d](?=[\p{{L}}\p{{M}}])
    """,
    regex.V1 | regex.X,
)
# Visible characters between others like them, whose neighbours therefore do not matter.
_CHARACTER = rf"[[\p{{L}}\p{{N}}\p{{P}}\ ]--[{_INVISIBLE}\p{{Extended_Pictographic}}]]"
_PLAIN = regex.compile(rf"(?<={_CHARACTER}){_CHARACTER}+(?={_CHARACTER})", regex.V1)
_REFUSED = regex.compile(rf"[{_INVISIBLE}\p{{Zl}}\p{{Zp}}]", regex.V1)
_REFUSED_IN_LINES = regex.compile(rf"[[{_INVISIBLE}\p{{Zl}}\p{{Zp}}]--[\n\t]]", regex.V1)
_MARK = regex.compile(r"\p{M}")
_BARE_MARK = regex.compile(r"(?:^|[\p{Z}\s])\p{M}", regex.V1)
_TOO_MANY_MARKS = regex.compile(rf"\p{{M}}{{{MARKS + 1}}}")
_BLANKS = regex.compile(r"\p{Zs}+")
_GRAPHEME = regex.compile(r"\X")


def is_visible(text: str) -> bool:
    """Return whether a text has a visible character: one that is no blank, control, filler or mark."""
    return _NOTHING.fullmatch(text) is None


def clean_line(text: str) -> str:
    """Return a name or a title as it is stored: NFC, trimmed, each run of blanks replaced by one space.

    Emoji and joined letters keep their joiners. Raises ValueError if nothing is visible, and for control and format
    characters, line breaks, fillers, private use, marks without a letter, and more than `MARKS` marks on one.
    """
    line = _BLANKS.sub(" ", unicodedata.normalize("NFC", text)).strip()
    _check(line, _REFUSED)
    return line


def clean_lines(text: str) -> str:
    """Return a description as it is stored: as `clean_line` does, but with line feeds, tabs and blanks unchanged.

    CR LF becomes LF. An empty text stays empty. Raises ValueError as `clean_line` does.
    """
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()
    if lines:
        _check(lines, _REFUSED_IN_LINES)
    return lines


def bounded(clean: Callable[[str], str], most: int) -> AfterValidator:
    """Return the validator of a text that is stored as `clean` returns it, of at most `most` code points.

    The length is that of the stored text, which may be longer or shorter than the typed one. A text of more than
    4 * `most` code points is refused without cleaning it, because at most four code points become one.
    """

    def check(text: str) -> str:
        cleaned = clean(text) if len(text) <= 4 * most else text
        if len(cleaned) > most:
            raise ValueError(f"it is longer than {most} characters")
        return cleaned

    return AfterValidator(check)


def fold(text: str) -> str:
    """Return the form in which texts are compared, equal for all ways to type the same text.

    That is NFKC with folded case, without marks and invisible characters. Hangul becomes a sequence of jamo, in which
    final ones equal initial ones. Each character is folded by itself.
    """
    # Characters can be folded independently, because compositions are decomposed and marks are dropped.
    return "".join(map(FOLDED.__getitem__, text))


def caseless(text: str) -> str:
    """Return a text in NFKC with folded case, without invisible characters: like `fold`, but readable.

    Letters keep their composed marks and vowel signs, Hangul keeps its syllables.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold())
    return _LOOSE_MARK.sub(lambda match: match[1] or "", folded)


def latin_lookalikes(letters: str) -> dict[int, str]:
    """Return the letter or digit of ASCII that each character of a class looks like, by UTS 39. For `str.translate`."""
    among = regex.compile(letters, regex.V1)
    found = {}
    for letter, others in confusables_data.items():
        if len(letter) == 1 and not letter.isascii() and among.match(letter):
            alike = [other["c"] for other in others if other["c"].isascii() and other["c"].isalnum()]
            if alike:
                found[ord(letter)] = min(alike, key=len)
    return found


def first_grapheme(text: str) -> str:
    """Return the first grapheme of a text in NFC; empty for an empty text."""
    match = _GRAPHEME.match(unicodedata.normalize("NFC", text))
    return "" if match is None else match[0]


def _check(text: str, refused: regex.Pattern[str]) -> None:
    if not is_visible(text):
        raise ValueError("nothing of it can be seen")
    if not refused.search(text) and (text.isascii() or not _MARK.search(text)):
        return  # nearly all
    rest = _COMPOSED.sub("x", _PLAIN.sub("", text))
    if refused.search(rest):
        raise ValueError("it has control or invisible characters")
    if _BARE_MARK.search(rest) or _TOO_MANY_MARKS.search(unicodedata.normalize("NFD", rest)):
        raise ValueError("it has combining marks without a letter, or too many on one")


class _Folds(dict[str, str]):
    """A cache of the folded forms of characters."""

    def __missing__(self, character: str) -> str:
        if len(self) >= FOLDS:
            self.clear()
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
        self[character] = value = _IGNORED.sub("", folded).translate(_JAMO)
        return value


def _jamo() -> dict[int, str]:
    """Return the folded form of each jamo: the initial one for final ones, the parts of clusters and diphthongs."""
    parts = {0x116A: "\u1169\u1161", 0x116B: "\u1169\u1162", 0x116C: "\u1169\u1175", 0x116F: "\u116e\u1165"}
    parts |= {0x1170: "\u116e\u1166", 0x1171: "\u116e\u1175", 0x1174: "\u1173\u1175"}
    for code in (*range(0x1100, 0x1160), *range(0x11A8, 0x1200), *range(0xA960, 0xA97D), *range(0xD7CB, 0xD7FC)):
        name = unicodedata.name(chr(code)).removeprefix("HANGUL CHOSEONG ").removeprefix("HANGUL JONGSEONG ")
        try:
            parts[code] = "".join(unicodedata.lookup(f"HANGUL CHOSEONG {part}") for part in name.split("-"))
        except KeyError:  # an old jamo that occurs only at the end of syllables
            continue
    return parts


_JAMO = _jamo()
FOLDED = _Folds()
