"""Standings of many people share one statement, and each gets their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.errors import NotFound, Unavailable
from gateway.protocol.payloads.chat import RoomSettings
from gateway.services.chat.standing import Standings
from tests.doubles import principal, stand_in

JOINERS = 50


class FakeDatabase:
    """Answers for every room but `nowhere`; counts statements."""

    def __init__(self) -> None:
        self.statements = 0
        self.available = True

    @asynccontextmanager
    async def guard(self, _call: str) -> AsyncIterator[None]:
        if not self.available:
            raise Unavailable("database")
        yield

    async def query(self, _statement: str, rooms: list[str], _people: list[str], _roles: list[str]) -> list[Any]:
        self.statements += 1
        await asyncio.sleep(0)
        settings = {"slow_mode_seconds": 0, "frozen": False, "guests_allowed": True}
        state = {"hosting": False, "refusal": None, "until": None}
        return [
            {"ordinal": ordinal, **settings, **state, "slow_mode_seconds": int(room)}
            for ordinal, room in reversed(list(enumerate(rooms, 1)))
            if room != "nowhere"
        ]


async def test_joins_at_the_same_time_share_one_statement() -> None:
    database = FakeDatabase()
    standings = Standings(stand_in(database))
    asks = (standings.read(principal(), f"{room}") for room in range(JOINERS))
    settings = [RoomSettings(slow_mode_seconds=room, frozen=False, guests_allowed=True) for room in range(JOINERS)]
    assert [found.settings for found in await asyncio.gather(*asks)] == settings
    assert database.statements == 1
    await standings.close()


async def test_an_unknown_room_is_not_found_by_its_joiner_alone() -> None:
    standings = Standings(stand_in(FakeDatabase()))
    known, unknown = await asyncio.gather(
        standings.read(principal(), "1"), standings.read(principal(), "nowhere"), return_exceptions=True
    )
    assert not isinstance(known, BaseException)
    assert isinstance(unknown, NotFound)
    assert await standings.rights([("nowhere", principal())]) == [None]
    await standings.close()


async def test_without_a_database_all_are_told_so() -> None:
    database = FakeDatabase()
    database.available = False
    standings = Standings(stand_in(database))
    with pytest.raises(Unavailable):
        await standings.read(principal(), "1")
    await standings.close()
    with pytest.raises(Unavailable):
        await standings.read(principal(), "1")
