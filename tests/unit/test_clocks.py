"""The clocks of the servers, as a node carries them on, and what a node whose own clock is wrong says of it."""

import pytest
from structlog.testing import capture_logs

from gateway.clocks import LIMIT, ClockSync, ServerClock
from gateway.errors import Unavailable
from gateway.metrics import Metrics


class Machine:
    """A machine and a server, whose clocks go as the test says. `way`: s that a question and its answer take each."""

    def __init__(self, ahead: float = 0.0, way: float = 0.001) -> None:
        self.moment = 1_800_000_000.0
        self.ahead = ahead
        self.way = way
        self.away = False

    def monotonic(self) -> float:
        return self.moment - 1_799_000_000

    def wall(self) -> float:
        return self.moment + self.ahead

    async def ask(self) -> float:
        if self.away:
            raise Unavailable("database")
        self.moment += self.way
        answer = self.moment
        self.moment += self.way
        return answer


def clock(machine: Machine) -> ServerClock:
    return ServerClock(machine.wall, machine.monotonic, machine.wall)


@pytest.mark.parametrize("ahead", [-600, -5, 0, 5, 600])
async def test_time_follows_the_clock_of_the_server(ahead: float) -> None:
    machine = Machine(ahead)
    server = clock(machine)
    assert (server.time(), server.offset) == (machine.wall(), None)
    await server.measure(machine.ask)
    assert server.time() == pytest.approx(machine.moment, abs=1e-6)
    assert server.offset == pytest.approx(ahead, abs=1e-6)
    machine.moment += 1
    machine.ahead += 3  # somebody sets it
    assert server.time() == pytest.approx(machine.moment, abs=1e-6)
    assert server.offset == pytest.approx(ahead + 3, abs=1e-6)


async def test_a_slow_answer_does_not_replace_a_precise_one() -> None:
    machine = Machine()
    server = clock(machine)
    await server.measure(machine.ask)

    async def slow() -> float:
        answer = await machine.ask()
        machine.moment += 0.5
        return answer

    await server.measure(slow)
    assert server.time() == pytest.approx(machine.moment, abs=0.001)


async def test_a_changed_server_clock_is_followed() -> None:
    machine = Machine()
    server = clock(machine)
    await server.measure(machine.ask)

    async def ask() -> float:
        return await machine.ask() + 7

    await server.measure(ask)
    assert server.time() == pytest.approx(machine.moment + 7, abs=0.01)


def sync(database: Machine, redis: Machine, metrics: Metrics) -> ClockSync:
    return ClockSync(
        {"database": database.ask, "redis": redis.ask}, metrics, {"database": clock(database), "redis": clock(redis)}
    )


async def test_a_wrong_clock_is_logged_once_and_measured() -> None:
    database, redis, metrics = Machine(LIMIT + 1), Machine(LIMIT + 1), Metrics()
    clocks = sync(database, redis, metrics)
    with capture_logs() as logs:
        await clocks.measure()
        await clocks.measure()
    assert not clocks.right
    assert [(line["event"], line["log_level"]) for line in logs] == [("the clock of this machine is wrong", "warning")]
    value = metrics.registry.get_sample_value("dorami_clock_offset_seconds", {"server": "database"})
    assert value == pytest.approx(LIMIT + 1, abs=0.01)
    database.ahead = redis.ahead = 0
    with capture_logs() as logs:
        await clocks.measure()
    assert [line["event"] for line in logs] == ["the clock of this machine is right again"]


async def test_one_wrong_server_clock_is_no_warning() -> None:
    clocks = sync(Machine(0), Machine(600), Metrics())
    await clocks.measure()
    assert clocks.right


async def test_an_unavailable_server_keeps_its_measurement() -> None:
    database, redis = Machine(600), Machine(600)
    database.away = True
    clocks = sync(database, redis, Metrics())
    await clocks.measure()
    assert not clocks.right
    redis.away = True
    await clocks.measure()
    assert not clocks.right
