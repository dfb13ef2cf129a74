"""Answers of any length over HTTP: complete, cut off when they fail, and stopped when the client has gone."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from structlog.testing import capture_logs

from gateway.errors import Unavailable
from gateway.http.lines import CHUNK
from gateway.http.routes import Call, Lines, Route
from gateway.protocol.wire import Payload
from tests.http_edge import edge
from tests.timing import time_limit

MANY = 4 * CHUNK // 100  # lines, of more than 100 bytes each


class Line(Payload):
    """One of many."""

    number: int
    text: str = "x" * 100


class Source:
    """Makes lines, until it fails."""

    def __init__(self, fails_at: int | None = None, error: Exception | None = None) -> None:
        self._fails_at, self._error = fails_at, error
        self.made = 0
        self.ended = asyncio.Event()

    async def lines(self, _call: Call[None, None]) -> Lines:
        return Lines(self._all(), "all.jsonl")

    async def _all(self) -> AsyncIterator[Line]:
        try:
            while self.made < MANY or self._fails_at is not None:
                if self.made == self._fails_at and self._error is not None:
                    raise self._error
                self.made += 1
                yield Line(number=self.made)
                await asyncio.sleep(0)
        finally:
            self.ended.set()

    def route(self) -> Route:
        return Route("GET", "/lines", self.lines, lines=Line)


async def test_a_complete_export_ends_cleanly() -> None:
    source = Source()
    async with edge([source.route()]) as client, client.get("/lines") as response:
        assert response.content_type == "application/x-ndjson"
        assert response.headers["Content-Disposition"] == 'attachment; filename="all.jsonl"'
        assert response.headers["Cache-Control"] == "no-store"
        lines = (await response.text()).splitlines()
    assert [Line.model_validate_json(line).number for line in lines] == list(range(1, MANY + 1))


@pytest.mark.parametrize("error", [Unavailable("database"), RuntimeError("a mistake of ours")], ids=["away", "mistake"])
@pytest.mark.parametrize("made", [0, MANY // 2])
async def test_a_failed_export_is_aborted(made: int, error: Exception) -> None:
    source = Source(made, error)
    with capture_logs() as logs:
        async with edge([source.route()]) as client:
            with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
                await (await client.get("/lines")).read()
    assert source.ended.is_set()
    result = [entry["event"] for entry in logs if entry["log_level"] in ("warning", "error")]
    assert result == ["an export was aborted" if isinstance(error, Unavailable) else "a request failed"]


async def test_an_export_stops_when_the_client_leaves() -> None:
    source = Source(fails_at=-1)  # it never ends by itself
    async with edge([source.route()]) as client:
        async with client.get("/lines") as response:
            await response.content.readline()
            response.close()
        async with time_limit(5):
            await source.ended.wait()
