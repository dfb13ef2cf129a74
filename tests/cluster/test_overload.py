"""Clients that do not read, and clients that send more than they may. `LEDGER_SECONDS=60` makes it longer."""

import asyncio
import socket
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import chain
from time import monotonic

import aiohttp
import psutil

from tests.client.socket import ClientSocket
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.ledger import LONG, Size, open_ledger
from tests.cluster.wire_member import WireMember
from tests.timing import allowed, until

# --- clients that do not read -----------------------------------------------------------------------------------------

SLOW = 50 if LONG else 10
LOUD = Size(listeners=5, officials=2, speakers=20, rate=600 if LONG else 300, length=490)
MESSAGES = 50_000 if LONG else 2_000
GROWTH = 60e6  # bytes that a node may grow by
DELAY = 3  # s, of the setting MAX_SEND_DELAY


def small_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket with a small receive buffer."""
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return made


async def blindly_pong(member: WireMember) -> None:
    """Answer pings without reading them."""
    while (transport := member.transport) is not None and not transport.is_closing():
        transport.write(b"\x81\x81\x00\x00\x00\x003")
        await asyncio.sleep(0.5)


def open_connections(nodes: list[psutil.Process]) -> int:
    """Return the number of client connections of the nodes; connections to servers are not TCP."""
    return sum(len(node.net_connections("tcp")) for node in nodes)


async def closed_as_slow(cluster: FaultyCluster) -> int:
    """Return the number of connections that the nodes have dropped because their clients did not read."""
    total = 0
    async with aiohttp.ClientSession() as http:
        for node in cluster.nodes:
            async with http.get(f"{node.url}/metrics") as response:
                for line in (await response.text()).splitlines():
                    if line.startswith('dorami_connections_closed_total{reason="slow client"}'):
                        total += int(float(line.rpartition(" ")[2]))
    return total


async def test_slow_readers_are_dropped_and_others_are_unaffected(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with (
        open_faulty_cluster(MAX_SEND_DELAY=f"{DELAY}s") as cluster,
        open_ledger(cluster, LOUD) as ledger,
        AsyncExitStack() as stack,
    ):
        processes = [psutil.Process(node.pid) for node in cluster.nodes]
        before = [process.memory_info().rss for process in processes]
        connections = open_connections(processes)
        connector = aiohttp.TCPConnector(limit=0, socket_factory=small_socket)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        slow: list[WireMember] = []
        for number in range(SLOW):
            member = WireMember(http, cluster.somewhere, await cluster.shop.person(), ledger.rooms[0])
            await member.start()
            slow.append(member)
            stack.push_async_callback(member.stop)
            assert member.transport is not None
            member.transport.pause_reading()
            if number % 2:
                pongs = asyncio.create_task(blindly_pong(member))
                stack.callback(pongs.cancel)
        begun, dropped, most = monotonic(), 0, list(before)
        while len(ledger.sent) < MESSAGES or dropped < SLOW:
            if dropped < SLOW and (dropped := await closed_as_slow(cluster)) == SLOW:
                print(f"all dropped after {monotonic() - begun:.1f} s and {len(ledger.sent)} messages")
            most = [max(pair) for pair in zip(most, (process.memory_info().rss for process in processes), strict=True)]
            await asyncio.sleep(0.2)
        await ledger.close()
        growth = [after - was for after, was in zip(most, before, strict=True)]
        print(f"grew by {[f'{grown / 1e6:.1f} MB' for grown in growth]}, p99 {ledger.latency(0.99) * 1000:.0f} ms")
        assert max(growth) < GROWTH
        assert ledger.latency(0.99) < allowed(2.0)  # 250 ms on a machine that is not busy with other tests
        assert all(member.connects == 1 for member in ledger.members)
        for member in slow:
            await member.stop()  # some have noticed, and come back
        await until(lambda: open_connections(processes) <= connections, within=10)


# --- a client that sends too much -------------------------------------------------------------------------------------

WINDOW = 10.0 if LONG else 2.0  # s
LIMIT = 20
SKEW = WINDOW / 2  # s that a message's charge and its time stamp may differ by, on a busy machine


async def test_every_window_has_exactly_the_limit(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster(CHAT_RATE_LIMIT=f"{LIMIT}/{WINDOW:.0f} seconds") as cluster:
        key, ann = await cluster.shop.stream(), await cluster.shop.person()
        sockets = [await cluster.shop.chatter(key, as_=ann, node=number % 2) for number in range(6)]
        ends = asyncio.get_running_loop().time() + 3.5 * WINDOW

        async def hammer(ears: ClientSocket) -> list[float]:
            accepted = []
            while asyncio.get_running_loop().time() < ends:
                ack = await ears.ask("chat:send-message", {"liveId": key, "message": "x"})
                if ack["ok"]:
                    accepted.append(datetime.fromisoformat(ack["data"]["timestamp"]).timestamp())
                else:
                    assert ack["error"]["code"] == "RATE_LIMIT_EXCEEDED"
                await asyncio.sleep(0.03)
            return accepted

        moments = sorted(chain.from_iterable(await asyncio.gather(*map(hammer, sockets))))
        assert len(moments) == 4 * LIMIT  # as many as fit in, and no more
        for first, last in zip(moments, moments[LIMIT:], strict=False):
            assert last - first > WINDOW - SKEW
