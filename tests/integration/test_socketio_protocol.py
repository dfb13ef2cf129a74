"""The Socket.IO v5 protocol: the 32 cases of its public test suite, as ours, against our engine, rooms and server.

The suite misses packets that come in one segment with another; this reader queues them. Two cases send attachments,
which the gateway refuses by contract: here they are refused cleanly. One expects a refusal without `data`: ours has it.
"""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.realtime.engineio.server import EngineOptions
from tests.integration.engineio_echo import Echo, Poller, close_code, hello, websocket
from tests.integration.socketio_echo import EchoCluster, EchoNamespace, RawClient, echo_cluster
from tests.timing import PATIENCE, allowed, scaled, until

INTERVAL, TIMEOUT = scaled(0.3), scaled(0.2)  # the suite's own
OPTIONS = EngineOptions(ping_interval=INTERVAL, ping_timeout=TIMEOUT, connect_timeout=5, max_packet_size=1_000_000)
HELLO = {"pingInterval": round(1000 * INTERVAL), "pingTimeout": round(1000 * TIMEOUT), "maxPayload": 1_000_000}


@pytest.fixture(scope="module")
async def birds() -> AsyncIterator[EchoCluster]:
    """Return a server with a short ping interval and the namespaces of the suite."""
    async with echo_cluster(OPTIONS, {"/": EchoNamespace(), "/custom": EchoNamespace()}) as running:
        yield running


@pytest.fixture
def echo(birds: EchoCluster) -> Echo:
    """Its engine."""
    return birds.echo


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def talker(echo: Echo, http: aiohttp.ClientSession) -> AsyncIterator[RawClient]:
    """Return a client with a websocket, in no namespace yet."""
    async with websocket(http, echo) as socket:
        yield await RawClient(socket).greeted()


@pytest.fixture
async def member(echo: Echo, http: aiohttp.ClientSession) -> AsyncIterator[RawClient]:
    """Return a client in `/`."""
    async with websocket(http, echo) as socket:
        yield await RawClient(socket).joined()


# --- Engine.IO: handshake -------------------------------------------------------------------------------------------


async def test_polling_opens_a_session(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    assert isinstance(session.hello.pop("sid"), str)
    assert session.hello == {"upgrades": ["websocket"]} | HELLO


async def test_websocket_opens_a_session(echo: Echo, http: aiohttp.ClientSession) -> None:
    async with websocket(http, echo) as socket:
        value = await hello(socket)
    assert isinstance(value.pop("sid"), str)
    assert value == {"upgrades": []} | HELLO


@pytest.mark.parametrize("version", ["", "EIO=abc&"])
async def test_polling_refuses_a_wrong_version(echo: Echo, http: aiohttp.ClientSession, version: str) -> None:
    async with http.get(f"{echo.url}/socket.io/?{version}transport=polling") as response:
        assert response.status == 400


@pytest.mark.parametrize("transport", ["", "&transport=abc"])
async def test_polling_refuses_a_wrong_transport(echo: Echo, http: aiohttp.ClientSession, transport: str) -> None:
    async with http.get(f"{echo.url}/socket.io/?EIO=4{transport}") as response:
        assert response.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_polling_refuses_a_wrong_method(echo: Echo, http: aiohttp.ClientSession, method: str) -> None:
    async with http.request(method, f"{echo.url}/socket.io/?EIO=4&transport=polling") as response:
        assert response.status == 400


@pytest.mark.parametrize("version", ["", "EIO=abc&"])
async def test_websocket_refuses_a_wrong_version(echo: Echo, http: aiohttp.ClientSession, version: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect(f"{echo.url}/socket.io/?{version}transport=websocket")


@pytest.mark.parametrize("transport", ["", "&transport=abc"])
async def test_websocket_refuses_a_wrong_transport(echo: Echo, http: aiohttp.ClientSession, transport: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await http.ws_connect(f"{echo.url}/socket.io/?EIO=4{transport}")


# --- Engine.IO: heartbeat -------------------------------------------------------------------------------------------


async def test_polling_is_pinged(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    for _ in range(3):
        assert await session.get() == (200, "2")
        assert (await session.post("3"))[0] == 200


async def test_polling_closes_without_a_pong(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    await until(lambda: session.sid not in echo.engine.connections, what="the end of the session")
    assert (await session.get())[0] == 400


async def test_websocket_is_pinged(talker: RawClient) -> None:
    for _ in range(3):
        assert await talker.socket.receive_str(timeout=allowed(PATIENCE)) == "2"
        await talker.say("3")


async def test_websocket_closes_without_a_pong(talker: RawClient) -> None:
    await close_code(talker.socket)


# --- Engine.IO: close -----------------------------------------------------------------------------------------------


async def test_polling_client_closes(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    poll = asyncio.create_task(session.get())
    await echo.until_polled(session.sid)
    assert (await session.post("1"))[0] == 200
    assert await poll == (200, "6")
    assert (await session.get())[0] == 400


async def test_websocket_client_closes(talker: RawClient) -> None:
    await talker.say("1")
    assert await close_code(talker.socket) == 1000


# --- Engine.IO: upgrade ---------------------------------------------------------------------------------------------


async def test_polling_is_upgraded(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        talker = RawClient(socket)
        await talker.say("2probe")
        assert await talker.receive() == "3probe"
        await talker.say("5", "40")
        assert (await talker.receive()).startswith("40{")


async def test_polling_is_over_after_the_upgrade(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await RawClient(socket).say("2probe", "5")
        assert await socket.receive_str() == "3probe"
        assert (await session.get())[0] == 400


async def test_a_second_websocket_is_closed_after_the_upgrade(echo: Echo, http: aiohttp.ClientSession) -> None:
    session = await Poller(http, echo).open()
    async with websocket(http, echo, session.sid) as socket:
        await RawClient(socket).say("2probe", "5")
        async with websocket(http, echo, session.sid) as second:
            assert await close_code(second) == 1008


# --- connect --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "payload", "auth"),
    [("", "", "{}"), ("", '{"token":"123"}', '{"token":"123"}'), ("/custom,", "", "{}"),
     ("/custom,", '{"token":"abc"}', '{"token":"abc"}')],
)  # fmt: skip
async def test_connect_to_a_namespace(talker: RawClient, address: str, payload: str, auth: str) -> None:
    await talker.say(f"40{address}{payload}")
    packet = await talker.receive()
    assert packet.startswith(f"40{address}{{")
    handshake = json.loads(packet.removeprefix(f"40{address}"))
    assert handshake.keys() == {"sid"}
    assert isinstance(handshake["sid"], str)
    assert await talker.receive() == f'42{address}["auth",{auth}]'


async def test_an_unknown_namespace_is_refused(talker: RawClient) -> None:
    """With `data`, as every refusal of ours; the suite expects the message alone."""
    await talker.say("40/random")
    packet = await talker.receive()
    assert packet.startswith("44/random,")
    assert json.loads(packet.removeprefix("44/random,")) == {
        "message": "Invalid namespace",
        "data": {"code": "NOT_FOUND", "retryable": False},
    }


async def test_an_invalid_handshake_closes(talker: RawClient) -> None:
    await talker.say("4abc")
    assert await close_code(talker.socket) == 1000


async def test_no_handshake_at_all_closes(http: aiohttp.ClientSession) -> None:
    patient = EngineOptions(connect_timeout=0.2)  # with the long ping interval of the defaults
    async with echo_cluster(patient, {"/": EchoNamespace()}) as birds, websocket(http, birds.echo) as socket:
        await hello(socket)
        assert await close_code(socket) == 1000
        assert birds.echo.counted("connect timeout") == 1


# --- disconnect -----------------------------------------------------------------------------------------------------


async def test_leaving_the_main_namespace_keeps_the_connection(member: RawClient) -> None:
    await member.say("41")
    assert await member.socket.receive_str(timeout=allowed(PATIENCE)) == "2"
    await member.say("3", "40")
    assert (await member.receive()).startswith("40{")


async def test_leaving_another_namespace_keeps_the_main_one(member: RawClient) -> None:
    await member.say("40/custom")
    assert (await member.receive()).startswith("40/custom,{")
    assert await member.receive() == '42/custom,["auth",{}]'
    await member.say("41/custom", '42["message","message to main namespace"]')
    assert await member.receive() == '42["message-back","message to main namespace"]'


async def test_a_client_without_namespaces_may_join_again_in_time(http: aiohttp.ClientSession) -> None:
    """Not in the suite: a connection without a namespace is closed after the connect time-out."""
    async with (
        echo_cluster(EngineOptions(connect_timeout=scaled(0.3)), {"/": EchoNamespace()}) as birds,
        websocket(http, birds.echo) as back,
        websocket(http, birds.echo) as gone,
    ):
        talkers = [await RawClient(socket).joined() for socket in (back, gone)]
        await asyncio.sleep(scaled(0.35))  # the time-out of the handshake is over, that of the next join has not begun
        for talker in talkers:
            await talker.say("41")
        await talkers[0].say("40")
        assert await close_code(gone) == 1000
        assert birds.echo.counted("connect timeout") == 1
        assert len(list(birds.rooms.sockets())) == len(birds.echo.engine.connections) == 1


# --- message --------------------------------------------------------------------------------------------------------


async def test_a_message_is_received_and_answered(member: RawClient) -> None:
    await member.say('42["message",1,"2",{"3":[true]}]')
    assert await member.receive() == '42["message-back",1,"2",{"3":[true]}]'


async def test_a_message_gets_its_ack(member: RawClient) -> None:
    await member.say('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert await member.receive() == '43456[1,"2",{"3":[false]}]'


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        ('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', 1000),
        ('452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', 1000),
        (b"\x01\x02\x03", 1003),
    ],
)
async def test_a_message_with_attachments_closes(member: RawClient, packet: str | bytes, code: int) -> None:
    """The suite expects them back; the gateway's contract has no event that takes any."""
    await member.say(packet)
    assert await close_code(member.socket) == code


@pytest.mark.parametrize("packet", ["4abc", "42{}", '42abc["message-with-ack",1,"2",{"3":[false]}]'])
async def test_malformed_packets_close_the_connection(member: RawClient, packet: str) -> None:
    await member.say(packet)
    assert await close_code(member.socket) == 1000
