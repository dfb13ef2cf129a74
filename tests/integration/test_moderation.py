"""Who may moderate whom, and what holds for the next message: on a real PostgreSQL, as two nodes use it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from gateway.errors import Code, GatewayError, NotFound
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.chat import Message as Draft
from gateway.protocol.chat import SendMessage
from gateway.protocol.moderation import FOREVER
from gateway.protocol.powers import Power
from gateway.protocol.wire import Since, iso
from gateway.realtime.notices import UserBanned, UserMuted
from gateway.redis.client import RedisClient
from gateway.security.powers import HOSTING, POWERS
from gateway.security.principal import Principal, Role
from gateway.security.sessions.devices import Device
from gateway.security.sessions.guest_ids import new_id
from gateway.services.chat.messages import Messages
from gateway.services.moderation import sanctions
from gateway.services.moderation.banned_devices import BannedDevices
from gateway.services.retention.kinds import kinds
from gateway.services.retention.retention import Retention
from gateway.services.rooms.log import RoomLog
from models.main.message import Message
from models.main.moderation import BannedDevice, ModerationEntry, Sanction
from models.main.room import RoomEvent
from models.main.user import User
from tests.doubles import principal
from tests.integration.moderated_room import ELSEWHERE, KEY, ModeratedRoom
from tests.support import make_settings
from tests.timing import time_limit

HOME = Device("a browser", "192.0.2.1", "device-of-somebody")
Act = Callable[[ModeratedRoom, Principal], Awaitable[Any]]


@pytest.fixture
async def hall(database_url: str, redis: RedisClient) -> AsyncIterator[ModeratedRoom]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    hall = ModeratedRoom(database, redis)
    await hall.open()
    yield hall
    await hall.close()
    await database.close()


async def refused(awaitable: Awaitable[Any]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await awaitable
    return caught.value


# --- who may --------------------------------------------------------------------------------------------------------

ACTS: dict[str, tuple[Act, set[str]]] = {
    "mute": (lambda hall, who: hall.mute(who, hall.user.user_id), {"admin", "moderator", "host"}),
    "unmute": (lambda hall, who: hall.unmute(who, hall.user.user_id), {"admin", "moderator", "host"}),
    "slow mode": (lambda hall, who: hall.slow(who, 5), {"admin", "moderator", "host"}),
    "freeze": (lambda hall, who: hall.freeze(who), {"admin", "moderator", "host"}),
    "allow guests": (lambda hall, who: hall.allow_guests(who), {"admin", "moderator", "host"}),
    "announce": (lambda hall, who: hall.announce(who), {"admin", "moderator", "host"}),
    "pin": (lambda hall, who: hall.pin(who), {"admin", "moderator", "host"}),
    "unpin": (lambda hall, who: hall.unpin(who), {"admin", "moderator", "host"}),
    "delete": (lambda hall, who: hall.delete(who), {"admin"}),
    "clear": (lambda hall, who: hall.clear(who), {"admin"}),
    "say how much a clear is": (lambda hall, who: hall.clear(who, dryRun=True), {"admin"}),
    "ban here": (lambda hall, who: hall.ban(who, hall.user.user_id, liveId=KEY), {"admin"}),
    "ban everywhere": (lambda hall, who: hall.ban(who, hall.user.user_id), {"admin"}),
    "unban": (lambda hall, who: hall.unban(who, hall.user.user_id), {"admin"}),
}


@pytest.mark.parametrize("actor", ["admin", "moderator", "host", "other_host", "user", "guest"])
@pytest.mark.parametrize("act", ACTS)
async def test_moderation_permissions(hall: ModeratedRoom, act: str, actor: str) -> None:
    call, allowed = ACTS[act]
    await hall.say(hall.user)
    hall.heard.events.clear()
    if actor in allowed:
        await call(hall, getattr(hall, actor))
        return
    assert (await refused(call(hall, getattr(hall, actor)))).code is Code.FORBIDDEN
    assert not await Sanction.all().count() + await ModerationEntry.all().count() + len(hall.heard.events)


def test_permissions_of_administrators_only() -> None:
    assert frozenset(Power) - HOSTING == {Power.BAN, Power.DELETE, Power.CLEAR}
    assert POWERS[Role.ADMIN] == frozenset(Power)
    assert POWERS[Role.MODERATOR] == HOSTING


HELD = [("moderator", KEY), ("moderator", None), ("host", None), ("other_host", KEY)]


@pytest.mark.parametrize(("whom", "where"), HELD)
async def test_a_banned_moderator_cannot_moderate_if_the_notice_is_lost(
    hall: ModeratedRoom, whom: str, where: str | None
) -> None:
    moderator = getattr(hall, whom)
    await hall.ban(hall.admin, moderator.user_id, liveId=where)
    code = Code.FORBIDDEN if whom == "other_host" else Code.BANNED
    for act in (hall.announce(moderator), hall.mute(moderator, hall.user.user_id), hall.freeze(moderator)):
        assert (await refused(act)).code is code
    await hall.unban(hall.admin, moderator.user_id, liveId=where)
    if whom != "other_host":
        await hall.announce(moderator)


async def test_a_muted_moderator_cannot_announce_or_unmute_themselves(hall: ModeratedRoom) -> None:
    await hall.mute(hall.admin, hall.moderator.user_id)
    for act in (hall.announce(hall.moderator), hall.unmute(hall.moderator, hall.moderator.user_id)):
        assert (await refused(act)).code is Code.MUTED
    assert (await refused(hall.say(hall.moderator))).code is Code.MUTED
    await hall.unmute(hall.host, hall.moderator.user_id)
    await hall.announce(hall.moderator)


@pytest.mark.parametrize("act", [act for act, (_, who) in ACTS.items() if "moderator" in who])
async def test_a_moderator_muted_while_waiting_for_the_lock_is_refused(hall: ModeratedRoom, act: str) -> None:
    await hall.say(hall.user)
    call, _ = ACTS[act]
    async with hall.database.transaction():
        await RoomLog(hall.database).lock(chat_room(KEY))
        acting = asyncio.create_task(refused(call(hall, hall.moderator)), context=Context())
        await asyncio.wait([acting], timeout=0.3)
        assert not acting.done()
        await hall.database.query(
            sanctions.IMPOSE, "MUTE", KEY, hall.moderator.user_id, None, UUID(hall.admin.user_id), None
        )
    assert (await acting).code is Code.MUTED


@pytest.mark.parametrize("whom", ["admin", "host"])
async def test_administrators_and_hosts_cannot_be_sanctioned(hall: ModeratedRoom, whom: str) -> None:
    subject = getattr(hall, whom).user_id
    for actor in (hall.admin, hall.moderator, hall.host):
        assert (await refused(hall.mute(actor, subject))).code is Code.FORBIDDEN
    assert (await refused(hall.ban(hall.admin, subject, liveId=KEY))).code is Code.FORBIDDEN
    if whom == "admin":
        assert (await refused(hall.ban(hall.admin, subject))).code is Code.FORBIDDEN
    else:
        await hall.ban(hall.admin, subject)  # somebody may have to
    await hall.mute(hall.moderator, hall.other_host.user_id)  # a guest of this room


@pytest.mark.parametrize("whom", ["nobody", "b1a4d5f0-0000-4000-8000-000000000000", "{USER}", "a\x00b"])
async def test_sanctions_of_unknown_users(hall: ModeratedRoom, whom: str) -> None:
    whom = whom.replace("{USER}", hall.user.user_id.upper())
    assert isinstance(await refused(hall.mute(hall.admin, whom)), NotFound)
    assert isinstance(await refused(hall.mute(hall.admin, hall.user.user_id, liveId="nowhere")), NotFound)


# --- what holds -----------------------------------------------------------------------------------------------------


async def test_a_mute_applies_on_all_nodes_until_it_ends(hall: ModeratedRoom) -> None:
    sent = await hall.say(hall.user, "before", "c-1")
    ack = await hall.mute(hall.host, hall.user.user_id, seconds=1, reason="rude")
    error = await refused(hall.say(hall.user, node=1))
    assert error.code is Code.MUTED
    assert error.details == {"until": ack.model_dump(mode="json")["until"]}
    assert hall.notices == [UserMuted(hall.user.user_id, KEY, ack.until)]
    joined = await hall.nodes[1].snapshot(hall.user, KEY, None, 1)
    assert (joined.you.muted_until, joined.you.can_send) == (ack.until, False)
    again = await hall.say(hall.user, "before", "c-1", node=1)
    assert again == sent.model_copy(update={"duplicate": True}), "it is stored, whatever holds now"
    await hall.say(hall.other_host, "the others may")
    async with time_limit(5):
        while not (await hall.nodes[0].snapshot(hall.user, KEY, None, 1)).you.can_send:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await hall.say(hall.user, "after")


async def test_unmuting_is_published_and_idempotent(hall: ModeratedRoom) -> None:
    first = await hall.mute(hall.moderator, hall.user.user_id)
    assert first.until == FOREVER
    await hall.mute(hall.moderator, hall.user.user_id, seconds=100)
    assert await Sanction.all().count() == 1, "another one replaces it"
    hall.notices.clear()
    for _ in range(2):
        assert (await hall.unmute(hall.moderator, hall.user.user_id)).until is None
    assert hall.notices == [UserMuted(hall.user.user_id, KEY, None, hall.host.user_id)]
    await hall.say(hall.user)
    actions = await ModerationEntry.all().order_by("id").values_list("action", "subject_id", "stream_id")
    assert actions == [(action, hall.user.user_id, KEY) for action in ("MUTE", "MUTE", "UNMUTE")]


async def test_room_and_global_bans(hall: ModeratedRoom) -> None:
    user = hall.user.user_id
    await hall.ban(hall.admin, user, liveId=KEY, seconds=1000)
    assert (await refused(hall.say(hall.user))).code is Code.BANNED
    assert (await refused(hall.nodes[1].check_join(hall.user, KEY))).code is Code.BANNED
    assert (await refused(hall.nodes[1].snapshot(hall.user, KEY, None, 1))).code is Code.BANNED
    await hall.nodes[0].check_join(hall.user, ELSEWHERE)
    await hall.bans.check(user)
    await hall.unban(hall.admin, user, liveId=KEY)
    await hall.say(hall.user)

    ack = await hall.ban(hall.admin, user, reason="enough", deleteMessages=True)
    assert (ack.deleted, hall.cleared) == (1, [(KEY, user)])
    assert hall.notices[-1] == UserBanned(user, None, FOREVER, "enough")
    error = await refused(hall.bans.check(user))
    assert (error.code, error.status) == (Code.BANNED, 403)
    assert (await refused(hall.nodes[0].check_join(hall.user, ELSEWHERE))).code is Code.BANNED
    assert (await refused(hall.say(hall.user))).code is Code.BANNED
    assert [(who, ban.live_id) for who, ban in await hall.bans.of([user, hall.host.user_id])] == [(user, None)]
    await hall.unban(hall.admin, user)
    await hall.say(hall.user)


@pytest.mark.parametrize("longer", [KEY, None])
async def test_the_longer_of_two_bans_is_reported(hall: ModeratedRoom, longer: str | None) -> None:
    for where in (KEY, None):
        await hall.ban(hall.admin, hall.user.user_id, liveId=where, seconds=1000 if where == longer else 100)
    ends_at = (await Sanction.get(stream_id=longer)).ends_at
    assert ends_at is not None
    for act in (hall.nodes[0].check_join(hall.user, KEY), hall.say(hall.user)):
        assert (await refused(act)).details == {"until": iso(ends_at)}


async def test_sanctions_do_not_apply_to_administrators_and_hosts(hall: ModeratedRoom) -> None:
    await hall.mute(hall.admin, hall.moderator.user_id)
    assert (await refused(hall.say(hall.moderator))).code is Code.MUTED
    await User.filter(id=hall.moderator.user_id).update(role="ADMIN")
    promoted = principal(Role.ADMIN, hall.moderator.user_id)
    await hall.say(promoted)
    assert (await hall.nodes[0].snapshot(promoted, KEY, None, 1)).you.can_send


@pytest.mark.parametrize("role", ["admin", "moderator", "host", "other_host", "user", "guest"])
async def test_moderators_may_send_in_frozen_and_slow_rooms(hall: ModeratedRoom, role: str) -> None:
    who, trusted = getattr(hall, role), role in ("admin", "moderator", "host")
    await hall.allow_guests(hall.host)
    await hall.slow(hall.host, 100)
    await hall.say(who)
    error = None if trusted else await refused(hall.say(who, node=1))
    if error is None:
        await hall.say(who, node=1)
    else:
        assert error.code is Code.SLOW_MODE
        assert error.retryable
        assert 90_000 < (error.retry_after_ms or 0) <= 100_000
    await hall.freeze(hall.host)
    assert (await hall.nodes[0].snapshot(who, KEY, None, 1)).you.can_send is trusted
    if trusted:
        await hall.say(who)
    else:
        assert (await refused(hall.say(who))).code is Code.ROOM_FROZEN
    await hall.freeze(hall.host, frozen=False)
    await hall.slow(hall.host, 0)
    await hall.say(who)


async def test_guests_may_send_where_allowed(hall: ModeratedRoom) -> None:
    assert (await refused(hall.say(hall.guest))).code is Code.FORBIDDEN
    assert not (await hall.nodes[0].snapshot(hall.guest, KEY, None, 1)).you.can_send
    await hall.allow_guests(hall.moderator)
    await hall.say(hall.guest)
    assert (await hall.nodes[0].snapshot(hall.guest, KEY, None, 1)).you.can_send
    await hall.allow_guests(hall.moderator, allowed=False)
    assert (await refused(hall.say(hall.guest))).code is Code.FORBIDDEN


async def test_the_pause_of_slow_mode_is_exact_over_nodes_and_within_a_batch(hall: ModeratedRoom) -> None:
    await hall.slow(hall.host, 1)
    for _ in range(2):
        results = await asyncio.gather(
            *(hall.say(hall.user, f"{n}", node=n % 2) for n in range(20)), return_exceptions=True
        )
        errors = [result for result in results if isinstance(result, GatewayError)]
        assert len(errors) == 19
        assert {error.code for error in errors} == {Code.SLOW_MODE}
        assert all(0 < (error.retry_after_ms or 0) <= 1000 for error in errors)
        await asyncio.sleep(max((error.retry_after_ms or 0) for error in errors) / 1000)
    await hall.say(hall.user, "once more")
    messages = await Message.filter(stream_id=KEY).order_by("seq")
    assert [message.seq for message in messages] == [2, 3, 4], "the settings came first; places have no gaps"
    gaps = [after.created_at - before.created_at for before, after in pairwise(messages)]
    assert min(gaps) > timedelta(seconds=0.9)


@pytest.mark.parametrize("where", [KEY, None])
async def test_a_ban_ends_by_time_for_its_guest_and_for_the_device(hall: ModeratedRoom, where: str | None) -> None:
    guest = principal(Role.GUEST, await hall.come_as_guest(HOME))
    await hall.ban(hall.admin, guest.user_id, liveId=where, seconds=60)
    assert (await refused(hall.nodes[1].check_join(guest, KEY))).code is Code.BANNED
    past = datetime.now(UTC) - timedelta(seconds=1)
    await Sanction.all().update(created_at=past - timedelta(minutes=1), ends_at=past)
    for who in (guest, principal(Role.GUEST, await hall.come_as_guest(HOME))):
        await hall.bans.check(who.user_id)
        await hall.nodes[1].check_join(who, KEY)
    assert await hall.bans.of([guest.user_id]) == []
    await hall.ban(hall.admin, guest.user_id, liveId=where)
    assert (await refused(hall.nodes[1].check_join(guest, KEY))).code is Code.BANNED, "one that has ended is replaced"


async def test_sanctions_survive_restarts(hall: ModeratedRoom, database_url: str, redis: RedisClient) -> None:
    slow, muted, banned = [await hall.person() for _ in range(3)]
    await hall.slow(hall.host, 300)
    await hall.say(slow)
    await hall.mute(hall.host, muted.user_id)
    await hall.ban(hall.admin, banned.user_id)
    await hall.close()
    await hall.database.close()

    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    reborn = ModeratedRoom(database, redis)
    codes = [(await refused(reborn.say(who))).code for who in (slow, muted, banned)]
    assert codes == [Code.SLOW_MODE, Code.MUTED, Code.BANNED]
    assert (await refused(reborn.bans.check(banned.user_id))).code is Code.BANNED
    await reborn.close()
    await database.close()


async def test_a_refused_message_may_be_sent_again_with_its_id(hall: ModeratedRoom) -> None:
    await hall.slow(hall.host, 300)
    await hall.say(hall.user, "a", "c-1")
    for _ in range(2):
        assert (await refused(hall.say(hall.user, "b", "c-2"))).code is Code.SLOW_MODE
    await hall.slow(hall.host, 0)
    assert not (await hall.say(hall.user, "b", "c-2")).duplicate
    assert (await hall.say(hall.user, "b", "c-2", node=1)).duplicate


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda hall: hall.mute(hall.admin, hall.user.user_id), Code.MUTED),
        (lambda hall: hall.ban(hall.admin, hall.user.user_id, liveId=KEY), Code.BANNED),
        (lambda hall: hall.ban(hall.admin, hall.user.user_id), Code.BANNED),
        (lambda hall: hall.freeze(hall.host), Code.ROOM_FROZEN),
    ],
    ids=["mute", "ban here", "ban everywhere", "freeze"],
)
async def test_no_message_is_stored_after_a_sanction_returns(
    hall: ModeratedRoom, act: Callable[[ModeratedRoom], Awaitable[Any]], code: Code
) -> None:
    async def talk(node: int) -> None:
        while True:
            await hall.say(hall.user, node=node)

    talking = [asyncio.create_task(talk(n)) for n in range(2)]
    await asyncio.sleep(0.1)
    await act(hall)
    stored = await Message.all().count()
    for task in talking:
        assert (await refused(task)).code is code
    assert await Message.all().count() == stored > 0


# --- what the room hears --------------------------------------------------------------------------------------------


async def test_a_ban_everywhere_waits_for_concurrent_messages(
    hall: ModeratedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sanctions, "LONGEST", 60.0)

    async with hall.database.transaction():
        await Messages(hall.database).insert([a_draft(hall, hall.user)])
        ban = asyncio.create_task(hall.ban(hall.admin, hall.user.user_id, deleteMessages=True), context=Context())
        await asyncio.wait([ban], timeout=0.3)
        assert not ban.done()
    await ban
    assert hall.cleared == [(KEY, hall.user.user_id)], "its room is among those that are cleared"
    assert (await refused(hall.say(hall.user))).code is Code.BANNED


async def test_the_wait_of_a_ban_everywhere_is_bounded(hall: ModeratedRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanctions, "LONGEST", 0.05)
    async with hall.database.transaction():
        await Messages(hall.database).insert([a_draft(hall, hall.user)])
        await asyncio.create_task(hall.ban(hall.admin, hall.user.user_id), context=Context())


def a_draft(hall: ModeratedRoom, who: Principal) -> Draft:
    ask = SendMessage.model_validate({"liveId": KEY, "message": "hello"})
    return Messages(hall.database).draft(who, ask, ask.message)


async def test_settings_are_published_once_and_logged(hall: ModeratedRoom) -> None:
    cursor = (await hall.nodes[0].snapshot(hall.user, KEY, None, 1)).cursor
    for _ in range(2):
        await hall.slow(hall.host, 30)
    await hall.freeze(hall.admin)
    announced = await hall.announce(hall.moderator)
    told = [event for _, event, _ in hall.heard.events]
    assert told == ["chat:settings", "chat:settings", "chat:announcement"]
    settings = {"liveId": KEY, "slowModeSeconds": 30, "frozen": True, "guestsAllowed": False}
    assert hall.heard.events[1][2] == {"type": "chat:settings", "data": settings}
    data = hall.heard.events[2][2]["data"]
    assert (data["message"], data["role"], data["seq"]) == ("hear, hear", "MODERATOR", announced.seq)
    back = await hall.nodes[1].snapshot(hall.user, KEY, Since.model_validate(cursor.model_dump()), 1)
    assert [event.event for event in back.events or []] == told
    assert back.settings.model_dump(by_alias=True).items() <= settings.items()
    logged = await RoomEvent.filter(room_id=f"/chat {chat_room(KEY).name}").order_by("seq")
    assert [event.seq for event in logged] == [1, 2, 3]
    actions = await ModerationEntry.all().order_by("id").values_list("action", "details")
    assert actions[:2] == [("SLOW_MODE", {"slowModeSeconds": 30}), ("FREEZE", {"frozen": True})]


async def test_two_nodes_change_settings_at_once(hall: ModeratedRoom) -> None:
    await asyncio.gather(
        hall.slow(hall.host, 7), hall.freeze(hall.admin), hall.allow_guests(hall.moderator), hall.slow(hall.admin, 9)
    )
    settings = (await hall.nodes[0].snapshot(hall.user, KEY, None, 1)).settings
    assert (settings.slow_mode_seconds in (7, 9), settings.frozen, settings.guests_allowed) == (True, True, True)


# --- devices --------------------------------------------------------------------------------------------------------


async def test_a_banned_guest_cannot_return_as_another_guest(hall: ModeratedRoom) -> None:
    guest = await hall.come_as_guest(HOME)
    await hall.ban(hall.admin, guest)
    elsewhere = Device("another browser", "198.51.100.7", HOME.id)
    assert (await refused(hall.come_as_guest(elsewhere))).code is Code.BANNED
    assert (await refused(hall.come_as_guest(HOME))).code is Code.BANNED
    await hall.unban(hall.admin, guest)
    await hall.come_as_guest(HOME)


async def test_a_ban_does_not_affect_the_network(hall: ModeratedRoom) -> None:
    await hall.allow_guests(hall.host)
    await hall.devices.seen(hall.user.user_id, HOME)
    await hall.ban(hall.admin, hall.user.user_id)
    for device in (Device(HOME.user_agent, HOME.address), Device(HOME.user_agent, HOME.address, "another-device-id")):
        await hall.say(principal(Role.GUEST, await hall.come_as_guest(device)))


async def test_new_guests_of_a_banned_network_may_only_read_for_an_hour(hall: ModeratedRoom) -> None:
    hall.devices = BannedDevices(hall.database, hall.names, hall.book, matches_network=True)
    hall.sanctions._devices = hall.devices
    await hall.allow_guests(hall.host)
    everywhere = await hall.come_as_guest(HOME)
    from_a_room = await hall.come_as_guest(Device("in a room", HOME.address, "a-device-in-a-room"))
    await hall.ban(hall.admin, everywhere)
    await hall.ban(hall.admin, from_a_room, liveId=KEY, seconds=60)
    assert (await refused(hall.come_as_guest(HOME))).code is Code.BANNED, "the device itself"

    for device in (Device(HOME.user_agent, HOME.address), Device(HOME.user_agent, HOME.address, "a-private-window")):
        neighbour = principal(Role.GUEST, await hall.come_as_guest(device))
        await hall.nodes[0].check_join(neighbour, KEY)
        muted = await refused(hall.say(neighbour))
        assert muted.code is Code.MUTED
        [sanction] = await Sanction.filter(subject_id=neighbour.user_id)
        assert (sanction.kind, sanction.stream_id) == ("MUTE", None)
        assert sanction.ends_at is not None
        assert timedelta(minutes=59) < sanction.ends_at - datetime.now(UTC) <= timedelta(hours=1)
    watcher = principal(Role.GUEST, await hall.come_as_guest(Device("in a room", HOME.address)))
    assert (await refused(hall.say(watcher))).code is Code.MUTED
    [sanction] = await Sanction.filter(subject_id=watcher.user_id)
    assert sanction.ends_at is not None
    assert sanction.ends_at - datetime.now(UTC) <= timedelta(seconds=60), "no longer than the ban"
    await hall.say(principal(Role.GUEST, await hall.come_as_guest(Device("another browser", HOME.address))))

    await BannedDevice.filter(device__startswith="n:").update(ends_at=datetime.now(UTC) - timedelta(seconds=1))
    await hall.say(principal(Role.GUEST, await hall.come_as_guest(Device(HOME.user_agent, HOME.address))))
    assert (await refused(hall.come_as_guest(HOME))).code is Code.BANNED, "the cookie is known for good"


async def test_sanctions_are_inherited_by_new_guests_and_lifted_together(hall: ModeratedRoom) -> None:
    await hall.allow_guests(hall.host)
    first = principal(Role.GUEST, await hall.come_as_guest(HOME))
    await hall.ban(hall.admin, first.user_id, liveId=KEY)
    second = principal(Role.GUEST, await hall.come_as_guest(HOME))
    third = principal(Role.GUEST, await hall.come_as_guest(HOME._replace(address="203.0.113.1")))
    for guest in (first, second, third):
        assert (await refused(hall.nodes[0].check_join(guest, KEY))).code is Code.BANNED
        assert (await refused(hall.say(guest))).code is Code.BANNED
        await hall.nodes[0].check_join(guest, ELSEWHERE)
    await hall.unban(hall.admin, first.user_id, liveId=KEY)
    for guest in (first, second, third):
        await hall.say(guest)

    await hall.mute(hall.host, first.user_id, seconds=1000)
    fourth = principal(Role.GUEST, await hall.come_as_guest(HOME))
    neighbour = principal(Role.GUEST, await hall.come_as_guest(Device(HOME.user_agent, HOME.address)))
    assert (await refused(hall.say(fourth))).code is Code.MUTED
    await hall.say(neighbour)


async def test_a_banned_user_cannot_return_as_a_guest_of_the_device(hall: ModeratedRoom) -> None:
    await hall.devices.seen(hall.user.user_id, HOME)
    await hall.ban(hall.admin, hall.user.user_id)
    assert (await refused(hall.come_as_guest(HOME._replace(address="198.51.100.7")))).code is Code.BANNED


async def test_devices_are_deleted_with_their_sanctions(hall: ModeratedRoom) -> None:
    lifted, ended, held = [
        await hall.come_as_guest(Device("a browser", f"198.51.100.{n}", f"device-number-{n}-of-three"))
        for n in range(3)
    ]
    for guest in (lifted, ended, held):
        await hall.ban(hall.admin, guest)
    await hall.unban(hall.admin, lifted)
    past = datetime.now(UTC) - timedelta(minutes=1)
    await Sanction.filter(subject_id=ended).update(created_at=past - timedelta(minutes=1), ends_at=past)
    sweep = Retention(hall.database, kinds(make_settings()), Metrics()).sweep
    await sweep()
    assert {device.sanction_id for device in await BannedDevice.all()} == {
        sanction.id for sanction in await Sanction.filter(subject_id=held)
    }
    assert [device.device[:2] for device in await BannedDevice.all()] == ["d:"]
    await BannedDevice.all().update(ends_at=past)
    await sweep()
    assert not await BannedDevice.all().exists()


async def test_a_user_without_a_known_device_can_be_banned(hall: ModeratedRoom) -> None:
    guest = new_id()
    await hall.ban(hall.admin, guest)
    assert (await refused(hall.bans.check(guest))).code is Code.BANNED
    assert await BannedDevice.all().count() == 0


async def test_names_of_devices_disclose_nothing(hall: ModeratedRoom) -> None:
    guest = await hall.come_as_guest(HOME)
    await hall.ban(hall.admin, guest)
    for row in await BannedDevice.all():
        assert not any(part in row.device for part in (HOME.address, HOME.user_agent, HOME.id or ""))
        assert len(row.device) == 34


# --- while a server is away -----------------------------------------------------------------------------------------


async def test_a_ban_works_without_redis(hall: ModeratedRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    away = RedisClient(make_settings(redis_url="redis://127.0.0.1:1/0"), Metrics())
    monkeypatch.setattr(hall.book, "_redis", away)
    await hall.devices.seen(hall.user.user_id, HOME)
    await hall.ban(hall.admin, hall.user.user_id)
    assert (await refused(hall.bans.check(hall.user.user_id))).code is Code.BANNED


async def test_nobody_connects_while_bans_cannot_be_read(hall: ModeratedRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(hall.database, "query", away)
    assert (await refused(hall.bans.check(hall.user.user_id))).code is Code.SERVICE_UNAVAILABLE
    assert (await refused(hall.come_as_guest(HOME))).code is Code.SERVICE_UNAVAILABLE


async def test_concurrent_connects_share_a_query_for_bans(hall: ModeratedRoom) -> None:
    guests = [new_id() for _ in range(300)]
    await hall.ban(hall.admin, guests[7])
    answers = await asyncio.gather(*(hall.bans.check(guest) for guest in guests), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if answer is not None] == [7]
