"""The notices between nodes: each comes out of its bytes as it went in, and two versions of the gateway get along."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.protocol.payloads.moderation import FOREVER
from gateway.realtime import notices
from gateway.realtime.notices import (
    KINDS,
    ConnectionEnded,
    ConnectionsAsked,
    ConnectionsFound,
    ConnectionSought,
    MalformedNotice,
    Notice,
    NotificationSent,
    ProfileChanged,
    Revoked,
    RoomSettingsChanged,
    StreamBegan,
    StreamEnded,
    StreamResumed,
    UserBanned,
    UserEvent,
    UserMuted,
    UserUnbanned,
    decode,
    encode,
)

MOMENT = datetime(2026, 1, 1, 12, 30, 0, 123000, tzinfo=UTC)
EXAMPLES = [
    Revoked("u1", session_id="s1"),
    Revoked("u1", before=1.25, keep_session_id="s1", code="X"),
    ProfileChanged("u1"),
    UserBanned("u1", None, FOREVER, None),
    UserBanned("u1", "demo", MOMENT, "한"),
    UserUnbanned("u1", "demo"),
    RoomSettingsChanged("demo"),
    UserMuted("u1", "demo", MOMENT),
    UserMuted("u1", "demo", None),
    UserEvent("u1", "job:update", {"id": "j", "nested": [1, {"a": None}]}),
    NotificationSent({"u1": "n1"}, "title", "message", "info", MOMENT),
    StreamBegan("demo", datetime(2026, 11, 30, 8, 0, 0, 123000, tzinfo=UTC)),
    StreamEnded("demo"),
    StreamResumed("demo"),
    ConnectionsAsked("q1", "u1"),
    ConnectionSought("q1", "c1"),
    ConnectionEnded("q1", "c1"),
    ConnectionsFound("q1", "node-1.0a1b2c3d", [{"id": "c1", "rooms": ["/chat live:demo"]}]),
]


@pytest.mark.parametrize("notice", EXAMPLES, ids=lambda notice: notice.kind)
def test_a_notice_survives_its_encoding(notice: Notice) -> None:
    assert decode(encode(notice)) == notice


def test_every_kind_of_notice_is_registered_and_tested() -> None:
    declared = [value for value in vars(notices).values() if isinstance(value, type) and issubclass(value, Notice)]
    assert set(declared) - {Notice} == set(KINDS.values()) == {type(example) for example in EXAMPLES}
    assert len(KINDS) == len(declared) - 1


def test_an_unknown_kind_is_ignored() -> None:
    assert decode(b'["of-tomorrow",1,{"user_id":"u1"}]') is None


@pytest.mark.parametrize("notice", EXAMPLES, ids=lambda notice: notice.kind)
def test_the_fields_of_a_newer_version_are_ignored(notice: Notice) -> None:
    kind, version, fields = json.loads(encode(notice))
    assert decode(json.dumps([kind, version + 1, fields | {"of_tomorrow": {"a": [1]}}]).encode()) == notice


def test_a_field_that_an_older_version_does_not_send_has_its_default() -> None:
    assert decode(b'["revoked",1,{"user_id":"u1"}]') == Revoked("u1")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"null", b"{}", b"[]", b"[1,1,{}]", b'["revoked"]', b'["revoked",1]', b'["revoked",1,[]]', b"\xff\xfe",
        b'["revoked","1",{"user_id":"u1"}]', b'["revoked",1,{}]', b'["revoked",1,{"user_id":7}]', b"[" * 100_000,
        b'["user-muted",1,{"user_id":"u","live_id":"l","until":"soon"}]', b'["revoked",{"sub":"u1"}]',
        b'["revoked",1,{"user_id":"u1"},4]', b'["\xff",1,{}]',
    ],
)  # fmt: skip
def test_malformed_notices_are_rejected(data: Any) -> None:
    with pytest.raises(MalformedNotice):
        decode(data)
