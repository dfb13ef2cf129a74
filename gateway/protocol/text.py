"""Unicode rules for texts that people write: what is visible, what a name may have, how two texts compare. Pure.

Used by the payloads, the word filter and the names of accounts. The classes are properties of Unicode, read by the
`regex` package, so that a character that is added to Unicode needs no change here.
"""

import unicodedata

import regex

FOLDS = 20_000  # characters whose folded form is kept: all that people write, and a bound for who writes all there are
MARKS = 4  # combining marks on one letter; more is noise that covers the lines around it (UTS 39, 5.4)

# Characters that fonts draw as nothing although no property of Unicode says so: the Braille pattern without dots, the
# place of an embedded object, the musical note without a head.
_BLANK = r"\u2800\ufffc\U0001d159"

# Controls, format characters, private use, halves of surrogate pairs, fillers, variation selectors.
_INVISIBLE = rf"\p{{Cc}}\p{{Cf}}\p{{Co}}\p{{Cs}}\p{{NChar}}\p{{Default_Ignorable_Code_Point}}{_BLANK}"
_NOTHING = regex.compile(rf"[{_INVISIBLE}\p{{M}}\p{{Z}}\s]*", regex.V1)

# Dropped when texts are compared. White space is not: it parts words.
NOT_SEEN = rf"[{_INVISIBLE}]--[\t\n\r]"
_UNSEEN = regex.compile(f"[{NOT_SEEN}]", regex.V1)
_IGNORED = regex.compile(rf"[[{NOT_SEEN}]\p{{M}}]", regex.V1)
# In the scripts of India, of Thai and their neighbours vowels and tones are marks on a consonant, and letters still.
SYLLABLE_MARK = r"[\p{M}&&\P{InSC=Other}]"
_LOOSE_MARK = regex.compile(rf"([\p{{InSC=Consonant}}\p{{InSC=Vowel_Independent}}]{SYLLABLE_MARK}+)|\p{{M}}", regex.V1)

# The invisible characters that belong to something visible: in an emoji, in a Han character's variant, and the joiners
# of scripts whose letters change their shape.
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
_REFUSED = regex.compile(rf"[{_INVISIBLE}\p{{Zl}}\p{{Zp}}]", regex.V1)
_REFUSED_IN_LINES = regex.compile(rf"[[{_INVISIBLE}\p{{Zl}}\p{{Zp}}]--[\n\t]]", regex.V1)
_BARE_MARK = regex.compile(r"(?:^|[\p{Z}\s])\p{M}", regex.V1)
_TOO_MANY_MARKS = regex.compile(rf"\p{{M}}{{{MARKS + 1}}}")
_BLANKS = regex.compile(r"\p{Zs}+")
_GRAPHEME = regex.compile(r"\X")


def is_visible(text: str) -> bool:
    """Whether a reader sees anything of a text: a character that is no blank, no control, no filler and no mark."""
    return _NOTHING.fullmatch(text) is None


def clean_line(text: str) -> str:
    """Return a name or a title as it is stored: NFC, trimmed, each run of blanks one space.

    Emoji and joined letters keep their joiners. Raises ValueError when nothing of it is visible, and for control and
    format characters, line breaks, fillers, private use, marks without a letter, and more than `MARKS` marks on one.
    """
    line = _BLANKS.sub(" ", unicodedata.normalize("NFC", text)).strip()
    _check(line, _REFUSED)
    return line


def clean_lines(text: str) -> str:
    """Return a description as it is stored: the same as `clean_line`, with line feeds, tabs and blanks as they are.

    CR LF becomes LF. An empty text stays empty. Raises ValueError as `clean_line` does.
    """
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()
    if lines:
        _check(lines, _REFUSED_IN_LINES)
    return lines


def fold(text: str) -> str:
    """Return the form in which texts are compared: one for all ways to type the same.

    NFKC, folded case, no marks, no characters that are not seen; Hangul is a sequence of jamo, those at the end of a
    syllable the same as those at its beginning. What a text is folded to is what its characters are, one by one.
    """
    # Compositions need no look at the neighbours, because what composes is decomposed, and marks are dropped.
    return "".join(map(FOLDED.__getitem__, text))


def caseless(text: str) -> str:
    """Return a text in NFKC with folded case, without what is not seen: like `fold`, for people to read.

    Letters keep the marks that Unicode composes them with, and their vowels; Hangul its syllables.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold())
    return _LOOSE_MARK.sub(lambda match: match[1] or "", folded)


def first_grapheme(text: str) -> str:
    """Return what a reader calls the first letter of a text, in NFC; empty for an empty text."""
    match = _GRAPHEME.match(unicodedata.normalize("NFC", text))
    return "" if match is None else match[0]


def _check(text: str, refused: regex.Pattern[str]) -> None:
    if not is_visible(text):
        raise ValueError("nothing of it can be seen")
    rest = _COMPOSED.sub("x", text)
    if refused.search(rest):
        raise ValueError("it has control or invisible characters")
    if _BARE_MARK.search(rest) or _TOO_MANY_MARKS.search(unicodedata.normalize("NFD", rest)):
        raise ValueError("it has combining marks without a letter, or too many on one")


class _Folds(dict[str, str]):
    """What each character is compared as, filled as characters come."""

    def __missing__(self, character: str) -> str:
        if len(self) >= FOLDS:
            self.clear()
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
        self[character] = value = _IGNORED.sub("", folded).translate(_JAMO)
        return value


def _jamo() -> dict[int, str]:
    """Return what each jamo is compared as: final ones as initial ones, clusters and diphthongs as their parts."""
    parts = {0x116A: "\u1169\u1161", 0x116B: "\u1169\u1162", 0x116C: "\u1169\u1175", 0x116F: "\u116e\u1165"}
    parts |= {0x1170: "\u116e\u1166", 0x1171: "\u116e\u1175", 0x1174: "\u1173\u1175"}
    for code in (*range(0x1100, 0x1160), *range(0x11A8, 0x1200), *range(0xA960, 0xA97D), *range(0xD7CB, 0xD7FC)):
        name = unicodedata.name(chr(code)).removeprefix("HANGUL CHOSEONG ").removeprefix("HANGUL JONGSEONG ")
        try:
            parts[code] = "".join(unicodedata.lookup(f"HANGUL CHOSEONG {part}") for part in name.split("-"))
        except KeyError:  # an old letter that stands at the end only
            continue
    return parts


_JAMO = _jamo()
FOLDED = _Folds()
