"""What a chat message may say, before anybody is asked about it."""

import pytest

from gateway.errors import GatewayError
from gateway.protocol.payloads.chat import MAX_MESSAGE, SendMessage
from namespaces.pipeline import parse


def said(message: object) -> str:
    ask = parse(SendMessage, ["chat:send-message", {"liveId": "demo", "message": message}])
    assert isinstance(ask, SendMessage)
    return ask.message


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("  hello \n", "hello"),
        ("\u2003x\u00a0", "x"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("a\r\nb", "a\nb"),
        ("a\x00b\x1b[31m\x7f\x85c", "ab[31mc"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("👩‍👩‍👧" + "x" * (MAX_MESSAGE - 5), "👩‍👩‍👧" + "x" * (MAX_MESSAGE - 5)),
        ("x" * (MAX_MESSAGE - 1) + "\x00" * 100 + "y", "x" * (MAX_MESSAGE - 1) + "y"),
        (" " * 1000 + "x", "x"),
        ("가나다", "가나다"),
        ("\u202eabc\u0301", "\u202eabc\u0301"),
    ],
)
def test_messages_are_stored_without_control_characters(given: str, stored: str) -> None:
    assert said(given) == stored


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "INVALID_MESSAGE"),
        (" \n\t\u2003", "INVALID_MESSAGE"),
        ("\x00\x1b", "INVALID_MESSAGE"),
        ("half \ud83d", "INVALID_MESSAGE"),
        ("\u3164", "INVALID_MESSAGE"),
        ("\u2800 \u200b\u2060", "INVALID_MESSAGE"),
        ("\u0301" * 31, "INVALID_MESSAGE"),
        ("\u202e\ufe0f\ue000\ufffc", "INVALID_MESSAGE"),
        ("x" * (MAX_MESSAGE + 1), "MESSAGE_TOO_LONG"),
        ("👍" * (MAX_MESSAGE + 1), "MESSAGE_TOO_LONG"),
        (None, "INVALID_PAYLOAD"),
        (1, "INVALID_PAYLOAD"),
        (["x"], "INVALID_PAYLOAD"),
    ],
)
def test_invalid_texts_have_error_codes(message: object, code: str) -> None:
    with pytest.raises(GatewayError) as caught:
        said(message)
    assert caught.value.code == code
