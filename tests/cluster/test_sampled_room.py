"""A room with more messages than people can read: a sample for everybody, the whole for who comes back."""

import asyncio
from pathlib import Path
from typing import Any

from dorami_client import Dorami

from gateway.protocol.payloads.chat import HISTORY
from tests.client.client import Client
from tests.client.socket import ClientSocket
from tests.cluster.package_clients import package_clients
from tests.cluster.shop import PASSWORD, Shop, open_shop
from tests.timing import until

RATE = 5  # messages a second that are shown
MANY = 60


async def say(socket: ClientSocket, key: str, text: str, times: int) -> list[int]:
    """Send messages at once and give their places."""
    requests = [{"liveId": key, "message": f"{text} {number}"} for number in range(times)]
    acks = await asyncio.gather(*(socket.call("chat:send-message", request) for request in requests))
    return [ack["seq"] for ack in acks]


class Viewer:
    """The events of a sampled room that a stock client received."""

    def __init__(self, socket: ClientSocket) -> None:
        self._socket = socket
        self.seqs: list[int] = []
        self.told: list[dict[str, Any]] = []

    def read(self) -> "Viewer":
        """Read the mailbox; check that each missing place is one that `chat:sampled` counts as not shown."""
        self.seqs += [message["data"]["seq"] for message in self._socket.take("chat:message")]
        self.told += [told["data"] for told in self._socket.take("chat:sampled")]
        assert self.seqs == sorted(set(self.seqs))
        for told in self.told:
            places = range(told["fromSeq"], told["toSeq"] + 1)
            assert told["total"] == len(places)
            assert told["shown"] == sum(seq in places for seq in self.seqs)
        return self

    def knows(self, last: int) -> bool:
        """Whether every place up to this one was shown or counted by `chat:sampled`."""
        told = {seq for each in self.told for seq in range(each["fromSeq"], each["toSeq"] + 1)}
        return set(range(1, last + 1)) <= told | set(self.seqs)


async def joins(shop: Shop) -> float:
    """How often clients have joined chat rooms, as the nodes count it."""
    total = 0.0
    for url in shop.urls:
        async with shop._http.get(f"{url}/metrics") as response:
            for line in (await response.text()).splitlines():
                if line.startswith("dorami_event_seconds_count") and '"chat:join-room"' in line:
                    total += float(line.rpartition(" ")[2])
    return total


async def test_a_room_with_too_many_messages_shows_a_sample(
    client: Client, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with (
        open_shop(
            client, tmp_path, database_url, redis_url, CHAT_DISPLAY_RATE=str(RATE), CHAT_RATE_LIMIT="1000/second"
        ) as shop,
        package_clients() as package,
    ):
        key = await shop.stream()
        speaker, admin = await shop.chatter(key), await shop.chatter(key, as_=await shop.person("ADMIN"))
        viewers = [Viewer(await shop.chatter(key, node=node)) for node in (0, 1)]
        fan = await shop.person()
        package.tell("open", name="js", url=shop.urls[1], email=fan.email, password=PASSWORD, keys=[key])
        await package.joined("js")
        heard: list[int] = []
        async with Dorami(shop.urls[1], (await shop.person()).token) as dorami:
            chat = dorami.chat(key)
            chat.on("chat:message", lambda data: heard.append(data["seq"]))
            await chat.join()
            before = await joins(shop)

            own = await say(speaker, key, "crowd", MANY)
            (announced,) = await say(admin, key, "listen", 1)

            # The sender has all of their own, and everybody has what an administrator says.
            received = await speaker.expect_all("chat:message", MANY + 1)
            assert [message["data"]["seq"] for message in received] == [*sorted(own), announced]
            for viewer in viewers:
                await until(lambda viewer=viewer: viewer.read().knows(announced))  # type: ignore[misc]
                assert announced in viewer.seqs
                assert RATE <= len(viewer.seqs) < MANY
            await until(lambda: announced in heard)
            await until(lambda: announced in [seq for seq, _ in package.received["js"].messages[key]])
            assert heard == sorted(heard)
            assert len(heard) < MANY
            assert len(package.received["js"].messages[key]) < MANY
            assert await joins(shop) == before  # nobody took a missing place for a lost message

        await check_returns(shop, key, speaker)


async def check_returns(shop: Shop, key: str, speaker: ClientSocket) -> None:
    """Everything is there for who asks: a recovered client, a join with `since`, the history."""
    away = await shop.chatter(key, node=1)
    cursor = (await away.call("chat:join-room", {"liveId": key}))["cursor"]
    (first,) = await say(speaker, key, "before", 1)
    await away.drop()
    seen = [message["data"]["seq"] for message in away.take("chat:message")]
    missed = await say(speaker, key, "missed", MANY)
    await away.reconnect(url=shop.urls[0])
    assert away.recovered
    expected = [seq for seq in (first, *sorted(missed)) if seq not in seen]
    received = await away.expect_all("chat:message", len(expected))
    assert [message["data"]["seq"] for message in received] == expected

    late = await shop.connect(await shop.person(), "/chat")
    joined = await late.call("chat:join-room", {"liveId": key, "since": cursor})
    assert joined["recovered"]
    assert [each["seq"] for each in joined["events"]] == [first, *sorted(missed)]
    page = await late.call("chat:history", {"liveId": key})
    assert [message["seq"] for message in page["messages"]] == [*range(max(missed) - HISTORY + 1, max(missed) + 1)]
