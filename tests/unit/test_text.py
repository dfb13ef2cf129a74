"""What is visible, what a name may have, and which texts are the same."""

import time
import unicodedata
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.protocol.text import bounded, caseless, clean_line, clean_lines, first_grapheme, fold, is_visible

INVISIBLE = [
    "",
    " \n\t\u2003\u3000",
    "\u3164",
    "\u115f\u1160\uffa0",
    "\u2800",
    "\ufffc",
    "\u200b\u200d\u2060\ufeff",
    "\u202e\u2066",
    "\u0301" * 31,
    "\u0483\u05b0\u064e\u3099",
    "\ufe0f\U000e0100",
    "\ue000\U000f0000",
    "\U0001d159\U0001d173",
    "\U000e0041",
    "\x00\x1b",
]
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
VISIBLE = ["a", ".", "가", "❤️", "👨‍👩‍👧‍👦", "\u3131", "u\u0301", "🇰🇷", "\u200bx", "\U0001fae9"]


@pytest.mark.parametrize("text", INVISIBLE)
def test_texts_without_visible_characters(text: str) -> None:
    assert not is_visible(text)
    with pytest.raises(ValueError, match="seen"):
        clean_line(text)


@pytest.mark.parametrize("text", VISIBLE)
def test_texts_with_visible_characters(text: str) -> None:
    assert is_visible(text)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("  a \u3000 b\u00a0", "a b"),
        (unicodedata.normalize("NFD", "쌀과자"), "쌀과자"),
        ("김Kim 2", "김Kim 2"),
        ("👨‍👩‍👧‍👦 👍🏽 ❤️‍🔥 🏳️‍🌈 1️⃣", "👨‍👩‍👧‍👦 👍🏽 ❤️‍🔥 🏳️‍🌈 1️⃣"),
        (ENGLAND, ENGLAND),
        ("葛\U000e0100城", "葛\U000e0100城"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("Phương Nguyễn", "Phương Nguyễn"),
        ("הַיְּלָדִים", unicodedata.normalize("NFC", "הַיְּלָדִים")),
        ("ß ﬁ Ａ", "ß ﬁ Ａ"),
    ],
)  # fmt: skip
def test_normalized_text_as_stored(given: str, stored: str) -> None:
    assert clean_line(given) == stored
    assert clean_line(stored) == stored
    assert clean_lines(stored) == stored


@pytest.mark.parametrize(
    "character", "\u202e\u200b\u200d\u2066\u00ad\ufe0f\u3164\u2800\ufffc\ue000\x00\x7f\u2028\U000e0041"
)
def test_a_line_has_no_invisible_character(character: str) -> None:
    for text in (f"a{character}b", f"김{character}Kim"):
        with pytest.raises(ValueError, match="invisible"):
            clean_line(text)
        with pytest.raises(ValueError, match="invisible"):
            clean_lines(text)


@pytest.mark.parametrize("text", ["a" + "\u0301" * 31, "a\u0301\u0302\u0303\u0304\u0305", "\u0301a", "a \u0301b"])
def test_a_line_has_few_marks_and_each_on_a_letter(text: str) -> None:
    with pytest.raises(ValueError, match="marks"):
        clean_line(text)


def test_only_several_lines_have_line_breaks() -> None:
    for text in ("a\nb", "a\tb", "a\r\nb"):
        with pytest.raises(ValueError, match="control"):
            clean_line(text)
    assert clean_lines(" a\r\n\tb  c\n") == "a\n\tb  c"
    assert clean_lines(" ") == ""


@pytest.mark.parametrize(
    "texts",
    [
        ["바보", unicodedata.normalize("NFD", "바보"), "ㅂㅏㅂㅗ", "ㅂㅏ보", "ﾲￂﾲￌ", "바\u3164보"],
        ["바보", "바\u0483\u05b0\u064e\u3099보"],
        ["시발", "시바ㄹ", "ㅅㅣㅂㅏㄹ", "시\u2800발", "시\ufffc\ue000발"],
        ["과", "고ㅏ", "ㄱㅘ", "ㄱㅗㅏ"],
        ["없", "ㅇㅓㅄ", "업ㅅ", "어ㅂㅅ"],
        ["バカ", "ﾊﾞｶ", "ハ\u3099カ"],
        ["straße", "STRASSE", "ｓｔｒａｓｓｅ", "STRA\u1e9eE"],
        ["bad", "b\u0301a\u0489d", "ＢＡＤ", "b\u200bad", "𝕓𝕒𝕕", "ⓑⓐⓓ"],
        ["ΟΔΟΣ", "οδος", "οδοσ"],
    ],
)  # fmt: skip
def test_equal_texts_fold_to_the_same_form(texts: list[str]) -> None:
    assert len({fold(text) for text in texts}) == 1


@pytest.mark.parametrize(("one", "other"), [("각", "가나"), ("a b", "ab"), ("a\nb", "ab"), ("빵", "방")])
def test_different_texts_fold_to_different_forms(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("ㅂㅏㅂㅗ", "바보"),
        ("ＣＡＦＥ\u0301 \u200bStraße", "café strasse"),
        ("ﾊﾞｶ", "バカ"),
        ("กิน काम क़ी", "กิน काम क़ी"),
        ("바\u0301\u093e\u0e31보", "바보"),
        ("\u0301\u2800", ""),
    ],
)
def test_the_caseless_form_is_readable(text: str, form: str) -> None:
    assert caseless(text) == unicodedata.normalize("NFC", form)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("김철수", "김"),
        (unicodedata.normalize("NFD", "김철수"), "김"),
        ("🇰🇷 fan", "🇰🇷"),
        ("👨‍👩‍👧‍👦x", "👨‍👩‍👧‍👦"),
        ("e\u0301a", "é"),
        ("नि", "नि"),
        ("", ""),
    ],
)
def test_the_first_letter_is_a_grapheme(text: str, letter: str) -> None:
    assert first_grapheme(text) == letter


@pytest.mark.parametrize("text", ["\u0301\u0323" * 250, "a" + "\u0489" * 499, "\u1160" * 500, "가" * 500, "ﷺ" * 500])
def test_folding_is_fast(text: str) -> None:
    fold(text)
    began = time.process_time()
    for _ in range(20):
        fold(text)
    assert (time.process_time() - began) / 20 < 0.01  # of a second; 0.2 ms when this was written


def test_the_length_of_a_text_is_that_of_the_stored_one() -> None:
    seen: list[str] = []

    def clean(text: str) -> str:
        seen.append(text)
        return clean_line(text)

    name = TypeAdapter(Annotated[str, bounded(clean, 3)])
    assert name.validate_python(unicodedata.normalize("NFD", "각각각")) == "각각각"
    for long in ("abcd", "\u0958" * 2, "x" * 13):  # NFC makes two of U+0958
        with pytest.raises(ValidationError, match="longer than 3 characters"):
            name.validate_python(long)
    assert "x" * 13 not in seen, "what is much too long is not looked at"
