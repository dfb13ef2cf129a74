"""Sessions: what is revoked, broadcast and deleted, in which order, and what a repeated call completes."""

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import AuthRequired, Code, Unavailable
from gateway.realtime.notices import Notice, ProfileChanged, Revoked
from gateway.security.sessions.refresh_tokens import Grant, ReplayedError, SessionRecord
from gateway.services.accounts.sessions import Sessions
from tests.doubles import stand_in


class Recorder:
    """Refresh tokens, revocations and notices in one: records its calls, and fails where a test sets it."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.fails_at = ""
        self.replayed = False
        self.revoked: set[str] = set()

    def _did(self, name: str, *what: Any) -> None:
        if name == self.fails_at:
            raise Unavailable("redis")
        self.done.append((name, *what))

    async def save(self, user_id: str, device: str) -> Grant:
        return Grant(user_id, device, "token")

    async def look_up(self, token: str) -> Grant | None:
        return None

    async def rotate(self, token: str) -> Grant:
        if self.replayed:
            raise ReplayedError("u1", "s1")
        return Grant("u1", "s1", "next")

    async def sessions(self, user_id: str) -> list[SessionRecord]:
        return []

    async def delete(self, user_id: str, session_id: str) -> bool:
        self._did("delete", user_id, session_id)
        return True

    async def delete_all(self, user_id: str, keep: str | None = None) -> list[str]:
        self._did("delete all", user_id, keep)
        return ["s1", "s2"]

    async def revoke_sessions(self, user_id: str, session_ids: Sequence[str]) -> None:
        self._did("revoke sessions", user_id, *session_ids)

    async def session_revoked(self, user_id: str, session_id: str) -> bool:
        return session_id in self.revoked

    async def revoke_user(self, user_id: str, keep_sid: str | None = None) -> float:
        self._did("revoke user", user_id, keep_sid)
        return 12.5

    async def notify(self, notice: Notice) -> None:
        self._did("notify", notice)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def sessions(recorder: Recorder) -> Sessions:
    return Sessions(recorder, stand_in(recorder), recorder)


ENDED = [
    ("revoke sessions", "u1", "s1"),
    ("notify", Revoked("u1", session_id="s1")),
    ("delete", "u1", "s1"),
]


async def test_end_one_session(sessions: Sessions, recorder: Recorder) -> None:
    assert await sessions.end("u1", "s1")
    assert recorder.done == ENDED


async def test_end_all_sessions_but_one(sessions: Sessions, recorder: Recorder) -> None:
    await sessions.end_all("u1", keep="s3")
    assert recorder.done == [
        ("revoke user", "u1", "s3"),
        ("notify", Revoked("u1", before=12.5, keep_session_id="s3")),
        ("delete all", "u1", "s3"),
        ("revoke sessions", "u1", "s1", "s2"),
    ]


async def test_a_changed_account_is_announced_and_revokes_nothing(sessions: Sessions, recorder: Recorder) -> None:
    await sessions.announce_change("u1")
    assert recorder.done == [("notify", ProfileChanged("u1"))]


async def test_no_notice_without_a_revocation(sessions: Sessions, recorder: Recorder) -> None:
    recorder.fails_at = "revoke sessions"
    with pytest.raises(Unavailable):
        await sessions.end("u1", "s1")
    assert recorder.done == []


async def test_a_repeated_end_completes_a_partial_one(sessions: Sessions, recorder: Recorder) -> None:
    recorder.fails_at = "delete"
    with pytest.raises(Unavailable):
        await sessions.end("u1", "s1")
    assert recorder.done == ENDED[:2]
    recorder.fails_at = ""
    recorder.done.clear()
    assert await sessions.end("u1", "s1")
    assert recorder.done == ENDED


async def test_a_replay_ends_the_session(sessions: Sessions, recorder: Recorder) -> None:
    recorder.replayed = True
    with pytest.raises(AuthRequired) as caught:
        await sessions.rotate("spent")
    assert caught.value.code == Code.TOKEN_REVOKED
    assert recorder.done == ENDED


async def test_a_session_that_could_only_be_revoked_ends_at_its_next_refresh(
    sessions: Sessions, recorder: Recorder
) -> None:
    assert (await sessions.rotate("token")).token == "next"
    recorder.revoked = {"s1"}
    with pytest.raises(AuthRequired) as caught:
        await sessions.rotate("next")
    assert caught.value.code == Code.TOKEN_REVOKED
    assert recorder.done == [("delete", "u1", "s1")]


@pytest.mark.parametrize("session_id", ["", "s1:spent", "s 1", "s1\n", "\ud800", "s" * 65])
async def test_an_invalid_session_id_reaches_no_server(sessions: Sessions, recorder: Recorder, session_id: str) -> None:
    assert not await sessions.end("u1", session_id)
    assert recorder.done == []
