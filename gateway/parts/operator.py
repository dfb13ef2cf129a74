"""The parts of a node that an operator's commands use, without serving clients. Built by the command line."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.socketio.rooms import Rooms
from gateway.redis.client import RedisClient
from gateway.security.passwords import Passwords
from gateway.security.sessions.refresh_tokens import RefreshTokens
from gateway.security.tokens.revocations import Revocations
from gateway.services.accounts.operator import Operator, has_admin
from gateway.services.accounts.sessions import Sessions
from gateway.services.rooms.log import RoomLog
from gateway.settings import Settings


async def lacks_admin(settings: Settings) -> bool:
    """Return whether an installation has no ADMIN. Uses only the database. Raises Unavailable."""
    database = Database(settings, Metrics())
    try:
        await database.open()
        return not await has_admin(database)
    finally:
        await database.close()


@asynccontextmanager
async def operator(settings: Settings) -> AsyncIterator[Operator]:
    """Open the parts for an operator's commands, and close them at the end. Raises Unavailable."""
    metrics = Metrics()
    database, redis, passwords = Database(settings, metrics), RedisClient(settings, metrics), Passwords()
    fanout = RedisFanout(redis, Rooms(metrics), f"operator-{secrets.token_hex(6)}", metrics, RoomLog(database))
    revocations = Revocations(redis, settings.jwt_expiration)
    sessions = Sessions(RefreshTokens(redis, settings.jwt_refresh_expiration), revocations, fanout)
    try:
        await database.open()
        await redis.open()
        await fanout.start()
        yield Operator(database, sessions, passwords)
    finally:
        passwords.close()
        await fanout.close()
        await revocations.close()
        await redis.close()
        await database.close()
