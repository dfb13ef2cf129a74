"""Fan-out and commands while servers of a Redis Cluster die, hang, and move slots between them."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway import keys
from gateway.errors import Unavailable
from gateway.keys import Room, chat_room, room_channel
from gateway.metrics import Metrics
from gateway.protocol.wire import Cursor
from gateway.realtime.packets import event_packet
from gateway.redis.client import RedisClient
from gateway.redis.cluster import slot
from tests.integration.test_redis_faults import TIMEOUT, Node, close, make_node
from tests.redis_topologies import PASSWORD, ClusterTopology, Process, problem_at_start
from tests.support import frozen, make_settings
from tests.timing import PATIENCE, allowed, until


@pytest.fixture(scope="module")
def servers() -> Iterator[ClusterTopology]:
    """Return a cluster for this module; its last test ends one of the servers."""
    with tempfile.TemporaryDirectory(prefix="dorami-test-") as folder, ClusterTopology(Path(folder)) as servers:
        yield servers


@pytest.fixture
async def pair(servers: ClusterTopology) -> AsyncIterator[list[Node]]:
    nodes = [await make_node(servers.url, name) for name in "ab"]
    yield nodes
    for node in nodes:
        await close(node)


def room_on(servers: ClusterTopology, server: Process) -> Room:
    """Return a room whose channel this server has."""
    rooms = (chat_room(f"r{number}") for number in itertools.count())
    return next(room for room in rooms if servers.owner(room_channel(room)) is server)


def key_on(servers: ClusterTopology, server: Process) -> str:
    return next(key for key in (f"key{number}" for number in itertools.count()) if servers.owner(key) is server)


async def test_a_wrong_address_of_a_cluster_is_explained(servers: ClusterTopology) -> None:
    owner = servers.owner(keys.probe(""))
    other = next(server for server in servers.masters if server is not owner)
    for url, problem in {
        servers.url.replace(f":{PASSWORD}@", ":wrong@"): "refuses the user name or the password",
        servers.url.replace(f":{PASSWORD}@", ""): "refuses the user name or the password",
        other.url: "is part of a cluster: REDIS_URL must begin with redis-cluster://",
    }.items():
        assert await problem_at_start(url) == f"redis {problem}"


def set_node_timeout(servers: ClusterTopology, limit: int) -> None:
    """Set the ms without an answer after which the servers of a cluster call another one dead."""
    for server in servers.servers:
        server.ask("CONFIG", "SET", "cluster-node-timeout", limit)


class MessageFlow:
    """Publishes a hundred messages a second to a room, from one node."""

    def __init__(self, node: Node, room: Room) -> None:
        self._node, self._room = node, room
        self._slowest = 0.0
        self.published: list[bytes] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            cursor = Cursor(epoch=str(id(self)), seq=len(self.published))
            self.published.append(event_packet(self._room.namespace, "e", cursor))
            started = time.monotonic()
            await self._node.fanout.publish(self._room, "e", cursor)
            self._slowest = max(self._slowest, time.monotonic() - started)
            await asyncio.sleep(0.01)

    def received(self, node: Node) -> list[bytes]:
        """Return the messages that arrived at a node."""
        said = set(self.published)
        return [packet for packet in node.inbox.of(self._room) if packet in said]

    async def arrives(self, node: Node, *, within: float) -> float:
        """Wait until a message published from now on arrives at a node; return the seconds that it took."""
        started, first = time.monotonic(), len(self.published)
        await until(lambda: set(self.received(node)[-50:]) & set(self.published[first:]), within=within)
        return time.monotonic() - started

    async def end(self) -> None:
        """Stop. Check that the publishing node delivered everything, once, in order, and that no publication hung."""
        self._task.cancel()
        await asyncio.wait([self._task])
        # The last one may have been cancelled before it was sent.
        await until(
            lambda: self.received(self._node) in (self.published, self.published[:-1]),
            what="delivery of all, once, in order",
        )
        assert self._slowest < allowed(PATIENCE)


async def listen(nodes: list[Node], *rooms: Room) -> None:
    for node in nodes:
        for room in rooms:
            await node.fanout.watch(room)


async def test_commands_are_routed_by_their_keys(servers: ClusterTopology) -> None:
    redis = RedisClient(make_settings(redis_url=servers.url, redis_pool_size=2), Metrics())
    names = [f"key{number}" for number in range(100)]
    await asyncio.gather(*(redis.client.set(name, number) for number, name in enumerate(names)))
    pipeline = redis.client.pipeline(transaction=False)
    for name in names:
        pipeline.get(name)
    assert await pipeline.execute() == [str(number) for number in range(100)]
    script = redis.client.register_script("return {KEYS[1], KEYS[2], ARGV[1]}")
    for tag in "abc":
        assert await script(keys=[f"{{{tag}}}1", f"{{{tag}}}2"], args=[tag]) == [f"{{{tag}}}1", f"{{{tag}}}2", tag]
    for server in servers.masters:
        server.ask("SCRIPT", "FLUSH")
    pipeline = redis.client.pipeline(transaction=False)
    for tag in "abc":
        await script(keys=[tag, tag], args=[1], client=pipeline)
    assert await pipeline.execute() == [[tag, tag, "1"] for tag in "abc"]
    assert all(server.ask("CLIENT", "LIST", "TYPE", "normal").count(" name= ") <= 2 + 1 for server in servers.masters)
    with pytest.raises(ValueError, match="no key"):
        await redis.client.keys("*")
    with pytest.raises(ValueError, match="no transaction"):
        redis.client.pipeline()
    await redis.close()


async def test_messages_and_keys_follow_moving_slots(servers: ClusterTopology, pair: list[Node]) -> None:
    a, b = pair
    source, target, _ = servers.masters
    room, key = room_on(servers, source), key_on(servers, source)
    ids = [server.ask("CLUSTER", "MYID") for server in (source, target)]
    await listen(pair, room)
    client = a.redis.client
    await client.set(key, "here")
    flow = MessageFlow(a, room)
    await flow.arrives(b, within=2)
    for number in {slot(room_channel(room)), slot(key)}:
        target.ask("CLUSTER", "SETSLOT", number, "IMPORTING", ids[0])
        source.ask("CLUSTER", "SETSLOT", number, "MIGRATING", ids[1])
    source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 1000, "AUTH", "not-a-secret")
    assert await client.get(key) == "here"  # the slot is still the source's, the key is not
    for number in {slot(room_channel(room)), slot(key)}:
        for server in (target, source):
            server.ask("CLUSTER", "SETSLOT", number, "NODE", ids[1])
    assert await client.get(key) == "here"
    print(f"slots moved: flows again after {await flow.arrives(b, within=5):.2f} s")
    await flow.end()

    async def well() -> bool:
        return all(node.fanout.healthy and not node.degraded for node in pair)

    await until(well, within=5)


async def test_a_hanging_server_affects_only_its_own_keys(servers: ClusterTopology, pair: list[Node]) -> None:
    a, b = pair
    hung, fine, _ = servers.masters
    room, keys_ = room_on(servers, fine), [key_on(servers, server) for server in (hung, fine)]
    await listen(pair, room)
    flow = MessageFlow(a, room)
    await flow.arrives(b, within=2)
    # Longer than this test: when the others call the server dead, they refuse all commands.
    set_node_timeout(servers, 60_000)
    with frozen(hung):
        for number in range(20):
            async with a.redis.guard("test"):
                await a.redis.client.set(keys_[1], number)
            if number % 5 == 0:
                with pytest.raises(Unavailable):
                    async with a.redis.guard("test"):
                        await a.redis.client.get(keys_[0])
            await flow.arrives(b, within=1)
        pipeline = a.redis.client.pipeline(transaction=False)
        for key in keys_:
            pipeline.get(key)
        async with a.redis.guard("test"):
            failed, answered = await pipeline.execute(raise_on_error=False)
        assert isinstance(failed, RedisConnectionError)
        assert answered == "19"
    await flow.end()

    async def answers() -> bool:
        return await a.redis.ping() and all(node.fanout.healthy for node in pair)

    await until(answers, within=5)
    set_node_timeout(servers, 1000)


async def test_a_hanging_server_affects_only_the_people_of_its_own_rooms(
    servers: ClusterTopology, pair: list[Node]
) -> None:
    a, b = pair
    leases = servers.owner(keys.nodes())
    hung, other = [server for server in servers.masters if server is not leases]
    hung_room, room = room_of_people(servers, hung), room_of_people(servers, other)
    await b.presence.enter(room, "on the other node")
    set_node_timeout(servers, 60_000)
    with frozen(hung):
        # In one batch. The count of the other node's people shows that the answer is that of Redis.
        _, census = await asyncio.gather(*(a.presence.enter(each, "here") for each in (hung_room, room)))
        assert (census.count, census.changed) == (2, True)
    await until(lambda: is_counted(b, hung_room, 1))
    set_node_timeout(servers, 1000)


def room_of_people(servers: ClusterTopology, server: Process) -> Room:
    """Return a room whose people this server counts."""
    rooms = (chat_room(f"p{number}") for number in itertools.count())
    return next(room for room in rooms if servers.owner(keys.presence(room)) is server)


async def is_counted(node: Node, room: Room, count: int) -> bool:
    return (await node.presence.census(room)).count == count


async def test_a_busy_event_loop_does_not_time_out_an_answered_call(servers: ClusterTopology, pair: list[Node]) -> None:
    """Redis has answered in time, and the busy event loop reads the answer late."""
    a, _ = pair
    server = servers.masters[0]
    key = key_on(servers, server)
    await a.redis.client.set(key, "here")

    async def read() -> Any:
        async with a.redis.guard("test"):
            return await a.redis.client.get(key)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)  # the command is sent
    time.sleep(1.5 * TIMEOUT)  # noqa: ASYNC251  blocks the event loop for longer than a call may take
    server.ask("PING")  # on a machine with more to do the server may answer only now
    assert await reading == "here"


async def test_a_replica_is_promoted_when_its_master_dies(servers: ClusterTopology, pair: list[Node]) -> None:
    a, b = pair
    dying = servers.masters[2]
    lost, kept = room_on(servers, dying), room_on(servers, servers.masters[0])
    await listen(pair, lost, kept)
    watched = keys.viewers_room(next(f"s{n}" for n in range(99) if servers.owner(f"stream:s{n}:viewers") is dying))
    await a.presence.enter(watched, "mina")
    await b.presence.enter(watched, "jun")
    flows = [MessageFlow(a, lost), MessageFlow(a, kept)]
    for flow in flows:
        await flow.arrives(b, within=2)
    dying.kill()
    started = time.monotonic()

    async def promoted() -> bool:
        await flows[1].arrives(b, within=2)  # rooms on the other servers are not affected
        return bool(servers.replica.ask("ROLE")[0] == "master")

    await until(promoted, within=10)
    print(f"promoted after {time.monotonic() - started:.2f} s, and", end=" ")
    print(f"flows again {await flows[0].arrives(b, within=5):.2f} s later")
    for flow in flows:
        await flow.end()

    async def counted() -> bool:
        counts = [(await node.presence.census(watched)).count for node in pair]
        return counts == [2, 2] and all(node.fanout.healthy and not node.degraded for node in pair)

    await until(counted, within=5)
