"""One client for a whole Redis Cluster: each command goes to the server of its key. Made by client.py."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import redis.asyncio
from redis.asyncio.client import Pipeline
from redis.exceptions import (
    AskError,
    ConnectionError,  # noqa: A004
    MovedError,
    TryAgainError,
)

from gateway.redis.cluster import Cluster, slot
from gateway.redis.scripts import Script, raise_first, run_missing
from gateway.redis.url import Address

REDIRECTIONS = 5
NAP = 0.05  # s before a command is repeated whose keys are being moved to another server
KEYLESS = frozenset({"KEYS", "SCAN", "PUBLISH", "DBSIZE", "FLUSHALL", "FLUSHDB", "INFO", "TIME"})

Command = tuple[Any, ...]


class ClusterClient(redis.asyncio.Redis):
    """Sends each command to the server of its key, which is its first argument, or a script's first key.

    Keys that one command or script touches have one hash tag. Pipelines may go to several servers, without a
    transaction. Commands without a key are refused except PING, which goes to all servers.
    """

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(connection_pool=cluster.pool)
        self._cluster = cluster

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """See redis-py."""
        if args[0] == "PING":
            return await self._cluster.ping()
        slot = slot_of(args)
        for _ in range(REDIRECTIONS):
            address = await self._cluster.owner(slot)
            try:
                return await self._cluster.call(
                    address,
                    lambda client: client.execute_command(*args, **options),  # type: ignore[no-untyped-call]
                )
            except MovedError as error:
                self._cluster.moved(slot, Address(error.host or address.host, error.port))
            except AskError as error:  # only this time: the key is being moved there
                target = Address(error.host or address.host, error.port)
                return await self._cluster.call(target, lambda client: _asking(client, args, options))
            except TryAgainError:
                await asyncio.sleep(NAP)
        raise ConnectionError("too many redirections between the servers of the cluster")

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "ClusterPipeline":
        """See redis-py; never a transaction."""
        if transaction or shard_hint:
            raise ValueError("there is no transaction over several commands in a cluster: write a script")
        return ClusterPipeline(self, self._cluster)

    def register_script(self, script: Any) -> Script:  # type: ignore[override]
        """See redis-py. The script is sent to a server that lacks it, not to all servers: some may be unavailable."""
        return Script(self, script)


class ClusterPipeline(Pipeline):
    """Makes one round trip to each server of the commands, concurrently."""

    def __init__(self, client: ClusterClient, cluster: Cluster) -> None:
        super().__init__(cluster.pool, client.response_callbacks, transaction=False, shard_hint=None)
        self._client = client
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """See redis-py. Commands that are redirected, or whose script is missing, are repeated one by one.

        If a server does not answer, its commands have the ConnectionError as result.
        """
        stack: list[Any] = self.command_stack
        scripts = {script.sha: script.script for script in self.scripts}
        await self.reset()  # type: ignore[no-untyped-call]
        servers: dict[Address, list[int]] = {}
        for number, (command, _) in enumerate(stack):
            servers.setdefault(await self._cluster.owner(slot_of(command)), []).append(number)
        answers = await asyncio.gather(
            *(self._send(address, [stack[number] for number in numbers]) for address, numbers in servers.items())
        )
        results: list[Any] = [None] * len(stack)
        for numbers, answer in zip(servers.values(), answers, strict=True):
            for number, result in zip(numbers, answer, strict=True):
                results[number] = result
        for number, (command, options) in enumerate(stack):
            if isinstance(results[number], AskError | TryAgainError):  # a MovedError is an AskError
                results[number] = await self._client.execute_command(*command, **options)
        await run_missing(self._client, scripts, stack, results)
        if raise_on_error:
            raise_first(results)
        return results

    async def _send(self, address: Address, commands: list[Any]) -> list[Any]:
        def use(client: redis.asyncio.Redis) -> Awaitable[Any]:
            pipeline = client.pipeline(transaction=False)
            for command, options in commands:
                pipeline.execute_command(*command, **options)
            return pipeline.execute(raise_on_error=False)

        try:
            results: list[Any] = await self._cluster.call(address, use)
        except ConnectionError as error:
            return [error] * len(commands)
        return results


def slot_of(command: Command) -> int:
    """Return the slot of a command's key. Raises ValueError for one without a key."""
    name = command[0]
    script = name in ("EVAL", "EVALSHA")
    position = 3 if script else 1
    if name in KEYLESS or " " in name or len(command) <= position or (script and not command[2]):
        raise ValueError(f"{name} has no key that selects a server of the cluster")
    return slot(command[position])


async def _asking(client: redis.asyncio.Redis, command: Command, options: dict[str, Any]) -> Any:
    pipeline = client.pipeline(transaction=False)
    pipeline.execute_command("ASKING")
    pipeline.execute_command(*command, **options)
    return (await pipeline.execute())[1]
