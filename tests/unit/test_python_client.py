"""clients/python without a gateway."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from dorami_client.client import Dorami

from tests.timing import scaled


class AnswersWhileCancelled:
    """A connection that answers a request and cancels who asks in the same step of the event loop."""

    def __init__(self) -> None:
        self.asks: asyncio.Task[Any] | None = None

    async def emit(self, event: str, request: object, *, namespace: str, callback: Callable[[Any], None]) -> None:
        def together() -> None:
            callback({"ok": True, "data": {}, "ts": 0})
            assert self.asks is not None
            self.asks.cancel()

        asyncio.get_running_loop().call_soon(together)


async def test_a_request_that_is_cancelled_while_its_answer_comes_ends() -> None:
    dorami = Dorami("http://localhost", cast("Any", None))
    connection = AnswersWhileCancelled()
    dorami._client = cast("Any", connection)
    connection.asks = asyncio.create_task(dorami.ask("/chat", "chat:send-message", {}, within=scaled(5)))
    with pytest.raises(asyncio.CancelledError):
        await connection.asks
    assert dorami._requests == set()
