"""Whether the servers behind a node answer: what is known of them between two probes."""

import pytest

from gateway.concurrency.availability import Availability
from tests.timing import until


class Server:
    """Answers probes, or does not."""

    def __init__(self) -> None:
        self.answers = True
        self.error: Exception | None = None
        self.probes = 0

    async def probe(self) -> bool:
        self.probes += 1
        if self.error is not None:
            raise self.error
        return self.answers


@pytest.mark.parametrize("away", [0, 1])
async def test_one_server_that_is_away_is_noticed_and_its_return_too(away: int) -> None:
    servers = [Server(), Server()]
    servers[away].answers = False
    availability = Availability({str(number): server.probe for number, server in enumerate(servers)}, pause=0.01)
    await availability.start()
    assert not availability.complete
    servers[away].answers = True
    await until(lambda: availability.complete)
    servers[away].error = RuntimeError("boom")
    await until(lambda: not availability.complete)
    servers[away].error = None
    await until(lambda: availability.complete)
    await availability.close()
