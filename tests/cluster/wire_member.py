"""A member of a chat room without a library: cheap, so that there can be many, and it can talk. Used by the ledger."""

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp

from tests.client.raw import PATH
from tests.cluster.members import ARRIVE, PAUSE
from tests.cluster.room_reader import RoomReader
from tests.cluster.shop import Person
from tests.timing import time_limit

ANSWER = 5.0  # s that a member waits for an answer before it asks again


class WireMember:
    """It loses connections, comes back on any node with what recovery wants (`pid`, `offset`), and joins with `since`
    when it was not recovered.
    """

    def __init__(self, http: aiohttp.ClientSession, where: Callable[[], str], person: Person, key: str) -> None:
        self._http = http
        self._where = where
        self._person = person
        self.key = key
        self.reading = RoomReader()
        self.warned = self.connects = self.recovered = 0
        self.wrongs: list[str] = []
        self.ready = asyncio.Event()  # it is in the room
        self.url = ""  # of its node
        self._pid: str | None = None
        self._offset: str | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._asked = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Come in; returns when it is in the room."""
        self._task = asyncio.create_task(self._stay(), name=f"member {self._person.username}")
        async with time_limit(ARRIVE):
            await self.ready.wait()

    async def stop(self) -> None:
        """Go."""
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def say(self, text: str, client_message_id: str) -> dict[str, Any]:
        """Send a message and give the ack. Raises ConnectionError when the connection was lost, or TimeoutError."""
        ask = {"liveId": self.key, "message": text, "clientMessageId": client_message_id}
        async with time_limit(ANSWER):
            await self.ready.wait()
            return await self._ask("chat:send-message", ask)

    def drop(self) -> None:
        """Lose the connection without a word."""
        if (transport := self.transport) is not None:
            transport.abort()

    @property
    def transport(self) -> asyncio.Transport | None:
        """Its connection, while there is one."""
        connection = None if self._socket is None else self._socket._response.connection
        return None if connection is None else connection.transport

    # --- the connection -----------------------------------------------------------------------------------------------

    async def _stay(self) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                self.url = self._where()
                async with self._http.ws_connect(f"{self.url}{PATH}websocket", max_msg_size=0) as self._socket:
                    await self._session(self._socket)
            self.ready.clear()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the connection was lost"))
            self._answers.clear()
            await asyncio.sleep(random.uniform(0.05, PAUSE))

    async def _session(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        auth = {"token": self._person.token}
        if self._pid is not None:
            auth |= {"pid": self._pid} | ({} if self._offset is None else {"offset": self._offset})
        await socket.send_str(f"40/chat,{json.dumps(auth)}")
        async for frame in socket:
            if frame.type is not aiohttp.WSMsgType.TEXT or frame.data == "1":
                return
            if frame.data == "2":
                await socket.send_str("3")
            elif not frame.data.startswith("0"):
                kind, _, rest = frame.data.partition("/chat,")
                await self._packet(kind, rest)

    async def _packet(self, kind: str, rest: str) -> None:
        match kind:
            case "42":
                self._event(*json.loads(rest))
            case "43":
                number, _, arguments = rest.partition("[")
                answer = self._answers.pop(int(number), None)
                if answer is not None and not answer.done():
                    answer.set_result(json.loads(f"[{arguments}")[0])
            case "40":
                await self._connected(json.loads(rest))
            case _:
                self.wrongs.append(kind + rest)

    async def _connected(self, answer: dict[str, Any]) -> None:
        self.connects += 1
        if answer["pid"] == self._pid:
            self.recovered += 1
        else:
            self._pid, self._offset = answer["pid"], None
            self.reading.cut()
        if self.reading.joining:
            await self._join()
        else:
            self.ready.set()

    async def _join(self) -> None:
        """Send CONNECT. The answer is handled where it arrives, because the events after it are for a member."""
        answer = await self._send("chat:join-room", {"liveId": self.key, **self.reading.since()})
        answer.add_done_callback(self._joined)

    def _joined(self, answer: asyncio.Future[dict[str, Any]]) -> None:
        if answer.exception() is not None:
            return
        ack = answer.result()
        if ack["ok"]:
            self.reading.joined(ack["data"])
            self.ready.set()
        elif ack["error"]["retryable"]:
            asyncio.get_running_loop().call_later(PAUSE, self.drop)
        else:
            self.wrongs.append(f"join: {ack['error']}")

    def _event(self, event: str, payload: Any, *rest: str) -> None:
        if rest:
            self._offset = rest[0]
        if event == "chat:message":
            self.reading.received(payload["data"])
        elif event == "server:shutdown":
            self.warned += 1
        elif event in ("error", "auth:revoked", "auth:expired"):
            self.wrongs.append(f"{event}: {payload}")

    async def _ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        return await (await self._send(event, payload))

    async def _send(self, event: str, payload: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        assert self._socket is not None
        self._asked += 1
        number, socket = self._asked, self._socket
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await socket.send_str(f"42/chat,{number}{json.dumps([event, payload])}")
        except OSError:
            # The connection is lost, and `_stay` will notice. Callers that try again at once must wait until then:
            # they never yield to the loop otherwise.
            self._answers.pop(number, None)
            if socket is self._socket:
                self.ready.clear()
            raise
        return answer
