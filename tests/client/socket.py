"""One socket of the official JavaScript client in the words of the tests: call, expect, refute."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from tests.timing import PATIENCE, time_limit

if TYPE_CHECKING:
    from tests.client.client import Client


T = TypeVar("T")


class Recorder(NamedTuple):
    """One event as the client received it; `payload` is its only argument (None without one) but for the offset."""

    event: str
    payload: Any
    offset: str | None = None  # of a logged event: its last argument


class RefusedError(Exception):
    """The server refused the connection: what the client's `connect_error` held."""

    def __init__(self, message: str, data: Any) -> None:
        super().__init__(f"{message} {data}")
        self.message = message
        self.data = data


class FailedError(Exception):
    """The ack said `ok: false`."""

    def __init__(self, event: str, ack: dict[str, Any]) -> None:
        super().__init__(f"{event}: {ack}")
        self.ack = ack
        self.error: dict[str, Any] = ack["error"]
        self.code: str = ack["error"]["code"]


class ClientSocket:
    """One socket of the official client, with a mailbox of the received events that no test has read yet."""

    def __init__(self, client: "Client", name: str) -> None:
        self._client = client
        self._news = asyncio.Event()
        self.name = name
        self.id: str | None = None
        self.pid: str | None = None
        self.recovered = False
        self.transport: str | None = None
        self.reason: str | None = None
        self.mailbox: list[Recorder] = []
        self.lifecycle: list[dict[str, Any]] = []
        self.listener: Callable[[dict[str, Any]], None] | None = None  # gets every event instead of the mailbox

    def __repr__(self) -> str:
        return f"<ClientSocket {self.name}>"

    # --- requests --------------------------------------------------------------------------------------------------

    async def ask(self, event: str, *args: Any, within: float = PATIENCE) -> dict[str, Any]:
        """Emit with an ack and give the whole ack, whatever it says. It must have exactly one argument."""
        return await self._client.ask("call", within, name=self.name, args=[event, *args])

    async def call(self, event: str, payload: Any = None) -> Any:
        """Emit with an ack, which must be good, and give its `data`. Raises FailedError."""
        ack = await self.ask(event, {} if payload is None else payload)
        if not ack["ok"]:
            raise FailedError(event, ack)
        assert set(ack) == {"ok", "data", "ts"}, ack
        assert isinstance(ack["ts"], int)
        return ack["data"]

    async def fail(self, event: str, *args: Any) -> dict[str, Any]:
        """Emit with an ack, which must be bad and have the contract's shape, and give its `error`."""
        ack = await self.ask(event, *args)
        assert ack.get("ok") is False, ack
        return proper_failure(ack)

    def emit(self, event: str, *args: Any) -> None:
        """Emit without asking for an ack."""
        self._client.tell("emit", name=self.name, args=[event, *args])

    def emit_bytes(self, event: str, size: int) -> None:
        """Emit `size` bytes, which no event takes."""
        self._client.tell("emitBytes", name=self.name, event=event, size=size)

    # --- received events -------------------------------------------------------------------------------------------

    async def expect(
        self, event: str, match: Callable[[Any], bool] | None = None, *, within: float = PATIENCE, **data: Any
    ) -> Any:
        """Wait for an event and give its payload, taking it out of the mailbox.

        With keywords only an event whose `data` (or itself, without a `data`) holds these values counts.
        """

        def wanted(received: Recorder) -> bool:
            if received.event != event or (match is not None and not match(received.payload)):
                return False
            return _holds(received.payload, data)

        def take() -> Recorder | None:
            for place, received in enumerate(self.mailbox):
                if wanted(received):
                    return self.mailbox.pop(place)
            return None

        received = await self._until(take, within, f"{event} {data or ''}")
        return received.payload

    def refute(self, event: str, **data: Any) -> None:
        """Assert that no such event was received. Call it after a fence: an event that must arrive later."""
        found = self.take(event, **data)
        assert not found, f"{self} heard {event} {found}"

    def take(self, event: str, **data: Any) -> list[Any]:
        """Remove such events from the mailbox and return their payloads, in order."""
        found = [received for received in self.mailbox if received.event == event and _holds(received.payload, data)]
        self.mailbox = [received for received in self.mailbox if received not in found]
        return [received.payload for received in found]

    async def expect_all(self, event: str, count: int, *, within: float = PATIENCE) -> list[Any]:
        """Wait until `count` events of this name were received and return their payloads in order."""

        def ready() -> bool | None:
            return sum(received.event == event for received in self.mailbox) >= count or None

        await self._until(ready, within, f"{count} × {event}")
        return self.take(event)

    # --- life ------------------------------------------------------------------------------------------------------

    async def expect_life(self, word: str, *, within: float = PATIENCE) -> dict[str, Any]:
        """Wait for `connect`, `connect_error`, `disconnect`, `upgrade` or `closed` (the transport is gone)."""

        def take() -> dict[str, Any] | None:
            for place, moment in enumerate(self.lifecycle):
                if moment["lifecycle"] == word:
                    return self.lifecycle.pop(place)
            return None

        return await self._until(take, within, word)

    async def connected(self, *, within: float = PATIENCE) -> Self:
        """Wait for the connection. Raises RefusedError."""

        def settled() -> dict[str, Any] | None:
            words = ("connect", "connect_error")
            return next((moment for moment in self.lifecycle if moment["lifecycle"] in words), None)

        moment = await self._until(settled, within, "connect")
        self.lifecycle.remove(moment)
        if moment["lifecycle"] == "connect_error":
            raise RefusedError(moment["message"], moment["data"])
        self.id, self.pid, self.recovered = moment["id"], moment["pid"], moment["recovered"]
        self.transport = moment["transport"]
        return self

    async def ended(self, *, within: float = PATIENCE) -> str:
        """Wait for the disconnection and give the client's reason."""
        moment = await self.expect_life("disconnect", within=within)
        reason: str = moment["reason"]
        return reason

    async def disconnect(self) -> None:
        """Leave the namespace politely."""
        self._client.tell("disconnect", name=self.name)
        await self.ended()

    async def drop(self) -> None:
        """Lose the network without a word."""
        self._client.tell("drop", name=self.name)
        await self.ended()

    async def reconnect(self, auth: dict[str, Any] | None = None, url: str | None = None) -> Self:
        """Connect again after an end, to another node if one is given."""
        self._client.tell("connect", name=self.name, auth=auth, url=url)
        return await self.connected()

    def received(self, line: dict[str, Any]) -> None:
        """Handle a line of the driver about this socket. Called by the client."""
        if self.listener is not None:
            self.listener(line)
        elif "event" in line:
            args = line["args"]
            assert len(args) <= 1 or (len(args) == 2 and isinstance(args[1], str)), f"{line['event']} came with {args}"
            self.mailbox.append(Recorder(line["event"], *(args or [None])))
        else:
            self.lifecycle.append(line)
        self._news.set()

    async def _until(self, found: Callable[[], T | None], within: float, what: str) -> T:
        try:
            async with time_limit(within):
                while (result := found()) is None:
                    self._news.clear()
                    await self._news.wait()
                return result
        except TimeoutError:
            received = [(received.event, received.payload) for received in self.mailbox] + self.lifecycle
            raise AssertionError(f"{self} waited {within} s for {what}; it has heard {received}") from None


def proper_failure(ack: dict[str, Any]) -> dict[str, Any]:
    """Check that a bad ack has the contract's shape and give its `error`."""
    assert set(ack) == {"ok", "error", "requestId", "ts"}, ack
    error: dict[str, Any] = ack["error"]
    assert {"code", "message", "retryable"} <= set(error), ack
    assert set(error) <= {"code", "message", "retryable", "retryAfterMs", "details"}, ack
    assert isinstance(error["message"], str)
    assert error["message"]
    return error


def _holds(payload: Any, wanted: dict[str, Any]) -> bool:
    if not wanted:
        return True
    if not isinstance(payload, dict):
        return False
    inner = payload["data"] if isinstance(payload.get("data"), dict) else payload
    return all(inner.get(key) == value for key, value in wanted.items())
