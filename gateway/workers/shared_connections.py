"""TCP connections of a worker; any request on them may be for another worker. Created by the shared listener."""

import asyncio
from typing import Any

from aiohttp import StreamReader, web

from gateway.http.connection import HttpConnection
from gateway.realtime.engineio.front import Front, Gate, HttpFactory
from gateway.workers.handover import HandOver, Verdict, release


class SharedFront(Front):
    """A front that hands the connection over if its first request is for another worker."""

    __slots__ = ("_handover", "_mine")

    def __init__(self, gate: Gate, http: HttpFactory, fronts: set[Front], handover: HandOver) -> None:
        super().__init__(gate, http, fronts)
        self._handover = handover
        self._mine = False

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        transport = self._transport
        if not self._mine and transport is not None:
            head = self._head + data
            verdict = self._handover.locate(head, transport)
            if verdict is Verdict.UNKNOWN:
                self._head = head
                return
            if verdict is Verdict.GONE:
                self._leave()
                release(transport)
                return
            self._mine = True
        super().data_received(data)

    def adopted(self, transport: asyncio.Transport, head: bytes) -> None:
        """Continue a connection that another worker has handed over; without a `head` it is idle and kept alive."""
        self._mine = True  # the worker that handed it over has chosen this one
        if head:
            self.data_received(head)
        elif self._transport is not None:
            self._give_to_http(transport)

    def refuse(self, transport: asyncio.Transport, head: bytes) -> None:
        """Hand the connection to another worker if one accepts connections, else close it: this worker has stopped."""
        head += self._head
        self._leave()
        self._handover.pass_on(head, transport.get_extra_info("socket").fileno())
        release(transport)


class SharedHttpConnection(HttpConnection):
    """A connection of aiohttp that is handed over between two requests if the next one is for another worker.

    Proxies send requests of all sessions on the connections that they keep open.
    """

    def __init__(self, manager: web.Server, *arguments: Any, handover: HandOver, **options: Any) -> None:
        super().__init__(manager, *arguments, **options)
        self._handover = handover
        self._answered = 0
        self._body: StreamReader | None = None  # of the last request; its client may still be sending it
        self._line = b""  # the incomplete request line, not passed to aiohttp yet

    @property
    def idle(self) -> bool:
        """Whether every request was answered, and no other has begun."""
        transport = self.transport
        return (
            not self._line
            and self._head_timer is None
            and self._answered == self._request_count
            and (self._body is None or self._body.is_eof())
            and not (transport is None or transport.is_closing())
            and not transport.get_write_buffer_size()
        )

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        transport = self.transport
        if transport is not None and (self._line or self.idle):
            data = self._line + data
            verdict = self._handover.locate(data, transport)
            if verdict is Verdict.UNKNOWN:
                self._line = data
                self._await_head()
                return
            self._line = b""
            if verdict is Verdict.GONE:
                self._leave(transport)
                return
        super().data_received(data)

    def pass_on(self) -> None:
        """Hand this connection to another worker, if it is idle and one accepts connections: this worker ends."""
        transport = self.transport
        if transport is None or not self.idle:
            return
        if self._handover.pass_on(b"", transport.get_extra_info("socket").fileno()):
            self._leave(transport)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """See HttpConnection."""
        finished = await super().finish_response(request, resp, start_time)
        self._answered += 1
        self._body = request.content
        return finished

    def _leave(self, transport: asyncio.Transport) -> None:
        if self._task_handler is not None:
            self._task_handler.cancel()
        self.transport = None  # so that aiohttp regards the connection as lost, and does not close it
        self.connection_lost(None)
        release(transport)
