"""Reads all replies that have arrived on one connection to Redis. Used by fan-out's publisher and subscriber."""

from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import InvalidResponse, RedisError, ResponseError

CHUNK = 65_536  # bytes that are read at once


class ReplyReader:
    """Reads replies, as bytes, from an open connection that has no other reader.

    redis-py reads reply by reply, each through four coroutines and a timer. Here one step of the task takes all of
    them. It needs the private `_reader` of redis-py's connections, see tests/unit/test_seams.py.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        stream = connection._reader  # noqa: SLF001
        if stream is None:
            raise LostError("the connection is not open")
        self._stream = stream
        self._parser = hiredis.Reader(protocolError=InvalidResponse, replyError=ResponseError, notEnoughData=None)

    async def some(self) -> list[Any]:
        """Return the next replies or messages, at least one. Raises RedisError for an error or a lost connection."""
        found: list[Any] = []
        while not found:
            data = await self._stream.read(CHUNK)
            if not data:
                raise LostError("the server has closed the connection")
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not None:
                if isinstance(reply, RedisError):
                    raise reply
                found.append(reply)
        return found
