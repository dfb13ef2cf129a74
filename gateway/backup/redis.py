"""Saves and restores sessions, devices and revocations in Redis. Called by create and restore.

Values are stored as JSON by type, not as Redis' own dumps, which another version of Redis or Valkey may refuse. Keys
are listed by SCAN, so that clusters and managed servers can be backed up like a single server.
"""

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import keys
from gateway.redis.client import RedisClient

BATCH = 500  # keys in one round trip
FILE = "redis.jsonl.gz"
# The command that reads a value of each type.
_READ: dict[str, tuple[Any, ...]] = {
    "string": ("GET",),
    "hash": ("HGETALL",),
    "list": ("LRANGE", 0, -1),
    "set": ("SMEMBERS",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
}


class Entry(NamedTuple):
    """One key."""

    key: str
    type: str
    value: Any  # str; {field: value}; [element]; for a sorted set [member, score, member, score]
    expires_at: int  # ms since 1970; -1: never


async def save(redis: RedisClient, file: Path, done: Callable[[int], None]) -> int:
    """Write the keys of KEPT_KEYS to a file; return their number. Call `done` with the number so far.

    Raises Unavailable.
    """
    count = 0
    with gzip.open(file, "wt", encoding="utf-8") as output:
        async for batch in _scan(redis, keys.KEPT_KEYS):
            for entry in await _read(redis, batch):
                output.write(json.dumps(entry, ensure_ascii=False) + "\n")
                count += 1
            done(count)
    file.chmod(0o600)
    return count


def load(file: Path) -> list[Entry]:
    """Read the entries of a file."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [Entry(*json.loads(line)) for line in lines]


async def put(redis: RedisClient, entries: Iterable[Entry], now_ms: int) -> int:
    """Write the entries that have not expired and whose keys do not exist; return their number. Raises Unavailable."""
    alive = [entry for entry in entries if entry.expires_at == -1 or entry.expires_at > now_ms]
    count = 0
    for start in range(0, len(alive), BATCH):
        some = alive[start : start + BATCH]
        async with redis.guard("backup"):
            pipeline = redis.client.pipeline(transaction=False)
            for entry in some:
                pipeline.exists(entry.key)
            taken = await pipeline.execute()
        free = [entry for entry, exists in zip(some, taken, strict=True) if not exists]
        async with redis.guard("backup"):
            pipeline = redis.client.pipeline(transaction=False)
            for entry in free:
                pipeline.execute_command(*_write(entry))
                if entry.expires_at != -1:
                    pipeline.execute_command("PEXPIREAT", entry.key, entry.expires_at)
            await pipeline.execute()
        count += len(free)
    return count


async def holds_sessions(redis: RedisClient) -> bool:
    """Return whether Redis has any session, and so has not lost its data. Raises Unavailable."""
    async for _ in _scan(redis, ("dorami:session:*",)):
        return True
    return False


async def forget_stale(redis: RedisClient) -> int:
    """Delete the keys of STALE_KEYS, which are wrong after a restore; return their number. Raises Unavailable."""
    count = 0
    async for batch in _scan(redis, keys.STALE_KEYS):
        async with redis.guard("backup"):
            pipeline = redis.client.pipeline(transaction=False)
            for key in batch:
                pipeline.unlink(key)
            count += sum(await pipeline.execute())
    return count


async def _scan(redis: RedisClient, patterns: Iterable[str]) -> AsyncIterator[list[str]]:
    """Yield the keys of these patterns in batches, each key at least once."""

    async def server(client: Redis) -> list[list[str]]:
        return [client]  # type: ignore[list-item]

    clients = [redis.client] if redis.cluster is None else [c for [c] in await redis.cluster.each(server)]
    for client in clients:
        for pattern in patterns:
            cursor: Any = 0
            while True:
                async with redis.guard("backup"):
                    cursor, batch = await client.scan(cursor, match=pattern, count=BATCH)
                if batch:
                    yield list(dict.fromkeys(map(str, batch)))
                if not int(cursor):
                    break


async def _read(redis: RedisClient, batch: list[str]) -> list[Entry]:
    """Read keys; omit those that have expired in between."""
    async with redis.guard("backup"):
        pipeline = redis.client.pipeline(transaction=False)
        for key in batch:
            pipeline.type(key)
            pipeline.execute_command("PEXPIRETIME", key)
        facts = await pipeline.execute()
    known = [(key, kind, expiry) for key, kind, expiry in zip(batch, facts[::2], facts[1::2], strict=True)]
    known = [(key, kind, expiry) for key, kind, expiry in known if kind in _READ and expiry != -2]
    async with redis.guard("backup"):
        pipeline = redis.client.pipeline(transaction=False)
        for key, kind, _ in known:
            command, *rest = _READ[kind]
            pipeline.execute_command(command, key, *rest)
        values = await pipeline.execute()
    entries = []
    for (key, kind, expiry), value in zip(known, values, strict=True):
        if value in (None, [], {}, set()):
            continue
        entries.append(Entry(key, kind, sorted(value) if isinstance(value, set) else value, int(expiry)))
    return entries


def _write(entry: Entry) -> tuple[Any, ...]:
    match entry.type:
        case "string":
            return ("SET", entry.key, entry.value)
        case "hash":
            return ("HSET", entry.key, *(part for pair in entry.value.items() for part in pair))
        case "list":
            return ("RPUSH", entry.key, *entry.value)
        case "set":
            return ("SADD", entry.key, *entry.value)
        case "zset":
            pairs = zip(entry.value[1::2], entry.value[::2], strict=True)
            return ("ZADD", entry.key, *(part for pair in pairs for part in pair))
    raise ValueError(entry.type)
