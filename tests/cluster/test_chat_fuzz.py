"""Every event of `/chat` with payloads made at random: each is answered, none makes an error that nobody handled."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.errors import Code
from gateway.protocol import events
from gateway.protocol.payloads import chat, curation, moderation
from gateway.protocol.wire import Request
from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop

SHAPES: dict[str, type[Request]] = {
    events.CHAT_JOIN_ROOM: chat.JoinRoom,
    events.CHAT_LEAVE_ROOM: chat.LeaveRoom,
    events.CHAT_SEND_MESSAGE: chat.SendMessage,
    events.CHAT_HISTORY: chat.History,
    events.CHAT_DELETE_MESSAGE: chat.DeleteMessage,
    events.CHAT_CLEAR: curation.Clear,
    events.CHAT_UNDO_CLEAR: curation.UndoClear,
    events.CHAT_PIN_MESSAGE: curation.PinMessage,
    events.CHAT_UNPIN_MESSAGE: curation.UnpinMessage,
    events.CHAT_MUTE_USER: moderation.MuteUser,
    events.CHAT_UNMUTE_USER: moderation.MuteUser,
    events.CHAT_BAN_USER: moderation.BanUser,
    events.CHAT_UNBAN_USER: moderation.BanUser,
    events.CHAT_SLOW_MODE: moderation.SlowMode,
    events.CHAT_FREEZE: moderation.Freeze,
    events.CHAT_ALLOW_GUESTS: moderation.AllowGuests,
    events.CHAT_ANNOUNCE: moderation.Announce,
}
TOGETHER = 20  # under the limit of events
FRESH, CLEARED = "a fresh message", "a fresh clear"  # stand for ids that are made when they are asked for

# Halves of characters too: JSON can say them, and nothing behind it can store them.
TEXTS = st.text(st.characters(codec=None), max_size=30) | st.sampled_from(["", "\x00", "\ud800", "x" * 501, "'; --"])
NUMBERS = st.integers(-(2**70), 2**70) | st.integers(-1, 400) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
ANYTHING = st.recursive(SCALARS, lambda of: st.lists(of, max_size=3) | st.dictionaries(TEXTS, of, max_size=3))


def fields(event: str, known: dict[str, list[Any]]) -> st.SearchStrategy[Any]:
    """Return a payload with the fields of an event: mostly valid, some left out, some random, some unknown."""
    names = {field.alias or name for name, field in SHAPES[event].model_fields.items()}
    each = {name: st.sampled_from(known[name]) | ANYTHING if name in known else ANYTHING for name in names}
    good = st.fixed_dictionaries({name: st.sampled_from(known[name][:1]) for name in names if name in known})
    return st.one_of(good, st.fixed_dictionaries({}, optional=each | {"surprise": SCALARS}), ANYTHING)


async def resolved(payload: Any, key: str, writer: ClientSocket, admin: ClientSocket) -> Any:
    """Return the payload with ids that are good."""
    if not isinstance(payload, dict) or not {FRESH, CLEARED} & {v for v in payload.values() if isinstance(v, str)}:
        return payload
    fresh = await writer.call("chat:send-message", {"liveId": key, "message": "hi"})
    if CLEARED in payload.values():
        cleared = await admin.call("chat:clear", {"liveId": key})
        return payload | {"clearId": cleared["clearId"]}
    return {name: fresh["id"] if value == FRESH else value for name, value in payload.items()}


async def test_random_chat_payloads_cause_no_unhandled_error(shop: Shop) -> None:
    key, admin, ann = await shop.stream(), await shop.person("ADMIN"), await shop.person()
    known: dict[str, list[Any]] = {
        "liveId": [key, "nowhere"],
        "messageId": [FRESH, "00000000-0000-4000-8000-000000000000", "none"],
        "userId": [ann.id, "guest-x", admin.id, "none", "\x00"],
        "clearId": [CLEARED, "1", "999999999999999999"],
        "before": [FRESH, "none"],
        "limit": [1, 100],
        "seconds": [1, 0, 300, 31_536_000],
        "lastSeconds": [1, 31_536_000],
        "reason": ["spam", "", "x" * 500, "\x00"],
        "message": ["hello", "시발 <b>"],
        "clientMessageId": ["c-1", "c-2"],
        "since": [{"epoch": "x", "seq": 0}, {"epoch": "\x00", "seq": 2**70}],
        "dryRun": [False, True],
        "frozen": [False],
        "allowed": [True, False],
        "deleteMessages": [False, True],
    }
    made: list[tuple[str, Any]] = []

    @settings(max_examples=40, phases=[Phase.generate], deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def make(data: st.DataObject) -> None:
        made.extend((event, data.draw(fields(event, known))) for event in SHAPES)

    make()
    done = set()
    for start in range(0, len(made), TOGETHER):
        # A person each, so that no limit, ban or mute hides what is behind it.
        socket = await shop.chatter(key, as_=await shop.person("ADMIN"), node=start // TOGETHER % 2)
        writer = await shop.chatter(key, as_=await shop.person("ADMIN"))  # whom no slow mode holds
        batch = [(event, await resolved(payload, key, writer, socket)) for event, payload in made[start:][:TOGETHER]]
        acks = await asyncio.gather(*(socket.ask(event, payload) for event, payload in batch))
        for (event, payload), ack in zip(batch, acks, strict=True):
            assert ack["ok"] or ack["error"]["code"] in set(Code) - {Code.INTERNAL_ERROR, Code.SERVICE_UNAVAILABLE}, (
                event, payload, ack,
            )  # fmt: skip
        done |= {event for (event, _), ack in zip(batch, acks, strict=True) if ack["ok"]}
        await asyncio.gather(socket.disconnect(), writer.disconnect())
    assert done == set(SHAPES), "what is made goes deep enough to be done now and then"
