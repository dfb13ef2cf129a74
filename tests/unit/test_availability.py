"""What a node knows of its servers between two probes."""

import pytest

from gateway.concurrency.availability import Availability, Hearing, ServerStatus
from tests.timing import until


class Server:
    """Answers probes, or does not."""

    def __init__(self) -> None:
        self.status: ServerStatus = "up"
        self.error: Exception | None = None
        self.probes = 0

    async def probe(self) -> ServerStatus:
        self.probes += 1
        if self.error is not None:
            raise self.error
        return self.status


@pytest.mark.parametrize("away", [0, 1])
async def test_the_outage_and_return_of_one_server_are_noticed(away: int) -> None:
    servers = [Server(), Server()]
    servers[away].status = "down"
    availability = Availability({str(number): server.probe for number, server in enumerate(servers)}, pause=0.01)
    await availability.start()
    assert not availability.complete
    assert [availability.status(name) for name in "01"].index("down") == away
    servers[away].status = "full"
    await until(lambda: availability.complete)
    assert availability.status(str(away)) == "full"
    servers[away].error = RuntimeError("boom")
    await until(lambda: not availability.complete)
    servers[away].error = None
    await until(lambda: availability.complete)
    await availability.close()


async def test_the_age_of_the_oldest_unanswered_call() -> None:
    server = Server()
    availability = Availability({"one": server.probe}, pause=0.01)
    assert availability.hearing("one") == Hearing()
    await availability.start()
    received = availability.hearing("one").answered
    assert received is not None
    server.status = "down"
    missing = await until(lambda: availability.hearing("one").missing)
    assert missing > received
    asked = server.probes
    await until(lambda: server.probes > asked + 2)
    now = availability.hearing("one")
    assert now.missing == missing
    assert now.answered is not None
    assert received <= now.answered < missing
    server.status = "up"
    await until(lambda: availability.hearing("one").missing is None)
    answered = availability.hearing("one").answered
    assert answered is not None
    assert answered > missing
    await availability.close()


def test_the_worse_of_two_connections_counts() -> None:
    assert Hearing(5.0).both(Hearing(4.0)) == Hearing(4.0)
    assert Hearing(5.0, 6.0).both(Hearing(4.0)) == Hearing(4.0, 6.0)
    assert Hearing(5.0, 6.0).both(Hearing(None, 5.5)) == Hearing(None, 5.5)
