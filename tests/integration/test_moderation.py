"""Who may moderate whom, and what holds for the next message: on a real PostgreSQL, as two nodes use it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gateway.clocks import iso
from gateway.errors import Code, GatewayError, NotFound
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import Message as Draft
from gateway.protocol.payloads.chat import SendMessage
from gateway.protocol.payloads.moderation import FOREVER
from gateway.protocol.powers import Power
from gateway.protocol.wire import Since
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
from tests.timing import time_limit, until

HOME = Device("a browser", "192.0.2.1", "device-of-somebody")
Act = Callable[[ModeratedRoom, Principal], Awaitable[Any]]


@pytest.fixture
async def moderated(database_url: str, redis: RedisClient) -> AsyncIterator[ModeratedRoom]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    moderated = ModeratedRoom(database, redis)
    await moderated.open()
    yield moderated
    await moderated.close()
    await database.close()


async def refused(awaitable: Awaitable[Any]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await awaitable
    return caught.value


# --- who may --------------------------------------------------------------------------------------------------------

ACTS: dict[str, tuple[Act, set[str]]] = {
    "mute": (lambda moderated, who: moderated.mute(who, moderated.user.user_id), {"admin", "moderator", "host"}),
    "unmute": (lambda moderated, who: moderated.unmute(who, moderated.user.user_id), {"admin", "moderator", "host"}),
    "slow mode": (lambda moderated, who: moderated.slow(who, 5), {"admin", "moderator", "host"}),
    "freeze": (lambda moderated, who: moderated.freeze(who), {"admin", "moderator", "host"}),
    "allow guests": (lambda moderated, who: moderated.allow_guests(who), {"admin", "moderator", "host"}),
    "announce": (lambda moderated, who: moderated.announce(who), {"admin", "moderator", "host"}),
    "pin": (lambda moderated, who: moderated.pin(who), {"admin", "moderator", "host"}),
    "unpin": (lambda moderated, who: moderated.unpin(who), {"admin", "moderator", "host"}),
    "delete": (lambda moderated, who: moderated.delete(who), {"admin"}),
    "clear": (lambda moderated, who: moderated.clear(who), {"admin"}),
    "say how much a clear is": (lambda moderated, who: moderated.clear(who, dryRun=True), {"admin"}),
    "ban here": (lambda moderated, who: moderated.ban(who, moderated.user.user_id, liveId=KEY), {"admin"}),
    "ban everywhere": (lambda moderated, who: moderated.ban(who, moderated.user.user_id), {"admin"}),
    "unban": (lambda moderated, who: moderated.unban(who, moderated.user.user_id), {"admin"}),
}


@pytest.mark.parametrize("actor", ["admin", "moderator", "host", "other_host", "user", "guest"])
@pytest.mark.parametrize("act", ACTS)
async def test_moderation_permissions(moderated: ModeratedRoom, act: str, actor: str) -> None:
    call, allowed = ACTS[act]
    await moderated.say(moderated.user)
    moderated.received.events.clear()
    entries = await ModerationEntry.all().count()  # of the streams that were created
    if actor in allowed:
        await call(moderated, getattr(moderated, actor))
        return
    assert (await refused(call(moderated, getattr(moderated, actor)))).code is Code.FORBIDDEN
    assert await ModerationEntry.all().count() == entries
    assert not await Sanction.all().count() + len(moderated.received.events)


def test_permissions_of_administrators_only() -> None:
    assert frozenset(Power) - HOSTING == {Power.BAN, Power.DELETE, Power.CLEAR}
    assert POWERS[Role.ADMIN] == frozenset(Power)
    assert POWERS[Role.MODERATOR] == HOSTING


HELD = [("moderator", KEY), ("moderator", None), ("host", None), ("other_host", KEY)]


@pytest.mark.parametrize(("whom", "where"), HELD)
async def test_a_banned_moderator_cannot_moderate_if_the_notice_is_lost(
    moderated: ModeratedRoom, whom: str, where: str | None
) -> None:
    moderator = getattr(moderated, whom)
    await moderated.ban(moderated.admin, moderator.user_id, liveId=where)
    code = Code.FORBIDDEN if whom == "other_host" else Code.BANNED
    for act in (
        moderated.announce(moderator),
        moderated.mute(moderator, moderated.user.user_id),
        moderated.freeze(moderator),
    ):
        assert (await refused(act)).code is code
    await moderated.unban(moderated.admin, moderator.user_id, liveId=where)
    if whom != "other_host":
        await moderated.announce(moderator)


async def test_a_muted_moderator_cannot_announce_or_unmute_themselves(moderated: ModeratedRoom) -> None:
    await moderated.mute(moderated.admin, moderated.moderator.user_id)
    for act in (
        moderated.announce(moderated.moderator),
        moderated.unmute(moderated.moderator, moderated.moderator.user_id),
    ):
        assert (await refused(act)).code is Code.MUTED
    assert (await refused(moderated.say(moderated.moderator))).code is Code.MUTED
    await moderated.unmute(moderated.host, moderated.moderator.user_id)
    await moderated.announce(moderated.moderator)


@pytest.mark.parametrize("act", [act for act, (_, who) in ACTS.items() if "moderator" in who])
async def test_a_moderator_muted_while_waiting_for_the_lock_is_refused(moderated: ModeratedRoom, act: str) -> None:
    await moderated.say(moderated.user)
    call, _ = ACTS[act]
    async with moderated.database.transaction():
        await RoomLog(moderated.database).lock(chat_room(KEY))
        acting = asyncio.create_task(refused(call(moderated, moderated.moderator)), context=Context())
        await asyncio.wait([acting], timeout=0.3)
        assert not acting.done()
        await moderated.database.query(
            sanctions.IMPOSE, "MUTE", KEY, moderated.moderator.user_id, None, UUID(moderated.admin.user_id), None
        )
    assert (await acting).code is Code.MUTED


@pytest.mark.parametrize("whom", ["admin", "host"])
async def test_administrators_and_hosts_cannot_be_sanctioned(moderated: ModeratedRoom, whom: str) -> None:
    subject = getattr(moderated, whom).user_id
    for actor in (moderated.admin, moderated.moderator, moderated.host):
        assert (await refused(moderated.mute(actor, subject))).code is Code.FORBIDDEN
    assert (await refused(moderated.ban(moderated.admin, subject, liveId=KEY))).code is Code.FORBIDDEN
    if whom == "admin":
        assert (await refused(moderated.ban(moderated.admin, subject))).code is Code.FORBIDDEN
    else:
        await moderated.ban(moderated.admin, subject)  # somebody may have to
    await moderated.mute(moderated.moderator, moderated.other_host.user_id)  # a guest of this room


@pytest.mark.parametrize("whom", ["nobody", "b1a4d5f0-0000-4000-8000-000000000000", "{USER}", "a\x00b"])
async def test_sanctions_of_unknown_users(moderated: ModeratedRoom, whom: str) -> None:
    whom = whom.replace("{USER}", moderated.user.user_id.upper())
    assert isinstance(await refused(moderated.mute(moderated.admin, whom)), NotFound)
    assert isinstance(
        await refused(moderated.mute(moderated.admin, moderated.user.user_id, liveId="nowhere")), NotFound
    )


# --- what holds -----------------------------------------------------------------------------------------------------


async def test_a_mute_applies_on_all_nodes_until_it_ends(moderated: ModeratedRoom) -> None:
    sent = await moderated.say(moderated.user, "before", "c-1")
    ack = await moderated.mute(moderated.host, moderated.user.user_id, seconds=1, reason="rude")
    error = await refused(moderated.say(moderated.user, node=1))
    assert error.code is Code.MUTED
    assert error.details == {"until": ack.model_dump(mode="json")["until"]}
    assert moderated.notices == [UserMuted(moderated.user.user_id, KEY, ack.until)]
    joined = await moderated.nodes[1].snapshot(moderated.user, KEY, None, 1)
    assert (joined.you.muted_until, joined.you.can_send) == (ack.until, False)
    again = await moderated.say(moderated.user, "before", "c-1", node=1)
    assert again == sent.model_copy(update={"duplicate": True}), "it is stored, whatever holds now"
    await moderated.say(moderated.other_host, "the others may")

    async def may_send() -> bool:
        return (await moderated.nodes[0].snapshot(moderated.user, KEY, None, 1)).you.can_send

    await until(may_send)
    await moderated.say(moderated.user, "after")


async def test_unmuting_is_published_and_idempotent(moderated: ModeratedRoom) -> None:
    first = await moderated.mute(moderated.moderator, moderated.user.user_id)
    assert first.until == FOREVER
    await moderated.mute(moderated.moderator, moderated.user.user_id, seconds=100)
    assert await Sanction.all().count() == 1, "another one replaces it"
    moderated.notices.clear()
    for _ in range(2):
        assert (await moderated.unmute(moderated.moderator, moderated.user.user_id)).until is None
    assert moderated.notices == [UserMuted(moderated.user.user_id, KEY, None, moderated.host.user_id)]
    await moderated.say(moderated.user)
    actions = (
        await ModerationEntry.exclude(action="CREATE_STREAM")
        .order_by("id")
        .values_list("action", "subject_id", "stream_id")
    )
    assert actions == [(action, moderated.user.user_id, KEY) for action in ("MUTE", "MUTE", "UNMUTE")]


async def test_room_and_global_bans(moderated: ModeratedRoom) -> None:
    user = moderated.user.user_id
    await moderated.ban(moderated.admin, user, liveId=KEY, seconds=1000)
    assert (await refused(moderated.say(moderated.user))).code is Code.BANNED
    assert (await refused(moderated.nodes[1].check_join(moderated.user, KEY))).code is Code.BANNED
    assert (await refused(moderated.nodes[1].snapshot(moderated.user, KEY, None, 1))).code is Code.BANNED
    await moderated.nodes[0].check_join(moderated.user, ELSEWHERE)
    await moderated.bans.check(user)
    await moderated.unban(moderated.admin, user, liveId=KEY)
    await moderated.say(moderated.user)

    ack = await moderated.ban(moderated.admin, user, reason="enough", deleteMessages=True)
    assert (ack.deleted, moderated.cleared) == (1, [(KEY, user)])
    assert moderated.notices[-1] == UserBanned(user, None, FOREVER, "enough")
    error = await refused(moderated.bans.check(user))
    assert (error.code, error.status) == (Code.BANNED, 403)
    assert (await refused(moderated.nodes[0].check_join(moderated.user, ELSEWHERE))).code is Code.BANNED
    assert (await refused(moderated.say(moderated.user))).code is Code.BANNED
    assert [(who, ban.live_id) for who, ban in await moderated.bans.of([user, moderated.host.user_id])] == [
        (user, None)
    ]
    await moderated.unban(moderated.admin, user)
    await moderated.say(moderated.user)


@pytest.mark.parametrize("longer", [KEY, None])
async def test_the_longer_of_two_bans_is_reported(moderated: ModeratedRoom, longer: str | None) -> None:
    for where in (KEY, None):
        await moderated.ban(
            moderated.admin, moderated.user.user_id, liveId=where, seconds=1000 if where == longer else 100
        )
    ends_at = (await Sanction.get(stream_id=longer)).ends_at
    assert ends_at is not None
    for act in (moderated.nodes[0].check_join(moderated.user, KEY), moderated.say(moderated.user)):
        assert (await refused(act)).details == {"until": iso(ends_at)}


async def test_sanctions_do_not_apply_to_administrators_and_hosts(moderated: ModeratedRoom) -> None:
    await moderated.mute(moderated.admin, moderated.moderator.user_id)
    assert (await refused(moderated.say(moderated.moderator))).code is Code.MUTED
    await User.filter(id=moderated.moderator.user_id).update(role="ADMIN")
    promoted = principal(Role.ADMIN, moderated.moderator.user_id)
    await moderated.say(promoted)
    assert (await moderated.nodes[0].snapshot(promoted, KEY, None, 1)).you.can_send


@pytest.mark.parametrize("role", ["admin", "moderator", "host", "other_host", "user", "guest"])
async def test_moderators_may_send_in_frozen_and_slow_rooms(moderated: ModeratedRoom, role: str) -> None:
    who, trusted = getattr(moderated, role), role in ("admin", "moderator", "host")
    await moderated.allow_guests(moderated.host)
    await moderated.slow(moderated.host, 100)
    await moderated.say(who)
    error = None if trusted else await refused(moderated.say(who, node=1))
    if error is None:
        await moderated.say(who, node=1)
    else:
        assert error.code is Code.SLOW_MODE
        assert error.retryable
        assert 90_000 < (error.retry_after_ms or 0) <= 100_000
    await moderated.freeze(moderated.host)
    assert (await moderated.nodes[0].snapshot(who, KEY, None, 1)).you.can_send is trusted
    if trusted:
        await moderated.say(who)
    else:
        assert (await refused(moderated.say(who))).code is Code.ROOM_FROZEN
    await moderated.freeze(moderated.host, frozen=False)
    await moderated.slow(moderated.host, 0)
    await moderated.say(who)


async def test_guests_may_send_where_allowed(moderated: ModeratedRoom) -> None:
    assert (await refused(moderated.say(moderated.guest))).code is Code.FORBIDDEN
    assert not (await moderated.nodes[0].snapshot(moderated.guest, KEY, None, 1)).you.can_send
    await moderated.allow_guests(moderated.moderator)
    await moderated.say(moderated.guest)
    assert (await moderated.nodes[0].snapshot(moderated.guest, KEY, None, 1)).you.can_send
    await moderated.allow_guests(moderated.moderator, allowed=False)
    assert (await refused(moderated.say(moderated.guest))).code is Code.FORBIDDEN


async def test_the_pause_of_slow_mode_is_exact_over_nodes_and_within_a_batch(moderated: ModeratedRoom) -> None:
    await moderated.slow(moderated.host, 1)
    for _ in range(2):
        results = await asyncio.gather(
            *(moderated.say(moderated.user, f"{n}", node=n % 2) for n in range(20)), return_exceptions=True
        )
        errors = [result for result in results if isinstance(result, GatewayError)]
        assert len(errors) == 19
        assert {error.code for error in errors} == {Code.SLOW_MODE}
        assert all(0 < (error.retry_after_ms or 0) <= 1000 for error in errors)
        await asyncio.sleep(max((error.retry_after_ms or 0) for error in errors) / 1000)  # as the errors say
    await moderated.say(moderated.user, "once more")
    messages = await Message.filter(stream_id=KEY).order_by("seq")
    assert [message.seq for message in messages] == [2, 3, 4], "the settings came first; places have no gaps"
    gaps = [after.created_at - before.created_at for before, after in pairwise(messages)]
    assert min(gaps) > timedelta(seconds=0.9)


@pytest.mark.parametrize("where", [KEY, None])
async def test_a_ban_ends_by_time_for_its_guest_and_for_the_device(moderated: ModeratedRoom, where: str | None) -> None:
    guest = principal(Role.GUEST, await moderated.come_as_guest(HOME))
    await moderated.ban(moderated.admin, guest.user_id, liveId=where, seconds=60)
    assert (await refused(moderated.nodes[1].check_join(guest, KEY))).code is Code.BANNED
    past = datetime.now(UTC) - timedelta(seconds=1)
    await Sanction.all().update(created_at=past - timedelta(minutes=1), ends_at=past)
    for who in (guest, principal(Role.GUEST, await moderated.come_as_guest(HOME))):
        await moderated.bans.check(who.user_id)
        await moderated.nodes[1].check_join(who, KEY)
    assert await moderated.bans.of([guest.user_id]) == []
    await moderated.ban(moderated.admin, guest.user_id, liveId=where)
    assert (await refused(moderated.nodes[1].check_join(guest, KEY))).code is Code.BANNED, (
        "one that has ended is replaced"
    )


async def test_sanctions_survive_restarts(moderated: ModeratedRoom, database_url: str, redis: RedisClient) -> None:
    slow, muted, banned = [await moderated.person() for _ in range(3)]
    await moderated.slow(moderated.host, 300)
    await moderated.say(slow)
    await moderated.mute(moderated.host, muted.user_id)
    await moderated.ban(moderated.admin, banned.user_id)
    await moderated.close()
    await moderated.database.close()

    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    reborn = ModeratedRoom(database, redis)
    codes = [(await refused(reborn.say(who))).code for who in (slow, muted, banned)]
    assert codes == [Code.SLOW_MODE, Code.MUTED, Code.BANNED]
    assert (await refused(reborn.bans.check(banned.user_id))).code is Code.BANNED
    await reborn.close()
    await database.close()


async def test_a_refused_message_may_be_sent_again_with_its_id(moderated: ModeratedRoom) -> None:
    await moderated.slow(moderated.host, 300)
    await moderated.say(moderated.user, "a", "c-1")
    for _ in range(2):
        assert (await refused(moderated.say(moderated.user, "b", "c-2"))).code is Code.SLOW_MODE
    await moderated.slow(moderated.host, 0)
    assert not (await moderated.say(moderated.user, "b", "c-2")).duplicate
    assert (await moderated.say(moderated.user, "b", "c-2", node=1)).duplicate


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda moderated: moderated.mute(moderated.admin, moderated.user.user_id), Code.MUTED),
        (lambda moderated: moderated.ban(moderated.admin, moderated.user.user_id, liveId=KEY), Code.BANNED),
        (lambda moderated: moderated.ban(moderated.admin, moderated.user.user_id), Code.BANNED),
        (lambda moderated: moderated.freeze(moderated.host), Code.ROOM_FROZEN),
    ],
    ids=["mute", "ban here", "ban everywhere", "freeze"],
)
async def test_no_message_is_stored_after_a_sanction_returns(
    moderated: ModeratedRoom, act: Callable[[ModeratedRoom], Awaitable[Any]], code: Code
) -> None:
    async def send_messages(node: int) -> None:
        while True:
            await moderated.say(moderated.user, node=node)

    talking = [asyncio.create_task(send_messages(n)) for n in range(2)]
    await until(Message.all().count, what="they send")
    await act(moderated)
    stored = await Message.all().count()
    for task in talking:
        assert (await refused(task)).code is code
    assert await Message.all().count() == stored > 0


# --- events of the room ---------------------------------------------------------------------------------------------


async def test_a_ban_everywhere_waits_for_concurrent_messages(
    moderated: ModeratedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sanctions, "LONGEST", 60.0)

    async with moderated.database.transaction():
        await Messages(moderated.database).insert([a_draft(moderated, moderated.user)])
        ban = asyncio.create_task(
            moderated.ban(moderated.admin, moderated.user.user_id, deleteMessages=True), context=Context()
        )
        await asyncio.wait([ban], timeout=0.3)
        assert not ban.done()
    await ban
    assert moderated.cleared == [(KEY, moderated.user.user_id)], "its room is among those that are cleared"
    assert (await refused(moderated.say(moderated.user))).code is Code.BANNED


async def test_the_wait_of_a_ban_everywhere_is_bounded(
    moderated: ModeratedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sanctions, "LONGEST", 0.05)
    async with moderated.database.transaction():
        await Messages(moderated.database).insert([a_draft(moderated, moderated.user)])
        await asyncio.create_task(moderated.ban(moderated.admin, moderated.user.user_id), context=Context())


async def test_a_ban_everywhere_waits_for_no_other_transaction(
    moderated: ModeratedRoom, monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    """One of another database of the server, and one of this that stores no messages."""
    monkeypatch.setattr(sanctions, "LONGEST", 3600.0)
    other = await asyncpg.connect(empty_database_url)
    try:
        async with other.transaction(), moderated.database.transaction():
            await other.execute("SELECT pg_current_xact_id()")
            await moderated.database.query("UPDATE products SET stock = stock")
            async with time_limit():
                ban = moderated.ban(moderated.admin, moderated.user.user_id)
                await asyncio.create_task(ban, context=Context())
    finally:
        await other.close()


def a_draft(moderated: ModeratedRoom, who: Principal) -> Draft:
    ask = SendMessage.model_validate({"liveId": KEY, "message": "hello"})
    return Messages(moderated.database).draft(who, ask, ask.message)


async def test_settings_are_published_once_and_logged(moderated: ModeratedRoom) -> None:
    cursor = (await moderated.nodes[0].snapshot(moderated.user, KEY, None, 1)).cursor
    for _ in range(2):
        await moderated.slow(moderated.host, 30)
    await moderated.freeze(moderated.admin)
    announced = await moderated.announce(moderated.moderator)
    published = [event for _, event, _ in moderated.received.events]
    assert published == ["chat:settings", "chat:settings", "chat:announcement"]
    settings = {"liveId": KEY, "slowModeSeconds": 30, "frozen": True, "guestsAllowed": False}
    assert moderated.received.events[1][2] == {"type": "chat:settings", "data": settings}
    data = moderated.received.events[2][2]["data"]
    assert (data["message"], data["role"], data["seq"]) == ("hear, hear", "MODERATOR", announced.seq)
    back = await moderated.nodes[1].snapshot(moderated.user, KEY, Since.model_validate(cursor.model_dump()), 1)
    assert [event.event for event in back.events or []] == published
    assert back.settings.model_dump(by_alias=True).items() <= settings.items()
    logged = await RoomEvent.filter(room_id=f"/chat {chat_room(KEY).name}").order_by("seq")
    assert [event.seq for event in logged] == [1, 2, 3]
    actions = await ModerationEntry.exclude(action="CREATE_STREAM").order_by("id").values_list("action", "details")
    assert actions[:2] == [("SLOW_MODE", {"slowModeSeconds": 30}), ("FREEZE", {"frozen": True})]


async def test_two_nodes_change_settings_at_once(moderated: ModeratedRoom) -> None:
    await asyncio.gather(
        moderated.slow(moderated.host, 7),
        moderated.freeze(moderated.admin),
        moderated.allow_guests(moderated.moderator),
        moderated.slow(moderated.admin, 9),
    )
    settings = (await moderated.nodes[0].snapshot(moderated.user, KEY, None, 1)).settings
    assert (settings.slow_mode_seconds in (7, 9), settings.frozen, settings.guests_allowed) == (True, True, True)


# --- devices --------------------------------------------------------------------------------------------------------


async def test_a_banned_guest_cannot_return_as_another_guest(moderated: ModeratedRoom) -> None:
    guest = await moderated.come_as_guest(HOME)
    await moderated.ban(moderated.admin, guest)
    elsewhere = Device("another browser", "198.51.100.7", HOME.id)
    assert (await refused(moderated.come_as_guest(elsewhere))).code is Code.BANNED
    assert (await refused(moderated.come_as_guest(HOME))).code is Code.BANNED
    await moderated.unban(moderated.admin, guest)
    await moderated.come_as_guest(HOME)


async def test_a_ban_does_not_affect_the_network(moderated: ModeratedRoom) -> None:
    await moderated.allow_guests(moderated.host)
    await moderated.devices.seen(moderated.user.user_id, HOME)
    await moderated.ban(moderated.admin, moderated.user.user_id)
    for device in (Device(HOME.user_agent, HOME.address), Device(HOME.user_agent, HOME.address, "another-device-id")):
        await moderated.say(principal(Role.GUEST, await moderated.come_as_guest(device)))


async def test_new_guests_of_a_banned_network_may_only_read_for_an_hour(moderated: ModeratedRoom) -> None:
    moderated.devices = BannedDevices(moderated.database, moderated.names, moderated.book, matches_network=True)
    moderated.sanctions._devices = moderated.devices
    await moderated.allow_guests(moderated.host)
    everywhere = await moderated.come_as_guest(HOME)
    from_a_room = await moderated.come_as_guest(Device("in a room", HOME.address, "a-device-in-a-room"))
    await moderated.ban(moderated.admin, everywhere)
    await moderated.ban(moderated.admin, from_a_room, liveId=KEY, seconds=60)
    assert (await refused(moderated.come_as_guest(HOME))).code is Code.BANNED, "the device itself"

    for device in (Device(HOME.user_agent, HOME.address), Device(HOME.user_agent, HOME.address, "a-private-window")):
        neighbour = principal(Role.GUEST, await moderated.come_as_guest(device))
        await moderated.nodes[0].check_join(neighbour, KEY)
        muted = await refused(moderated.say(neighbour))
        assert muted.code is Code.MUTED
        [sanction] = await Sanction.filter(subject_id=neighbour.user_id)
        assert (sanction.kind, sanction.stream_id) == ("MUTE", None)
        assert sanction.ends_at is not None
        assert timedelta(minutes=59) < sanction.ends_at - datetime.now(UTC) <= timedelta(hours=1)
    watcher = principal(Role.GUEST, await moderated.come_as_guest(Device("in a room", HOME.address)))
    assert (await refused(moderated.say(watcher))).code is Code.MUTED
    [sanction] = await Sanction.filter(subject_id=watcher.user_id)
    assert sanction.ends_at is not None
    assert sanction.ends_at - datetime.now(UTC) <= timedelta(seconds=60), "no longer than the ban"
    await moderated.say(principal(Role.GUEST, await moderated.come_as_guest(Device("another browser", HOME.address))))

    await BannedDevice.filter(device__startswith="n:").update(ends_at=datetime.now(UTC) - timedelta(seconds=1))
    await moderated.say(principal(Role.GUEST, await moderated.come_as_guest(Device(HOME.user_agent, HOME.address))))
    assert (await refused(moderated.come_as_guest(HOME))).code is Code.BANNED, "the cookie is known for good"


async def test_sanctions_are_inherited_by_new_guests_and_lifted_together(moderated: ModeratedRoom) -> None:
    await moderated.allow_guests(moderated.host)
    first = principal(Role.GUEST, await moderated.come_as_guest(HOME))
    await moderated.ban(moderated.admin, first.user_id, liveId=KEY)
    second = principal(Role.GUEST, await moderated.come_as_guest(HOME))
    third = principal(Role.GUEST, await moderated.come_as_guest(HOME._replace(address="203.0.113.1")))
    for guest in (first, second, third):
        assert (await refused(moderated.nodes[0].check_join(guest, KEY))).code is Code.BANNED
        assert (await refused(moderated.say(guest))).code is Code.BANNED
        await moderated.nodes[0].check_join(guest, ELSEWHERE)
    await moderated.unban(moderated.admin, first.user_id, liveId=KEY)
    for guest in (first, second, third):
        await moderated.say(guest)

    await moderated.mute(moderated.host, first.user_id, seconds=1000)
    fourth = principal(Role.GUEST, await moderated.come_as_guest(HOME))
    neighbour = principal(Role.GUEST, await moderated.come_as_guest(Device(HOME.user_agent, HOME.address)))
    assert (await refused(moderated.say(fourth))).code is Code.MUTED
    await moderated.say(neighbour)


async def test_a_banned_user_cannot_return_as_a_guest_of_the_device(moderated: ModeratedRoom) -> None:
    await moderated.devices.seen(moderated.user.user_id, HOME)
    await moderated.ban(moderated.admin, moderated.user.user_id)
    assert (await refused(moderated.come_as_guest(HOME._replace(address="198.51.100.7")))).code is Code.BANNED


async def test_devices_are_deleted_with_their_sanctions(moderated: ModeratedRoom) -> None:
    lifted, ended, held = [
        await moderated.come_as_guest(Device("a browser", f"198.51.100.{n}", f"device-number-{n}-of-three"))
        for n in range(3)
    ]
    for guest in (lifted, ended, held):
        await moderated.ban(moderated.admin, guest)
    await moderated.unban(moderated.admin, lifted)
    past = datetime.now(UTC) - timedelta(minutes=1)
    await Sanction.filter(subject_id=ended).update(created_at=past - timedelta(minutes=1), ends_at=past)
    sweep = Retention(moderated.database, kinds(make_settings()), Metrics()).sweep
    await sweep()
    assert {device.sanction_id for device in await BannedDevice.all()} == {
        sanction.id for sanction in await Sanction.filter(subject_id=held)
    }
    assert [device.device[:2] for device in await BannedDevice.all()] == ["d:"]
    await BannedDevice.all().update(ends_at=past)
    await sweep()
    assert not await BannedDevice.all().exists()


async def test_a_user_without_a_known_device_can_be_banned(moderated: ModeratedRoom) -> None:
    guest = new_id()
    await moderated.ban(moderated.admin, guest)
    assert (await refused(moderated.bans.check(guest))).code is Code.BANNED
    assert await BannedDevice.all().count() == 0


async def test_names_of_devices_disclose_nothing(moderated: ModeratedRoom) -> None:
    guest = await moderated.come_as_guest(HOME)
    await moderated.ban(moderated.admin, guest)
    for row in await BannedDevice.all():
        assert not any(part in row.device for part in (HOME.address, HOME.user_agent, HOME.id or ""))
        assert len(row.device) == 34


# --- while a server is away -----------------------------------------------------------------------------------------


async def test_a_ban_works_without_redis(moderated: ModeratedRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    away = RedisClient(make_settings(redis_url="redis://127.0.0.1:1/0"), Metrics())
    monkeypatch.setattr(moderated.book, "_redis", away)
    await moderated.devices.seen(moderated.user.user_id, HOME)
    await moderated.ban(moderated.admin, moderated.user.user_id)
    assert (await refused(moderated.bans.check(moderated.user.user_id))).code is Code.BANNED


async def test_nobody_connects_while_bans_cannot_be_read(
    moderated: ModeratedRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(moderated.database, "query", away)
    assert (await refused(moderated.bans.check(moderated.user.user_id))).code is Code.SERVICE_UNAVAILABLE
    assert (await refused(moderated.come_as_guest(HOME))).code is Code.SERVICE_UNAVAILABLE


async def test_concurrent_connects_share_a_query_for_bans(moderated: ModeratedRoom) -> None:
    guests = [new_id() for _ in range(300)]
    await moderated.ban(moderated.admin, guests[7])
    answers = await asyncio.gather(*(moderated.bans.check(guest) for guest in guests), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if answer is not None] == [7]
