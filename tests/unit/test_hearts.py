"""Hearts: added up by stream and broadcast together, and nothing runs while nobody sends any."""

import asyncio

import pytest

from gateway.keys import viewers_room
from gateway.protocol.payloads.streaming import HeartsSent, SendHearts
from gateway.security.principal import Role
from gateway.services.streams import hearts
from gateway.services.streams.hearts import Hearts
from tests.doubles import Recorder, principal
from tests.timing import until


async def test_hearts_of_a_while_are_one_event_for_each_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearts, "EVERY", 0.01)
    received = Recorder()
    sent = Hearts(received)
    who = principal(Role.GUEST)
    for key, count in (("demo", 3), ("other", 1), ("demo", 2)):
        answer = await sent.send(who, SendHearts.model_validate({"streamKey": key, "count": count}))
        assert answer == HeartsSent(stream_key=key)
    assert received.events == []
    await until(lambda: len(received.events) == 2)
    assert [(room, payload["data"]["count"]) for room, _, payload in received.events] == [
        (viewers_room("demo"), 5),
        (viewers_room("other"), 1),
    ]
    await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "hearts"])
    await sent.send(who, SendHearts.model_validate({"streamKey": "demo"}))
    await until(lambda: len(received.events) == 3)
    await sent.close()
    await Hearts(received).close()
