"""The chat service on a real PostgreSQL, as two nodes use it: order, idempotence, deletion, history, replay."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.errors import Conflict, Forbidden, NotFound, UnknownStream
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import DeleteMessage, Joined, Message, SendMessage, Sent
from gateway.protocol.payloads.streaming import CreateStream
from gateway.protocol.wire import Cursor, Since
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.services.rooms import log as room_log
from gateway.services.rooms.catch_up import CatchUp, Position
from gateway.services.rooms.log import RoomLog
from models.main.message import Message as MessageRow
from models.main.message import MessageDeletion
from models.main.room import Room, RoomEvent
from models.main.user import User
from tests.doubles import Recorder, principal
from tests.integration.services import Curators, make_chat, make_streams, older
from tests.support import make_settings

KEY = "demo"


class ChatCluster:
    """One stream's chat, served by two nodes that share a database and a recorder of broadcasts."""

    def __init__(self, database: Database, redis: RedisClient) -> None:
        self.database = database
        self.received = Recorder()
        self.streams = make_streams(database, redis, self.received)
        self.nodes = [make_chat(database, self.received) for _ in range(2)]
        self.chat = self.nodes[0]
        self.keepers = [Curators(database, self.received) for _ in range(2)]
        self.curators = self.keepers[0]

    async def person(self, role: Role = Role.USER) -> Principal:
        user = await User.create(
            email=f"{role}-{await User.all().count()}@example.com".lower(),
            username="somebody",
            password_hash="-",
            role=role.value,
        )
        return principal(role, str(user.id))

    async def say(self, who: Principal, *texts: str, node: int = 0) -> list[Sent]:
        return [await self.nodes[node].send(who, ask(text)) for text in texts]

    async def join(self, since: Cursor | None = None) -> Joined:
        before = None if since is None else Since.model_validate(since.model_dump())
        return await self.chat.snapshot(principal(), KEY, before, members=1)

    def published(self) -> list[dict[str, Any]]:
        """Return the data of the messages that the room received."""
        return [payload["data"] for payload in self.received.named("chat:message")]


def ask(text: str, client_message_id: str | None = None) -> SendMessage:
    return SendMessage.model_validate({"liveId": KEY, "message": text, "clientMessageId": client_message_id})


def deletion(message_id: str, live_id: str = KEY) -> DeleteMessage:
    return DeleteMessage.model_validate({"liveId": live_id, "messageId": message_id, "reason": "house rules"})


def redacted(events: list[tuple[str, Any]], message_id: str) -> list[tuple[str, Any]]:
    """Events as they are kept once one of the messages was deleted."""
    empty = {"message": ""}
    return [
        (event, payload | {"data": payload["data"] | empty} if payload["data"]["id"] == message_id else payload)
        for event, payload in events
    ]


def texts(messages: Sequence[Message]) -> list[str]:
    return [message.message for message in messages]


@pytest.fixture
async def cluster(database_url: str, redis: RedisClient) -> AsyncIterator[ChatCluster]:
    database = Database(make_settings(database_url=database_url), Metrics())
    await database.open()
    cluster = ChatCluster(database, redis)
    await cluster.streams.create(
        await cluster.person(Role.ADMIN), CreateStream.model_validate({"title": "Demo", "key": KEY})
    )
    cluster.received.events.clear()
    cluster.received.sent.clear()
    yield cluster
    await database.close()


# --- sending --------------------------------------------------------------------------------------------------------


async def test_published_messages_equal_stored_ones(cluster: ChatCluster) -> None:
    ann = await cluster.person(Role.HOST)
    sent = await cluster.chat.send(ann, ask("안녕 <b>", "c-1"))
    [published] = cluster.received.events
    assert published[:2] == (chat_room(KEY), "chat:message")
    assert published[2] == {
        "type": "chat:message",
        "data": {
            "id": sent.id,
            "seq": 1,
            "liveId": KEY,
            "userId": ann.user_id,
            "username": "somebody",
            "role": "HOST",
            "message": "안녕 <b>",
            "clientMessageId": "c-1",
            "timestamp": sent.model_dump(mode="json")["timestamp"],
        },
    }
    [stored] = (await cluster.join()).history
    assert stored.model_dump(mode="json") == published[2]["data"]
    assert (await RoomEvent.get(seq=1)).payload == published[2]


async def test_two_nodes_publish_every_message_once_with_its_place(cluster: ChatCluster) -> None:
    people = [await cluster.person() for _ in range(6)]
    sent = await asyncio.gather(
        *(
            cluster.nodes[number % 2].send(who, ask(f"{number}:{count}", f"{count}"))
            for count in range(20)
            for number, who in enumerate(people)
        )
    )
    assert sorted(answer.seq for answer in sent) == list(range(1, 121))
    published = sorted(cluster.published(), key=lambda message: message["seq"])
    assert [message["seq"] for message in published] == list(range(1, 121))
    assert [event.seq for event in await RoomEvent.all().order_by("id")] == list(range(1, 121))
    for number in range(6):
        own = [message["message"] for message in published if message["message"].startswith(f"{number}:")]
        assert own == [f"{number}:{count}" for count in range(20)]


async def test_a_repeated_id_gets_the_first_answer(cluster: ChatCluster) -> None:
    ann = await cluster.person()
    answers = await asyncio.gather(*(cluster.nodes[n % 2].send(ann, ask("once", "c-1")) for n in range(10)))
    [first] = [answer for answer in answers if not answer.duplicate]
    assert [answer for answer in answers if answer.duplicate] == [first.model_copy(update={"duplicate": True})] * 9
    assert len(cluster.published()) == 1
    assert (await cluster.say(ann, "next"))[0].seq == first.seq + 1, "a repetition takes no place"
    assert await cluster.chat.repeated(ann, ask("once", "c-1")) == first.model_copy(update={"duplicate": True})
    assert await cluster.chat.repeated(ann, ask("once", "c-2")) is None
    assert await cluster.chat.repeated(ann, ask("once")) is None


async def test_a_repeated_id_with_another_text_is_a_conflict_also_after_deletion(cluster: ChatCluster) -> None:
    ann, admin = await cluster.person(), await cluster.person(Role.ADMIN)
    sent = await cluster.chat.send(ann, ask("first", "c-1"))
    with pytest.raises(Conflict):
        await cluster.nodes[1].send(ann, ask("other", "c-1"))
    await cluster.curators.deletions.delete(admin, deletion(sent.id))
    assert (await cluster.chat.send(ann, ask("first", "c-1"))).duplicate
    with pytest.raises(Conflict):
        await cluster.chat.send(ann, ask("other", "c-1"))
    assert not (await cluster.chat.send(await cluster.person(), ask("other", "c-1"))).duplicate


async def test_guests_and_unknown_streams_are_refused(cluster: ChatCluster) -> None:
    with pytest.raises(Forbidden):
        await cluster.chat.send(principal(Role.GUEST), ask("hi"))
    nowhere = SendMessage.model_validate({"liveId": "nowhere", "message": "x"})
    with pytest.raises(NotFound):
        await cluster.chat.send(await cluster.person(), nowhere)
    with pytest.raises(NotFound):
        await cluster.chat.check_join(principal(), "nowhere")


# --- deletion -------------------------------------------------------------------------------------------------------


async def test_a_deleted_text_is_only_in_the_deletion_record(cluster: ChatCluster) -> None:
    ann, admin = await cluster.person(), await cluster.person(Role.ADMIN)
    start = (await cluster.join()).cursor
    _, unkind, _ = await cluster.say(ann, "a", "unkind", "b")
    deleted = await cluster.curators.deletions.delete(admin, deletion(unkind.id))
    assert (deleted.message_id, deleted.already_deleted) == (unkind.id, False)

    fresh, back = await cluster.join(), await cluster.join(start)
    assert texts(fresh.history) == ["a", "b"]
    assert back.recovered
    assert back.events is not None
    assert [event.seq for event in back.events] == [1, 2, 3, 4], "the log keeps its places"
    assert [(event.event, event.payload) for event in back.events] == [
        *redacted(cluster.received.sent[:3], unkind.id),
        cluster.received.sent[3],
    ], "what comes by a cursor is what was sent to those who were there, less the text"
    assert cluster.received.sent[-1][1]["data"]["seq"] == cluster.received.sent[-1][1]["seq"] == 4
    page = await cluster.chat.history(principal(), older(KEY, None, 10))
    assert "unkind" not in json.dumps([joined.model_dump(mode="json") for joined in (fresh, back, page)])
    assert "unkind" not in json.dumps([event.payload for event in await RoomEvent.all()])
    assert (await MessageRow.get(id=unkind.id)).text is None

    record = await MessageDeletion.get(message_id=unkind.id)
    assert (record.text, record.reason) == ("unkind", "house rules")


async def test_concurrent_deletions_are_published_once(cluster: ChatCluster) -> None:
    admin = await cluster.person(Role.ADMIN)
    [sent] = await cluster.say(await cluster.person(), "x")
    answers = await asyncio.gather(
        *(cluster.keepers[n % 2].deletions.delete(admin, deletion(sent.id)) for n in range(6))
    )
    assert sorted(answer.already_deleted for answer in answers) == [False] + [True] * 5
    assert len(cluster.received.named("chat:message-deleted")) == 1
    assert (await Room.get(name=f"/chat live:{KEY}")).seq == 2


async def test_only_a_message_of_the_room_can_be_deleted(cluster: ChatCluster) -> None:
    admin = await cluster.person(Role.ADMIN)
    [sent] = await cluster.say(await cluster.person(), "stays")
    other = await cluster.streams.create(admin, CreateStream.model_validate({"title": "Other"}))
    for wrong in (
        deletion("00000000-0000-4000-8000-000000000000"),
        deletion("not-an-id"),
        deletion("x\x00y"),
        deletion(sent.id, other.key),
        deletion(sent.id, "nowhere"),
    ):
        with pytest.raises(NotFound):
            await cluster.curators.deletions.delete(admin, wrong)
    assert texts((await cluster.join()).history) == ["stays"]


# --- reading back ---------------------------------------------------------------------------------------------------


async def test_history_pages_leave_out_deleted_messages(cluster: ChatCluster) -> None:
    ann, admin = await cluster.person(), await cluster.person(Role.ADMIN)
    sent = await cluster.say(ann, *(f"{n}" for n in range(10)))
    await cluster.curators.deletions.delete(admin, deletion(sent[3].id))
    before, pages = None, []
    while True:
        page = await cluster.chat.history(principal(), older(KEY, before, 3))
        pages.append(texts(page.messages))
        before = page.next_before
        if before is None:
            break
    assert pages == [["7", "8", "9"], ["4", "5", "6"], ["0", "1", "2"]]
    page = await cluster.chat.history(principal(), older(KEY, sent[3].id, 2))
    assert texts(page.messages) == ["1", "2"], "a deleted message still has its place"
    for wrong in ("not-an-id", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(NotFound):
            await cluster.chat.history(principal(), older(KEY, wrong, 3))
    assert (await cluster.chat.history(principal(), older("nowhere", None, 3))).messages == []


async def test_a_join_has_the_newest_hundred_messages_and_their_cursor(cluster: ChatCluster) -> None:
    assert (await cluster.join()).cursor.seq == 0
    await cluster.say(await cluster.person(), *(f"{n}" for n in range(103)))
    joined = await cluster.join()
    assert texts(joined.history) == [f"{n}" for n in range(3, 103)]
    assert joined.cursor.seq == joined.history[-1].seq == 103
    assert not joined.recovered


async def test_a_cursor_gets_all_later_events_or_a_new_snapshot(
    cluster: ChatCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_log, "REPLAY", 5)
    ann = await cluster.person()
    await cluster.say(ann, *(f"{n}" for n in range(6)))
    now = (await cluster.join()).cursor
    for seq in range(1, 7):
        joined = await cluster.join(now.model_copy(update={"seq": seq}))
        assert joined.recovered
        assert joined.history == []
        assert [(event.event, event.payload) for event in joined.events or ()] == cluster.received.sent[seq:]
        assert [event.seq for event in joined.events or ()] == [
            payload["seq"] for _, payload in cluster.received.sent[seq:]
        ]
        assert joined.cursor == now
    for worthless in ({"seq": 0}, {"seq": 7}, {"seq": -1}, {"seq": 2**70}, {"epoch": "another"}):
        joined = await cluster.join(now.model_copy(update=worthless))
        assert (joined.recovered, joined.events, len(joined.history)) == (False, None, 6)
        assert joined.cursor == now


async def test_concurrent_catch_ups_share_one_query(cluster: ChatCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_log, "REPLAY", 20)
    await cluster.say(await cluster.person(), *(f"{n}" for n in range(30)))
    now = (await cluster.join()).cursor
    query, looks = cluster.database.query, []

    async def counted(statement: str, *values: Any) -> list[dict[str, Any]]:
        looks.extend([statement] if statement == room_log.TAIL else [])
        return await query(statement, *values)

    monkeypatch.setattr(cluster.database, "query", counted)
    cursors = [now.model_copy(update={"seq": seq}) for seq in range(-1, 33)] * 10
    cursors += [now.model_copy(update={"seq": 2**70}), now.model_copy(update={"epoch": "another\0", "seq": 12})]
    joins = await asyncio.gather(*(cluster.join(cursor) for cursor in cursors))
    assert len(looks) <= 2
    for cursor, joined in zip(cursors, joins, strict=True):
        assert joined.cursor == now
        assert joined.recovered == (cursor.epoch == now.epoch and 10 <= cursor.seq <= 30)
        if joined.recovered:
            assert [event.seq for event in joined.events or ()] == list(range(cursor.seq + 1, 31))


async def test_an_unknown_room_does_not_fail_concurrent_catch_ups(cluster: ChatCluster) -> None:
    replays = CatchUp(RoomLog(cluster.database))
    rooms = [chat_room("nowhere"), chat_room(KEY), chat_room("nowhere")]
    answers = await asyncio.gather(*(replays.position(room, None) for room in rooms), return_exceptions=True)
    assert [type(answer) for answer in answers] == [UnknownStream, Position, UnknownStream]
    await replays.close()


async def test_a_trimmed_log_refuses_old_cursors(cluster: ChatCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_log, "KEPT", 10)
    monkeypatch.setattr(room_log, "TRIM", 4)
    await cluster.say(await cluster.person(), *(f"{n}" for n in range(21)))
    assert [event.seq for event in await RoomEvent.all().order_by("seq")] == list(range(11, 22))
    now = (await cluster.join()).cursor
    assert (await cluster.join(now.model_copy(update={"seq": 10}))).recovered
    assert not (await cluster.join(now.model_copy(update={"seq": 9}))).recovered


async def test_history_and_cursor_are_consistent_under_traffic(cluster: ChatCluster) -> None:
    people = [await cluster.person() for _ in range(4)]

    async def send_messages(number: int) -> None:
        await cluster.say(people[number], *("x" * 5), node=number % 2)

    talking = asyncio.gather(*(send_messages(number) for number in range(4)))
    while not talking.done():
        joined = await cluster.join()
        assert [message.seq for message in joined.history] == list(range(1, joined.cursor.seq + 1))
        await asyncio.sleep(0)
