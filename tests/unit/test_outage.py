"""What an outage says in the log: a line when it begins and one when it is over, however often it is met."""

import asyncio
import time
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from gateway.concurrency.outage import Outage
from gateway.errors import Unavailable
from gateway.security.sessions.guest_sessions import GuestSessions
from tests.timing import time_limit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, to be moved by hand."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_an_outage_is_logged_at_begin_and_end(clock: list[float]) -> None:
    door = Outage("the door is shut", "the door is open")
    with capture_logs() as logs:
        door.worked()
        for _ in range(5):
            door.failed(reason="Locked")
            clock[0] += 0.5
            door.worked()  # too early to call it over
        clock[0] += 1
        door.worked()
        door.worked()
    assert logs == [
        {"event": "the door is shut", "log_level": "warning", "reason": "Locked"},
        {"event": "the door is open", "log_level": "warning", "seconds": 3.5, "failures": 5},
    ]


def test_the_next_outage_is_logged_again(clock: list[float]) -> None:
    door = Outage("shut", "open")
    with capture_logs() as logs:
        for _ in range(2):
            door.failed()
            clock[0] += 1
            door.worked()
    assert [line["event"] for line in logs] == ["shut", "open"] * 2
    assert logs[-1]["failures"] == 1


class Stored:
    """Sessions that cannot be swept for a while."""

    def __init__(self, sweeps: list[Exception | None]) -> None:
        self._sweeps = sweeps
        self.done = asyncio.Event()

    async def delete_expired(self, _limit: int) -> None:
        if not self._sweeps:
            self.done.set()
        elif (error := self._sweeps.pop(0)) is not None:
            raise error

    @asynccontextmanager
    async def some_handed_over(self, _limit: int) -> Any:
        yield []


async def test_the_sweep_of_guest_sessions_logs_once_per_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Stored([Unavailable("database"), KeyError("x"), KeyError("x"), None])
    double, unused = cast("Any", stored), cast("Any", None)
    with capture_logs() as logs:
        sessions = GuestSessions(unused, double, unused, sweep=0.001)
        monkeypatch.setattr(sessions._outage, "_quiet", 0.0)
        sessions.start()
        async with time_limit():
            await stored.done.wait()
        await sessions.close()
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("the sessions of guests cannot be moved", "warning"),
        ("the sessions of guests can be moved again", "warning"),
    ]
