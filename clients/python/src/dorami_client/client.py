"""The connection, which reconnects by itself, and rooms, whose events arrive in order, each once."""

import asyncio
import itertools
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, Self, cast

import socketio

from dorami_client.errors import DoramiError, passing
from dorami_client.protocol import Cursor, HistoryPage, Reported, Sent

log = logging.getLogger("dorami_client")

Status = Literal["idle", "connecting", "connected", "recovering", "refused"]
Listener = Callable[[Any], object]
NAMESPACES = ("/", "/chat", "/streaming")
OF_TOKEN = ("TOKEN_EXPIRED", "TOKEN_REVOKED", "AUTH_REQUIRED")  # refusals after which another token may be accepted
TOKENS = 2  # fresh tokens that may be refused in a row
PAGE = 100  # messages in a page of the history
SAMPLED = 5.0  # s after `chat:sampled` in which missing places are expected


def backoff(tries: int, asked: float | None = None) -> float:
    """Return the s to wait after try number `tries`, from 0; at least the `asked` s of the gateway."""
    spread = random.random()  # noqa: S311  so that clients do not all reconnect at once
    return max((asked or 0) * (1 + spread / 4), min(5.0, 0.5 * 2.0**tries) * (0.5 + spread))


class Dorami:
    """The gateway for one user. A context manager, within which it is connected or reconnects.

    `token` is an access token, or a coroutine function that returns one, such as `Session.token`. Its argument `fresh`
    is True if the last token was refused or is about to expire.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[bool], Awaitable[str]],
        *,
        namespaces: Sequence[str] = NAMESPACES,
        transports: Sequence[str] = ("websocket",),
        answer_within: float = 10.0,
    ) -> None:
        self.status: Status = "idle"
        self.error: DoramiError | None = None
        self._url, self._token, self._namespaces = url, token, list(namespaces)
        self._transports, self._answer_within = list(transports), answer_within
        self._rooms: dict[tuple[str, str], Room] = {}
        self._listeners: list[Callable[[Status, DoramiError | None], object]] = []
        self._client: socketio.AsyncClient | None = None  # while it is connected
        self._requests: set[asyncio.Future[Any]] = set()
        self._changed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._fresh = False
        self._farewell: dict[str, Any] = {}  # the last event before the gateway ended the connection

    # --- for applications ---------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, and reconnect until `close`. Returns when connected. Raises DoramiError if refused."""
        if self._runner is None:
            self._show("connecting")
            self._runner = asyncio.create_task(self._run(), name="dorami client")
        while self.status in ("connecting", "recovering"):
            self._changed.clear()
            await self._changed.wait()
        if self.status == "refused" and self.error is not None:
            raise self.error

    async def close(self) -> None:
        """Disconnect. Pending requests and messages fail with CLOSED."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
            self._end("idle", DoramiError("CLOSED"))
            self.error = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def on_status(self, listener: Callable[[Status, DoramiError | None], object]) -> None:
        """Call `listener` with each new status, and with the error unless it is connected."""
        self._listeners.append(listener)

    def chat(self, live_id: str) -> "Chat":
        """Return the chat of a stream, the same object at each call."""
        return cast("Chat", self._room("/chat", f"live:{live_id}", lambda: Chat(self, live_id)))

    def products(self, stream_id: str) -> "Room":
        """Return the products of a stream, the same object at each call."""
        return self._room(
            "/",
            f"stream:{stream_id}",
            lambda: Room(self, "/", "stream:", "streamId", stream_id, "join:stream", "leave:stream"),
        )

    def viewers(self, stream_key: str) -> "Room":
        """Return the viewers of a stream, the same object at each call. Joining counts as watching."""
        events = "stream:viewer:join", "stream:viewer:leave"
        return self._room(
            "/streaming",
            f"stream:{stream_key}",
            lambda: Room(self, "/streaming", "stream:", "streamKey", stream_key, *events),
        )

    async def ask(self, namespace: str, event: str, request: dict[str, Any], *, within: float | None = None) -> Any:
        """Send a request and return the `data` of its ack. Raises DoramiError."""
        return (await self._request(namespace, event, request, within or self._answer_within))["data"]

    async def _request(self, namespace: str, event: str, request: dict[str, Any], within: float) -> Any:
        client = self._client
        if client is None:
            raise passing("OFFLINE")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._requests.add(answer)

        def answered(ack: Any) -> None:
            if not answer.done():
                answer.set_result(ack)

        try:
            with suppress(socketio.exceptions.SocketIOError):  # the end of the connection sets `answer`
                await client.emit(event, request, namespace=namespace, callback=answered)
            async with asyncio.timeout(within):
                ack = await answer
        except TimeoutError:
            raise passing("NO_ANSWER") from None
        finally:
            self._requests.discard(answer)
        if not ack["ok"]:
            error = dict(ack["error"])
            raise DoramiError(error.pop("code"), error.pop("message"), requestId=ack["requestId"], **error)
        return ack

    async def wake(self) -> None:
        """Check the connection, when the network may have changed; reconnect if there is no answer within 4 s."""
        client = self._client
        try:
            await self.ask(self._namespaces[0], "auth:refresh", {"token": "-"}, within=4)
        except DoramiError as error:
            if error.code == "NO_ANSWER" and client is not None:
                await self._abandon(client)

    # --- the connection -----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        failures = refusals = 0
        while True:
            self._farewell = {}
            try:
                await self._stay(connected := asyncio.Event())
                error = passing("NETWORK", "The connection was lost")
            except DoramiError as caught:
                error = caught
            except Exception as caught:
                error = passing("NETWORK", repr(caught))
            finally:
                self._gone(passing("NO_ANSWER"))
            if connected.is_set():
                failures = refusals = 0
            if self._farewell:
                error = DoramiError(**{"message": "The gateway ended the connection", **self._farewell})
            pause = backoff(failures, error.retry_after)
            if (
                self._farewell.get("reconnect", True)
                and error.code in OF_TOKEN
                and callable(self._token)
                and refusals < TOKENS
            ):
                self._fresh, pause, refusals = True, pause if refusals else 0, refusals + 1
            elif not self._farewell.get("reconnect", error.retryable):
                self._end("refused", error)
                return
            self._show("connecting" if self.status == "connecting" else "recovering", error)
            failures += 1
            await asyncio.sleep(pause)

    async def _stay(self, connected: asyncio.Event) -> None:
        """Connect, and return when the connection has ended. Raises DoramiError if refused."""
        token = await self._get_token(self._fresh)
        refusals: list[DoramiError] = []
        over = asyncio.Event()
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)

        def refused(refusal: Any) -> None:
            if isinstance(refusal, dict) and "code" in (data := refusal.get("data") or {}):
                refusals.append(DoramiError(**{"message": refusal["message"], **data}))

        for namespace in self._namespaces:
            client.on("*", self._handler(namespace), namespace=namespace)
            client.on("connect_error", refused, namespace=namespace)
            client.on("disconnect", lambda *_: over.set(), namespace=namespace)
        auth = {"token": token, "offset": False}
        try:
            try:
                await client.connect(
                    self._url,
                    auth=auth,
                    namespaces=self._namespaces,
                    transports=self._transports,
                    wait_timeout=self._answer_within,
                )
            except socketio.exceptions.ConnectionError as error:
                raise (refusals[0] if refusals else passing("NETWORK", str(error))) from None
            self._client = client
            connected.set()
            self._show("connected")
            for room in self._rooms.values():
                room.up()
            ends = [asyncio.ensure_future(client.eio.wait()), asyncio.ensure_future(over.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
        finally:
            self._client = None
            await self._abandon(client)

    async def _abandon(self, client: socketio.AsyncClient) -> None:
        with suppress(Exception):
            async with asyncio.timeout(1):
                await client.eio.disconnect(abort=True)

    def _handler(self, namespace: str) -> Callable[[str, Any], None]:
        def handle(event: str, payload: Any) -> None:
            data = payload.get("data") or payload
            if "serverTime" in data:
                self._renew_in(_seconds(data["serverTime"], data["expiresAt"]))
            elif event == "auth:expiring":
                self._renew_in(0)
            elif "reconnect" in payload:
                self._farewell = payload
            for (of, _), room in self._rooms.items():
                if of == namespace:
                    room.take(event, payload)

        return handle

    def _renew_in(self, left: float) -> None:
        """Renew the token before it expires in `left` s."""
        if self._renewal is not None:
            self._renewal.cancel()
        if callable(self._token):
            self._renewal = asyncio.create_task(
                self._renew(max(1.0, left - 60 if left > 120 else left / 2) if left else 0)
            )

    async def _renew(self, pause: float) -> None:
        await asyncio.sleep(pause)
        try:
            token = await self._get_token(fresh=True)
            ack = await self._request(self._namespaces[0], "auth:refresh", {"token": token}, self._answer_within)
            left = datetime.fromisoformat(ack["data"]["expiresAt"]).timestamp() - ack["ts"] / 1000
        except DoramiError as error:
            left = 20.0 if error.retryable else 0.0  # else the gateway ends the sockets at the expiry
        self._renewal = None
        if left:
            self._renew_in(left)

    async def _get_token(self, fresh: bool) -> str:
        if isinstance(self._token, str):
            return self._token
        token = await self._token(fresh)
        self._fresh = False
        return token

    def _gone(self, error: DoramiError) -> None:
        for request in self._requests:
            if not request.done():
                request.set_exception(error)
        for room in self._rooms.values():
            room.down()

    def _end(self, status: Status, error: DoramiError) -> None:
        self._runner = None
        if self._renewal is not None:
            self._renewal.cancel()
        self._gone(error)
        for room in self._rooms.values():
            room.give_up(error)
        self._show(status, error)

    def _show(self, status: Status, error: DoramiError | None = None) -> None:
        before = self.error.code if self.error else None
        if (status, error.code if error else None) != (self.status, before):
            self.status, self.error = status, error
            self._changed.set()
            for listener in self._listeners:
                _call(listener, status, error)

    def _room(self, namespace: str, name: str, make: Callable[[], "Room"]) -> "Room":
        if (namespace, name) not in self._rooms:
            self._rooms[namespace, name] = make()
        return self._rooms[namespace, name]


class Room:
    """A room: its events arrive in order, each once, also after lost connections."""

    def __init__(
        self, dorami: Dorami, namespace: str, prefix: str, field: str, key: str, join: str, leave: str
    ) -> None:
        self.cursor: Cursor | None = None  # the place up to which all events were received; may be set before `join`
        self.answer: Any = None  # the answer to the last join
        self._dorami, self._namespace, self._name = dorami, namespace, prefix + key
        self._field, self._key, self._join, self._leave = field, key, join, leave
        self._listeners: dict[str, list[Listener]] = {}
        self._held: list[tuple[str, Any]] = []
        self._wanted = self._inside = False
        self._sampled = 0.0  # until when missing places are expected
        self._joined: asyncio.Future[Any] | None = None
        self._joining: asyncio.Task[None] | None = None

    def on(self, event: str, listener: Listener) -> None:
        """Call `listener` with the `data` of an event, or with the payload if it has no `data`."""
        self._listeners.setdefault(event, []).append(listener)

    async def join(self) -> Any:
        """Be in the room until `leave`, also after lost connections; return the ack. Raises DoramiError if refused."""
        if not self._wanted or self._joined is None:
            self._wanted = True
            self._joined = asyncio.get_running_loop().create_future()
            self.up()
        return await asyncio.shield(self._joined)

    async def leave(self) -> None:
        """Leave the room."""
        self._wanted, self.cursor = False, None
        self.down()
        with suppress(DoramiError):  # without a connection the client is in no room
            await self._dorami.ask(self._namespace, self._leave, {self._field: self._key})

    def up(self) -> None:
        """Join after a connect, or to fill a gap."""
        if self._wanted and self._dorami.status == "connected":
            self.down()
            self._joining = asyncio.create_task(self._enter())

    def down(self) -> None:
        """Handle the loss of the connection."""
        self._inside = False
        self._held.clear()
        if self._joining is not None:
            self._joining.cancel()

    def give_up(self, error: DoramiError) -> None:
        """Fail pending calls: the client does not reconnect."""
        self._wanted = False
        if self._joined is not None and not self._joined.done():
            self._joined.set_exception(error)
            self._joined.exception()  # marks it as retrieved, in case no caller waits

    async def _enter(self) -> None:
        for tries in itertools.count():
            try:
                since = self.cursor
                answer = await self._dorami.ask(
                    self._namespace, self._join, {self._field: self._key} | ({"since": since} if since else {})
                )
                missed = answer["events"] if answer["recovered"] else await self._missed(answer, since)
                break
            except DoramiError as error:
                if not error.retryable:
                    self.give_up(error)
                    return
                await asyncio.sleep(backoff(tries, error.retry_after))
        self.answer = answer
        for each in missed:
            self._apply(each["event"], each["payload"], each["seq"])
        self.cursor, self._inside = answer["cursor"], True
        if self._joined is not None and not self._joined.done():
            self._joined.set_result(answer)
        held, self._held = self._held, []
        for event, payload in held:
            self.take(event, payload)

    async def _missed(self, _answer: Any, _since: Cursor | None) -> list[Any]:
        """Return the missed events since a cursor that the answer to a join does not recover."""
        return []

    def take(self, event: str, payload: Any) -> None:
        """Handle an event of the namespace; ignore those of other rooms."""
        data = payload.get("data") or payload
        named = next((data[name] for name in ("liveId", "streamKey", "streamId") if data.get(name)), self._key)
        if not self._wanted or (payload["room"] != self._name if "room" in payload else named != self._key):
            return
        if not self._inside:
            self._held.append((event, payload))
        elif "room" not in payload or self.cursor is None:
            self._call(event, data)
        elif payload["epoch"] == self.cursor["epoch"] and (
            payload["seq"] <= self.cursor["seq"] + 1 or time.monotonic() < self._sampled
        ):
            self._apply(event, payload, payload["seq"])
        else:
            self.up()  # events before it are missing, or the log is another one; the answer includes this event, too
        if event == "chat:sampled":
            self._sampled = time.monotonic() + SAMPLED

    def _apply(self, event: str, payload: Any, seq: int) -> None:
        if self.cursor is None or seq > self.cursor["seq"]:
            if self.cursor is not None:
                self.cursor = {"epoch": self.cursor["epoch"], "seq": seq}
            self._call(event, payload.get("data") or payload)

    def _call(self, event: str, data: Any) -> None:
        for listener in self._listeners.get(event, ()):
            _call(listener, data)


class Chat(Room):
    """The chat of a stream."""

    CATCH_UP = 3000  # missed messages that are read at most

    def __init__(self, dorami: Dorami, live_id: str) -> None:
        super().__init__(dorami, "/chat", "live:", "liveId", live_id, "chat:join-room", "chat:leave-room")
        self.gap: tuple[int, int] | None = None  # places of missed messages that were not read: they were too many
        self._sending = asyncio.Lock()

    async def send(self, message: str, *, client_message_id: str | None = None) -> Sent:
        """Send a message and return when it is stored; repeat it after lost connections.

        Messages are stored in the order of the calls. Raises DoramiError if it is refused or `close` is called.
        """
        name = client_message_id or secrets.token_hex(12)
        async with self._sending:
            for tries in itertools.count():
                try:
                    await self.join()
                    request = {"liveId": self._key, "message": message, "clientMessageId": name}
                    sent: Sent = await self._dorami.ask("/chat", "chat:send-message", request)
                except DoramiError as error:
                    if self._dorami.status in ("idle", "refused"):
                        raise
                    if error.code == "NOT_IN_ROOM":
                        if self._inside:
                            self.up()
                    elif not error.retryable:
                        raise
                    await asyncio.sleep(backoff(min(tries, 2), error.retry_after))
                else:
                    return sent
        raise AssertionError

    async def history(self, before: str | None = None, limit: int = PAGE) -> HistoryPage:
        """Return a page of messages before an id, or the newest ones. Raises DoramiError."""
        request: dict[str, Any] = {"liveId": self._key, "limit": limit} | ({"before": before} if before else {})
        page: HistoryPage = await self._dorami.ask("/chat", "chat:history", request)
        return page

    async def report(self, message_id: str, reason: str, note: str | None = None) -> Reported:
        """Report a message to the staff of the room; a second report changes nothing. Raises DoramiError."""
        request: dict[str, Any] = {"liveId": self._key, "messageId": message_id, "reason": reason}
        reported: Reported = await self._dorami.ask("/chat", "chat:report", request | ({"note": note} if note else {}))
        return reported

    async def _missed(self, answer: Any, since: Cursor | None) -> list[Any]:
        messages: list[Any] = list(answer["history"])
        if since is None or since["epoch"] != answer["cursor"]["epoch"]:
            return []
        before = messages[0]["id"] if messages else None
        self.gap = None
        while before and messages[0]["seq"] > since["seq"] + 1 and len(messages) < self.CATCH_UP:
            page = await self.history(before)
            messages[:0] = page["messages"]
            before = page["nextBefore"]
        if before and messages[0]["seq"] > since["seq"] + 1:
            self.gap = since["seq"] + 1, messages[0]["seq"] - 1
        events = {True: "chat:announcement", False: "chat:message"}
        return [{"event": events["kind" in each], "payload": {"data": each}, "seq": each["seq"]} for each in messages]


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _call(listener: Callable[..., object], *args: Any) -> None:
    try:
        listener(*args)
    except Exception:
        log.exception("a listener failed")
