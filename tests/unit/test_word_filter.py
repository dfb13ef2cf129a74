"""Listed words in texts: what is found, what a longer word decides, and what is left of a text."""

import unicodedata

import pytest

from gateway.services.chat.word_filter import MASK, WordFilter, compiled, normal, said
from models.moderation import WordAction

A, M, B = WordAction.ALLOW, WordAction.MASK, WordAction.BLOCK
WORDS = {"시발": M, "시발점": A, "badword": B, "ass": M, "class act": A, "개": M, "strasse": M, "café": M, "x1": M}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("안녕하세요", "안녕하세요"),
        ("야 시발 뭐야", "야 ** 뭐야"),
        ("다시발견", "다**견"),  # letters of Hangul are found wherever they stand
        ("시발점이 어디", "시발점이 어디"),  # the longer word is allowed
        ("시발점 시발", "시발점 **"),
        ("badword", None),
        ("a BaDwOrD!", None),
        ("ｂａｄｗｏｒｄ", None),
        ("badwords", "badwords"),  # letters of Latin only as a word
        ("glass ass ASS야", "glass *** ***야"),
        ("a class act, ass", "a class act, ***"),
        ("개", "*"),
        ("STRASSE Straße", "******* ******"),
        ("cafe\u0301 CAFÉ", "***** ****"),
        ("시\u200b발", "***"),
        ("시\u3164발 시\u115f발 시\uffa0발 시\u0301발", "*** *** *** ***"),
        ("bad\ufe0fword", None),
        ("b\u0332a\u0332d\u034fwo\U000e0100rd", None),
        ("ax1 x1", "ax1 **"),
        ("❤️👍🏽 시발 👨‍👩‍👧‍👦", "❤️👍🏽 ** 👨‍👩‍👧‍👦"),
        (unicodedata.normalize("NFD", "시발 각"), "*****" + unicodedata.normalize("NFD", " 각")),
        ("", ""),
    ],
)
def test_what_is_left_of_a_text(text: str, left: str | None) -> None:
    found = WordFilter(WORDS).apply(text)
    assert found == left
    assert found is None or len(found) == len(text)


def test_without_words_everything_may_be_said() -> None:
    assert WordFilter({}).apply("anything, 무엇이든") == "anything, 무엇이든"


def test_a_room_says_something_else_of_a_word() -> None:
    general, rooms = compiled([(None, "rude", M), (None, "worse", B), ("ours", "rude", A), ("theirs", "more", M)])
    assert general.apply("rude more") == "**** more"
    assert rooms["ours"].apply("rude more") == "rude more"
    assert rooms["ours"].apply("worse") is None
    assert rooms["theirs"].apply("rude more") == "**** ****"


@pytest.mark.parametrize(
    ("word", "form"), [(" Bad \u3000 Word ", "bad word"), ("ＣＡＦＥ\u0301", "café"), ("\u200b\u00ad", "")]
)
def test_the_form_in_which_a_word_is_listed(word: str, form: str) -> None:
    assert normal(word) == form
    assert not form or WordFilter({form: B}).apply(form) is None


def test_a_masked_text_is_known_by_its_original() -> None:
    assert said("야 ** 뭐야", "야 시발 뭐야")
    assert said("same", "same")
    assert not said("야 ** 뭐야", "야 시발 뭐냐")
    assert not said("**", "***")
    assert MASK == "*"
