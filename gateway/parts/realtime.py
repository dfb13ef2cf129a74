"""The engine: connections, sockets, rooms, fan-out, presence, recovery. Built by the composition root."""

import secrets

from gateway.parts.servers import ServersPart
from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.server import EngineServer
from gateway.realtime.fanout.redis import RedisFanout
from gateway.realtime.presence.redis import RedisPresence
from gateway.realtime.socketio.compat import AsyncServer
from gateway.realtime.socketio.recovery import Recovery
from gateway.realtime.socketio.recovery_store import RecoveryStore
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.server import SocketServer
from gateway.security.browsers.origins import Origins
from gateway.security.tokens.authenticator import COOKIE


class RealtimePart:
    """One node's engine. The node adds the namespaces to `server`."""

    def __init__(self, servers: ServersPart, sid_prefix: str = "") -> None:
        settings, metrics, redis = servers.settings, servers.metrics, servers.redis
        node_id = self.node_id = settings.node_id or secrets.token_hex(6)
        self.process_id = f"{node_id}.{secrets.token_hex(4)}"  # unique: a restarted node has the same node id
        origins = self.origins = Origins(settings)
        rooms = self.rooms = Rooms(
            metrics,
            window=settings.room_window.total_seconds(),
            display_rate=settings.chat_display_rate,
        )
        self.engine = EngineServer(
            EngineOptions.of(settings, sid_prefix),
            metrics,
            origin_allowed=lambda handshake: origins.allowed(handshake.origin, handshake.host),
        )
        self._sessions = RecoveryStore(redis)
        self.recovery = Recovery(rooms, servers.log, self._sessions, settings.recovery_window, metrics)
        self.server = SocketServer(
            self.engine,
            rooms,
            metrics,
            cookie_counts=lambda handshake: origins.may_use_cookies(handshake.origin, handshake.host),
            recovery=self.recovery,
            available=lambda: servers.availability.complete and not servers.database.watch.away,
            max_waiting_connects=settings.max_waiting_connects,
            cookie=settings.cookie_prefix + COOKIE,
        )
        self.async_server = AsyncServer(self.server, rooms, self.engine)
        self.fanout = RedisFanout(redis, rooms, node_id, metrics, servers.log)
        self.presence = RedisPresence(redis, node_id, metrics, heartbeats=servers.heartbeat_redis)
        rooms.watched_by(self.fanout)
        rooms.remembered_by(self.recovery)

    async def open(self) -> None:
        """Start fan-out, presence and recovery. Redis must be open."""
        await self.fanout.start()
        await self.presence.start()
        await self._sessions.start()

    async def close(self) -> None:
        """Stop them, after the last socket has closed."""
        await self._sessions.close()
        await self.presence.close()
        await self.fanout.close()
