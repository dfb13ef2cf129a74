"""Measures messages of one room from many nodes, whose chat services run in one process. Started by bench/run.py.

A writer is the part of a node between a checked message and its ack: the chat service with its batches, a connection to
PostgreSQL, and its own connections to Redis. Sockets, limits and members do not depend on the number of nodes and are
left out. So this measures the limit of one room, not of one node.
"""

import argparse
import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psutil
import uvloop

from bench.growth_data import TEXTS
from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import SendMessage
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.socketio.rooms import Rooms
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.services.chat.chat import Chat
from gateway.services.chat.messages import Messages
from gateway.services.rooms.log import RoomLog
from gateway.settings import Settings, load

ROOM = "s1"
NONE = cast("Any", None)  # joins are not measured


class AllWords:
    """A word filter without listed words."""

    def check(self, _live_id: str, text: str) -> str:
        """See the chat service's Words."""
        return text


class Writers:
    """The chat services of all writers, and the results of their messages."""

    def __init__(self, chats: list[Chat], people: list[Principal]) -> None:
        self._chats = chats
        self._people = people
        self.times: list[float] = []  # s from sending to the ack
        self.refused = 0
        self.measuring = False

    async def write(self, ahead: int, warm_up: float, seconds: float) -> float:
        """Keep `ahead` messages of each writer in flight; return the measured time in s."""
        ends = time.monotonic() + warm_up + seconds
        numbers = itertools.count()
        async with asyncio.TaskGroup() as tasks:
            for number, chat in enumerate(self._chats):
                for sender in range(ahead):
                    person = self._people[(number * ahead + sender) % len(self._people)]
                    tasks.create_task(self._send(chat, person, numbers, ends))
            await asyncio.sleep(warm_up)
            self.measuring = True
            begun = time.monotonic()
        return time.monotonic() - begun

    async def _send(self, chat: Chat, sender: Principal, numbers: Iterator[int], ends: float) -> None:
        while (begun := time.monotonic()) < ends:
            number = next(numbers)
            text = f"{TEXTS[number % len(TEXTS)]} {number}"
            ask = SendMessage.model_validate({"liveId": ROOM, "message": text, "clientMessageId": f"t{number}"})
            try:
                await chat.send(sender, ask)
            except GatewayError:
                self.refused += self.measuring
                await asyncio.sleep(0.1)
            else:
                if self.measuring:
                    self.times.append(time.monotonic() - begun)


async def _people(database: Database, count: int) -> list[Principal]:
    rows = await database.query("SELECT id::text, username FROM users WHERE role = 'USER' LIMIT $1", count)
    moment = datetime.now(UTC)
    ends = moment + timedelta(hours=1)
    return [Principal(row["id"], row["username"], Role.USER, "session", moment, ends) for row in rows]


async def _chat(settings: Settings, database: Database, number: int, stack: AsyncExitStack) -> Chat:
    metrics = Metrics()
    redis = RedisClient(settings, metrics)
    stack.push_async_callback(redis.close)
    log, rooms = RoomLog(database), Rooms(metrics)
    fanout = RedisFanout(redis, rooms, f"writer-{number}", metrics, log)
    rooms.watched_by(fanout)
    await fanout.start()
    stack.push_async_callback(fanout.close)
    chat = Chat(database, log, Messages(database), NONE, NONE, AllWords(), fanout)
    stack.push_async_callback(chat.close)
    return chat


def _cpu(pid: int) -> float:
    """Return the CPU time of a process and its children, in s."""
    parent = psutil.Process(pid)
    return float(sum(parent.cpu_times()[:4])) + sum(sum(child.cpu_times()[:2]) for child in parent.children())


async def measure(writers: int, ahead: int, warm_up: float, seconds: float, pids: dict[str, int]) -> dict[str, Any]:
    """Send messages and return the measurement."""
    settings = load(database_pool_size=writers, redis_pool_size=4, database_timeout="10s")
    async with AsyncExitStack() as stack:
        database = Database(settings, Metrics())  # shared: each writer has one statement at a time
        await database.open()
        stack.push_async_callback(database.close)
        people = await _people(database, writers * ahead)
        run = Writers([await _chat(settings, database, number, stack) for number in range(writers)], people)
        before = {name: _cpu(pid) for name, pid in pids.items()} | {"own": time.process_time()}
        took = await run.write(ahead, warm_up, seconds)
        after = {name: _cpu(pid) for name, pid in pids.items()} | {"own": time.process_time()}
    times = sorted(run.times)
    each = {name: (after[name] - before[name]) * 1e6 * took / (took + warm_up) / len(times) for name in after}
    return {
        "messages_per_s": len(times) / took,
        "ack_p50_us": times[len(times) // 2] * 1e6,
        "ack_p99_us": times[int(len(times) * 0.99)] * 1e6,
        "refused": run.refused,
        "cpu_us": [each["own"]],
        "redis_us": each["redis"],
        "postgres_us": each["postgres"],
    }


def main() -> None:
    """Print the measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=40)
    parser.add_argument("--ahead", type=int, default=8, help="messages of each writer on their way (%(default)s)")
    parser.add_argument("-t", "--seconds", type=float, default=4.0)
    parser.add_argument("-W", "--warm-up", type=float, default=1.0)
    options = parser.parse_args()
    pids = {"redis": int(os.environ["REDIS_PID"]), "postgres": int(os.environ["POSTGRES_PID"])}
    found = uvloop.run(measure(options.writers, options.ahead, options.warm_up, options.seconds, pids))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
