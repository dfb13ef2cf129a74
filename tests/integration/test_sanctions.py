"""Sanctions as moderators list and lift them by id, on a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import Code, Forbidden, GatewayError, InvalidPayload, NotFound
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.moderation import FOREVER
from gateway.protocol.payloads.records import SanctionPage
from gateway.protocol.queries import SanctionQuery
from gateway.realtime.notices import UserMuted, UserUnbanned
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.security.sessions.devices import Device
from gateway.security.sessions.guest_ids import name_of
from models.main.moderation import ModerationEntry, Sanction
from tests.doubles import principal
from tests.integration.moderated_room import ELSEWHERE, KEY, ModeratedRoom
from tests.support import make_settings


@pytest.fixture
async def room(database_url: str, redis: RedisClient) -> AsyncIterator[ModeratedRoom]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    room = ModeratedRoom(database, redis)
    await room.open()
    yield room
    await room.close()
    await database.close()


async def page(room: ModeratedRoom, who: Principal, **ask: Any) -> SanctionPage:
    return await room.sanction_list.page(who, SanctionQuery.model_validate(ask))


async def refused(awaitable: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await awaitable
    return caught.value


async def impose_all(room: ModeratedRoom) -> dict[str, str]:
    """Return a mute in each room, a ban from one and a ban everywhere; returns their ids."""
    elsewhere = await room.mute(room.other_host, room.user.user_id, liveId=ELSEWHERE)
    mute = await room.mute(room.host, room.user.user_id, seconds=600, reason="rude")
    ban = await room.ban(room.admin, room.guest.user_id, liveId=KEY)
    everywhere = await room.ban(room.admin, room.user.user_id)
    acks = {"elsewhere": elsewhere, "mute": mute, "ban": ban, "everywhere": everywhere}
    return {name: ack.sanction_id for name, ack in acks.items()}


LISTED = {
    "admin": ["everywhere", "ban", "mute", "elsewhere"],
    "moderator": ["everywhere", "ban", "mute", "elsewhere"],
    "host": ["ban", "mute"],
    "other_host": ["elsewhere"],
    "user": None,
}


@pytest.mark.parametrize("role", LISTED)
async def test_each_role_lists_what_it_moderates(room: ModeratedRoom, role: str) -> None:
    ids, who, expected = await impose_all(room), getattr(room, role), LISTED[role]
    if expected is None:
        assert isinstance(await refused(page(room, who)), Forbidden)
        return
    assert [item.id for item in (await page(room, who)).items] == [ids[name] for name in expected]
    if role in ("host", "other_host"):
        not_theirs = ELSEWHERE if role == "host" else KEY
        assert isinstance(await refused(page(room, who, liveId=not_theirs)), Forbidden)


async def test_a_sanction_shows_who_imposed_it_and_who_lifted_it(room: ModeratedRoom) -> None:
    ack = await room.mute(room.host, room.user.user_id, seconds=600, reason="rude")
    [shown] = (await page(room, room.admin)).items
    assert (shown.id, shown.kind, shown.live_id, shown.user_id) == (ack.sanction_id, "MUTE", KEY, room.user.user_id)
    assert (shown.username, shown.reason, shown.until, shown.active) == ("user4", "rude", ack.until, True)
    assert (shown.imposed_by, shown.imposed_by_name) == (room.host.user_id, "user2")
    assert (shown.lifted_at, shown.lifted_by, shown.lifted_by_name) == (None, None, None)
    await room.unmute(room.moderator, room.user.user_id)
    [shown] = (await page(room, room.admin)).items
    assert (shown.active, shown.lifted_by, shown.lifted_by_name) == (False, room.moderator.user_id, "user1")
    assert shown.lifted_at is not None


async def test_filters_and_cursor_of_the_list(room: ModeratedRoom) -> None:
    ids = await impose_all(room)
    await room.sanctions.lift(room.admin, ids["mute"])

    async def found(**ask: Any) -> list[str]:
        listed = [item.id for item in (await page(room, room.moderator, **ask)).items]
        return [name for id_ in listed for name in ids if ids[name] == id_]

    assert await found(userId=room.guest.user_id) == ["ban"]
    assert await found(liveId=KEY) == ["ban", "mute"]
    assert await found(kind="BAN") == ["everywhere", "ban"]
    assert await found(active=True) == ["everywhere", "ban", "elsewhere"]
    assert await found(active=False) == ["mute"]
    assert await found(liveId=KEY, kind="MUTE", active=True) == []
    first = await page(room, room.moderator, limit=3)
    assert await found(limit=3, cursor=first.next_cursor) == ["elsewhere"]
    assert (await page(room, room.moderator, limit=4)).next_cursor is None
    assert isinstance(await refused(page(room, room.moderator, cursor="x")), InvalidPayload)
    [guest] = (await page(room, room.admin, userId=room.guest.user_id)).items
    assert (guest.username, guest.until) == (name_of(room.guest.user_id), FOREVER)


LIFTS = {
    "admin": {"mute", "ban", "everywhere"},
    "moderator": {"mute"},
    "host": {"mute"},
    "other_host": set(),
    "user": set(),
}


@pytest.mark.parametrize("role", LIFTS)
@pytest.mark.parametrize("name", ["mute", "ban", "everywhere"])
async def test_permissions_to_lift_by_id(room: ModeratedRoom, role: str, name: str) -> None:
    ids = await impose_all(room)
    await room.sanctions.lift(room.admin, ids["everywhere"]) if name != "everywhere" else None
    who = getattr(room, role)
    room.notices.clear()
    if name not in LIFTS[role]:
        error = await refused(room.sanctions.lift(who, ids[name]))
        assert error.code in (Code.FORBIDDEN, Code.BANNED, Code.MUTED)
        assert (await Sanction.get(id=ids[name])).lifted_at is None
        assert room.notices == []
        return
    for _ in range(2):  # the second time there is nothing to do
        shown = await room.sanctions.lift(who, ids[name])
        assert (shown.active, shown.lifted_by) == (False, who.user_id)
    expected = {
        "mute": UserMuted(room.user.user_id, KEY, None, room.host.user_id),
        "ban": UserUnbanned(room.guest.user_id, KEY, room.host.user_id),
        "everywhere": UserUnbanned(room.user.user_id, None, None),
    }
    assert room.notices == [expected[name]]
    entry = await ModerationEntry.all().order_by("-id").first()
    assert entry is not None
    assert (entry.action, str(entry.actor_id)) == ("UNMUTE" if name == "mute" else "UNBAN", who.user_id)


@pytest.mark.parametrize("sanction_id", ["nonsense", "b1a4d5f0-0000-4000-8000-000000000000"])
async def test_an_unknown_sanction_is_not_found(room: ModeratedRoom, sanction_id: str) -> None:
    assert isinstance(await refused(room.sanctions.lift(room.admin, sanction_id)), NotFound)


async def test_an_expired_sanction_stays_in_the_list(room: ModeratedRoom) -> None:
    first = await room.mute(room.host, room.user.user_id, seconds=60, reason="first")
    past = datetime.now(UTC) - timedelta(seconds=1)
    await Sanction.all().update(created_at=past - timedelta(minutes=1), ends_at=past)
    room.notices.clear()
    shown = await room.sanctions.lift(room.host, first.sanction_id)
    assert (shown.active, shown.lifted_at, room.notices) == (False, None, []), "nothing holds, so nothing is lifted"
    second = await room.mute(room.host, room.user.user_id, reason="second")
    assert second.sanction_id != first.sanction_id
    items = (await page(room, room.host)).items
    assert [(item.reason, item.active, item.lifted_at) for item in items] == [
        ("second", True, None),
        ("first", False, None),
    ]


async def test_lifting_one_ban_keeps_a_later_one(room: ModeratedRoom) -> None:
    first = await room.ban(room.admin, room.user.user_id, liveId=KEY)
    await room.unban(room.admin, room.user.user_id, liveId=KEY)
    second = await room.ban(room.admin, room.user.user_id, liveId=KEY)
    await room.sanctions.lift(room.admin, first.sanction_id)
    assert [item.id for item in (await page(room, room.admin, active=True)).items] == [second.sanction_id]


async def test_sanctions_of_a_device_are_lifted_together(room: ModeratedRoom) -> None:
    home = Device("a browser", "192.0.2.1", "device-of-somebody")
    first = principal(Role.GUEST, await room.come_as_guest(home))
    ban = await room.ban(room.admin, first.user_id, liveId=KEY)
    second = await room.come_as_guest(home)
    room.notices.clear()
    await room.sanctions.lift(room.admin, ban.sanction_id)
    assert {notice.user_id for notice in room.notices if isinstance(notice, UserUnbanned)} == {first.user_id, second}
