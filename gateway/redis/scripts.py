"""Lua scripts, and a client whose pipelines run them without losing a connection. Used by the Redis client."""

import asyncio
import time
from functools import cache
from importlib import resources
from typing import Any

import redis.asyncio
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.connection import HiredisRespSerializer
from redis.exceptions import NoScriptError, RedisError

from gateway.redis.primary import NotPrimaryError

RETRY = 0.05  # s between two tries
PACKER = HiredisRespSerializer()
INCLUDES = "includes"  # the folder, beside the scripts, of files that are no scripts
INCLUDE = "-- include "  # begins a line that is replaced by a file of that folder


@cache
def lua(package: str, name: str) -> str:
    """Return the text of `name`.lua in a package, with the files that it includes."""
    text = resources.files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    lines = [
        lua(package, f"{INCLUDES}/{line.removeprefix(INCLUDE).strip()}") if line.startswith(INCLUDE) else line
        for line in text.splitlines()
    ]
    return "\n".join(lines)


class Script(AsyncScript):
    """A script that is sent as text if the server does not have it yet, without another round trip."""

    async def __call__(self, keys: Any = None, args: Any = None, client: Any = None) -> Any:
        """Run the script, or add it to a pipeline. `keys` and `args` are its KEYS and ARGV."""
        client = self.registered_client if client is None else client
        values = (len(keys), *keys, *(args or ()))
        if isinstance(client, Pipeline):
            client.scripts.add(self)  # type: ignore[arg-type]
        try:
            return await client.evalsha(self.sha, *values)
        except NoScriptError:
            return await client.eval(self.script, *values)


class ScriptPipeline(Pipeline):
    """A pipeline that always returns its connection to the pool, even if the call fails or is cancelled.

    redis-py's own pipeline loads scripts first, outside of the block that returns the connection. Here a script that
    the server does not know is run afterwards, by itself. All other commands are executed in their order.
    """

    def __init__(self, client: redis.asyncio.Redis, *, transaction: bool) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint=None)
        self._client = client

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run the commands and return their answers. Errors have the server's text, without the command's values."""
        stack: list[Any] = self.command_stack
        transaction = self.is_transaction or self.watching
        texts = {script.sha: script.script for script in self.scripts}
        self.scripts = set()
        try:
            results: list[Any] = await super().execute(raise_on_error=False)
        finally:
            await self.reset()  # type: ignore[no-untyped-call]
        await run_missing(self._client, texts, stack, results)
        if not transaction:
            for number, (command, options) in enumerate(stack):
                if isinstance(results[number], NotPrimaryError):
                    results[number] = await self._repeat(command, options)
        if raise_on_error:
            raise_first(results)
        return results

    async def _repeat(self, command: Any, options: Any) -> Any:
        try:
            return await self._client.execute_command(*command, **options)  # type: ignore[no-untyped-call]
        except RedisError as error:
            return error


class ScriptClient(redis.asyncio.Redis):
    """redis-py's client with our scripts and pipelines, and a shorter way to send a single command.

    A command that failed with NotPrimaryError is repeated on another connection for `retry_for` seconds. Nothing else
    is repeated.
    """

    def __init__(self, *, retry_for: float, **options: Any) -> None:
        super().__init__(**options)
        self._retry_for = retry_for

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """See redis-py. Raises NotPrimaryError after the time-out."""
        until = 0.0
        while True:
            try:
                return await self._execute(args, options)
            except NotPrimaryError:
                now = time.monotonic()
                until = until or now + self._retry_for
                if now >= until:
                    raise
            await asyncio.sleep(RETRY)

    async def _execute(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        # As redis-py does it, without the layers for its own retries and metrics, which take a third of the CPU of a
        # call. A connection disconnects by itself if sending or reading fails or is cancelled.
        pool = self.connection_pool
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_packed_command(PACKER.pack(*args), check_health=False)
            return await self.parse_response(connection, args[0], **options)
        finally:
            await pool.release(connection)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> ScriptPipeline:
        """See redis-py; `shard_hint` is not used."""
        del shard_hint
        return ScriptPipeline(self, transaction=transaction)

    def register_script(self, script: Any) -> Script:  # type: ignore[override]
        """See redis-py."""
        return Script(self, script)


async def run_missing(client: redis.asyncio.Redis, texts: dict[str, Any], stack: list[Any], results: list[Any]) -> None:
    """Run the scripts of a pipeline that the server did not have, and put their answers into `results`."""
    for number, (command, _) in enumerate(stack):
        if isinstance(results[number], NoScriptError) and command[1] in texts:
            try:
                results[number] = await client.execute_command(  # type: ignore[no-untyped-call]
                    "EVAL", texts[command[1]], *command[2:]
                )
            except RedisError as error:
                results[number] = error


def raise_first(results: list[Any]) -> None:
    """Raise the first error among the answers of a pipeline."""
    for result in results:
        if isinstance(result, RedisError):
            raise result
