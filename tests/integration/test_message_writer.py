"""Messages that are stored together: places, order and repetitions over two nodes, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from gateway.errors import Conflict, InvalidPayload, UnknownStream
from gateway.keys import Room, chat_room
from gateway.metrics import Metrics
from gateway.postgres.errors import ForeignKeyError
from gateway.protocol.payloads.chat import SendMessage, Sent
from gateway.realtime.fanout.redis import RedisFanout
from gateway.redis.client import RedisClient
from gateway.services.chat import chat
from gateway.services.chat.messages import Messages
from gateway.services.rooms.log import RoomLog
from models.main.message import Message
from tests.delivered_packets import DeliveredPackets
from tests.doubles import principal
from tests.integration.chat_nodes import KEY, KEYS, ChatNodes, texts
from tests.timing import until


@pytest.fixture
async def cluster(database_url: str, redis: RedisClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChatNodes]:
    monkeypatch.setattr(chat, "LANES", 1)
    cluster = ChatNodes(database_url, redis)
    await cluster.open()
    yield cluster
    await cluster.close()


# --- many at once ---------------------------------------------------------------------------------------------------


async def test_two_hundred_senders_on_two_nodes_have_one_order(database_url: str, redis: RedisClient) -> None:
    cluster = ChatNodes(database_url, redis)
    await cluster.open(people=200)
    inboxes = [DeliveredPackets(), DeliveredPackets()]
    fanouts = [RedisFanout(redis, inboxes[n], f"n{n}", Metrics(), RoomLog(cluster.database)) for n in range(2)]
    rooms = [chat_room(key) for key in KEYS]
    for fanout in fanouts:
        await fanout.start()
        for room in rooms:
            await fanout.watch(room)
    cluster.nodes = [cluster.node(fanout) for fanout in fanouts]

    async def send_messages(number: int) -> None:
        for count in range(4):
            await cluster.send(number, f"{number}:{count}", f"{count}", key=KEYS[number % 3], node=number // 3 % 2)

    await asyncio.gather(*(send_messages(number) for number in range(200)))
    assert cluster.batches < 400, "messages shared statements"
    for room in rooms:
        stored = texts(await Message.filter(stream_id=room.name.removeprefix("live:")).order_by("seq"))
        for inbox in inboxes:
            await inbox.until(lambda box, room=room, stored=stored: len(box.of(room)) == len(stored))  # type: ignore[misc]
            assert heard_texts(inbox, room) == stored
    assert await Message.all().count() == 800
    for key in KEYS:
        messages = await Message.filter(stream_id=key).order_by("seq")
        assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
        for sender in {message.sender_id for message in messages}:
            own = [message.client_message_id for message in messages if message.sender_id == sender]
            assert own == ["0", "1", "2", "3"]
    await cluster.close()
    for fanout in fanouts:
        await fanout.close()


def heard_texts(inbox: DeliveredPackets, room: Room) -> list[str]:
    return [packet.decode().partition('"message":"')[2].partition('"')[0] for packet in inbox.of(room)]


async def test_a_text_that_looks_like_a_place_is_published_as_it_is(cluster: ChatNodes) -> None:
    text = '"seq":0, {"seq":0} \\"seq":0'
    await cluster.send(0, text)
    assert texts(await cluster.holds_together(KEYS[0])) == [text]
    assert [payload["data"]["message"] for payload in cluster.received.named("chat:message")] == [text]


async def test_waiting_messages_form_one_batch_in_order(cluster: ChatNodes) -> None:
    await cluster.gathered(*(cluster.send(n % 5, f"{n}", key=KEYS[n % 2]) for n in range(60)))
    assert cluster.batches == 2
    assert texts(await cluster.holds_together(KEYS[0])) == ["first", *(f"{n}" for n in range(0, 60, 2))]
    assert texts(await cluster.holds_together(KEYS[1])) == [f"{n}" for n in range(1, 60, 2)]


async def test_two_batches_do_not_deadlock(cluster: ChatNodes) -> None:
    """Rooms are locked in the order of their names, whatever that of the messages: so there is no deadlock."""
    messages = Messages(cluster.database)
    drafts = [
        messages.draft(cluster.people[0], SendMessage.model_validate({"liveId": key, "message": "x"}), "x")
        for key in ("third", "demo", "other")
    ]
    free = "SELECT name FROM rooms WHERE name LIKE '/chat%' ORDER BY name FOR UPDATE SKIP LOCKED"
    for number, key in enumerate(KEYS):
        async with cluster.held(key):
            storing = asyncio.create_task(messages.insert(drafts))
            await cluster.stuck()
            names = [row["name"] for row in await cluster.database.query(free)]
            assert names == [f"/chat live:{after}" for after in KEYS[number + 1 :]]
        await storing
        drafts = [draft.model_copy(update={"id": str(uuid4())}) for draft in drafts]


# A busy node: its connection commits a batch when another one waits for the room, and stores the next one at once.
BUSY = """
    DO $$
    BEGIN
        FOR number IN 1..20 LOOP
            PERFORM FROM store_messages(
                'chat:message', ARRAY['/chat live:demo'], ARRAY[gen_random_uuid()], ARRAY['SENDER'], ARRAY['Busy'],
                ARRAY['USER'], ARRAY[number::text], ARRAY[NULL], ARRAY[now()], ARRAY['{"data":{"seq":0}}']
            );
            WHILE number = 1 AND NOT EXISTS (
                SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%store_m%'
            ) LOOP
                PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
            END LOOP;
            COMMIT;
        END LOOP;
    END
    $$
"""


async def test_a_busy_node_does_not_overtake_a_waiting_batch(cluster: ChatNodes, database_url: str) -> None:
    messages = Messages(cluster.database)
    message = SendMessage.model_validate({"liveId": KEY, "message": "waited"})
    connection = await asyncpg.connect(database_url)
    try:
        busy = asyncio.create_task(connection.execute(BUSY.replace("SENDER", cluster.people[1].user_id)))
        await until(lambda: is_locked(cluster))
        await messages.insert([messages.draft(cluster.people[0], message, message.message)])
        await busy
    finally:
        await connection.close()
    assert texts(await Message.filter(stream_id=KEY).order_by("seq"))[1] == "waited"


async def is_locked(cluster: ChatNodes) -> bool:
    """Return whether a transaction has the lock of a room."""
    free = await cluster.database.query("SELECT FROM rooms WHERE name = $1 FOR UPDATE SKIP LOCKED", f"/chat live:{KEY}")
    return not free


# --- repetitions ----------------------------------------------------------------------------------------------------


async def test_repetitions_within_and_across_batches(cluster: ChatNodes) -> None:
    old = await cluster.send(1, "old", "c-1")
    sent = await cluster.gathered(
        cluster.send(1, "old", "c-1"),  # 0: stored by a former batch
        cluster.send(1, "new", "c-2"),  # 1
        cluster.send(1, "new", "c-2"),  # 2: of the same batch
        cluster.send(2, "mine", "c-2"),  # 3: somebody else's name for something else
        cluster.send(1, "other", "c-2"),  # 4: another text
        cluster.send(1, "other", "c-1"),  # 5
        cluster.send(1, "same"),  # 6: without a name
        cluster.send(1, "same"),  # 7
        cluster.send(1, "new", "c-2", key="other"),  # 8: another room
    )
    assert cluster.batches == 3
    assert sent[0] == old.model_copy(update={"duplicate": True})
    assert sent[2] == sent[1].model_copy(update={"duplicate": True})
    assert [isinstance(answer, Conflict) for answer in sent] == [False] * 4 + [True] * 2 + [False] * 3
    assert [sent[n].seq for n in (0, 1, 3, 6, 7)] == [1, 3, 4, 5, 6]
    assert [sent[n].duplicate for n in (1, 3, 6, 7, 8)] == [False] * 5
    assert texts(await cluster.holds_together()) == ["old", "first", "new", "mine", "same", "same"]
    assert texts(await cluster.holds_together("other")) == ["new"]


async def test_the_same_message_on_two_nodes_at_once(cluster: ChatNodes) -> None:
    """The one that waits for the other's transaction must see what that has stored."""
    async with cluster.held():
        sends = [asyncio.create_task(cluster.send(1, "once", "c-1", node=n % 2)) for n in range(8)]
        sends += [asyncio.create_task(cluster.send(1, "twice", "c-2", node=n % 2)) for n in range(8)]
        await cluster.stuck(2)
    answers = await asyncio.gather(*sends)
    assert len({answer.id for answer in answers}) == 2
    assert sum(not answer.duplicate for answer in answers) == 2
    assert sorted(map(str, texts(await cluster.holds_together()))) == ["once", "twice"]


# --- refusals -------------------------------------------------------------------------------------------------------


async def test_a_refused_message_does_not_affect_its_batch(cluster: ChatNodes) -> None:
    nul = SendMessage.model_construct(live_id=KEY, message="a\x00b", client_message_id=None)
    results = await cluster.gathered(
        cluster.send(1, "a"),
        cluster.send(principal(), "of nobody"),
        cluster.send(2, "b", "c-1"),
        cluster.chat.send(cluster.people[3], nul),
        cluster.send(2, "b", "c-1"),
        cluster.send(3, "x", key="nowhere"),
        cluster.send(4, "c"),
    )
    kinds = [Sent, ForeignKeyError, Sent, InvalidPayload, Sent, UnknownStream, Sent]
    assert [type(result) for result in results] == kinds
    assert texts(await cluster.holds_together()) == ["first", "a", "b", "c"]


async def test_an_unknown_room_does_not_split_a_batch(cluster: ChatNodes) -> None:
    results = await cluster.gathered(cluster.send(1, "a"), cluster.send(1, "x", key="nowhere"), cluster.send(1, "b"))
    assert [type(result) for result in results] == [Sent, UnknownStream, Sent]
    assert cluster.batches == 2
    assert texts(await cluster.holds_together()) == ["first", "a", "b"]
