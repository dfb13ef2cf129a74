"""A chat room with people of every role, served by two nodes that moderate it. Used by the tests of moderation."""

from typing import Any

from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.chat import DeleteMessage, SendMessage, Sent
from gateway.protocol.payloads.curation import Clear, PinMessage, UnpinMessage
from gateway.protocol.payloads.moderation import AllowGuests, Announce, BanUser, Freeze, MuteUser, SlowMode
from gateway.protocol.payloads.streaming import CreateStream
from gateway.realtime.notices import Notice
from gateway.redis.client import RedisClient
from gateway.security.principal import Principal, Role
from gateway.security.sessions.devices import Device, DeviceBook, DeviceNames
from gateway.security.sessions.guest_ids import new_id
from gateway.services.audit.audit_log import AuditLog
from gateway.services.moderation.announcements import Announcements
from gateway.services.moderation.banned_devices import BannedDevices
from gateway.services.moderation.bans import Bans
from gateway.services.moderation.permissions import Permissions
from gateway.services.moderation.sanction_list import SanctionList
from gateway.services.moderation.sanctions import Sanctions
from gateway.services.rooms.log import RoomLog
from models.main.user import User
from tests.doubles import Recorder, principal, stand_in
from tests.integration.services import DAY, Curators, make_chat, make_room_settings, make_streams
from tests.support import make_settings

KEY, ELSEWHERE = "demo", "elsewhere"


class Cleared(list[tuple[str, str]]):
    """Whose messages were deleted where."""

    async def clear_of(self, _principal: Principal, live_id: str, user_id: str, _reason: str | None) -> int:
        self.append((live_id, user_id))
        return 1


class ModeratedRoom:
    """Two nodes' services on one database."""

    def __init__(self, database: Database, redis: RedisClient) -> None:
        self.database, self.redis = database, redis
        self.received = Recorder()
        self.notices: list[Notice] = []
        self.cleared = Cleared()
        self.metrics = Metrics()
        self.said = ""  # the message that was said last
        log, authority, record = RoomLog(database), Permissions(database), AuditLog(database)
        self.names = DeviceNames(make_settings())
        self.book = DeviceBook(redis, self.names, DAY, DAY)
        self.devices = BannedDevices(database, self.names, self.book)
        self.bans = Bans(database)
        self.settings_service = make_room_settings(database, self.received)
        self.announcements = Announcements(database, log, authority, record, self.received)
        self.sanction_list = SanctionList(database)
        self.sanctions = Sanctions(
            database,
            log,
            authority,
            record,
            self.devices,
            stand_in(self.cleared),
            self.sanction_list,
            self,
            self.metrics,
        )
        self.curators = Curators(database, self.received)
        self.nodes = [make_chat(database, self.received) for _ in range(2)]

    async def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    async def open(self) -> None:
        self.admin, self.moderator, self.host, self.other_host, self.user = [
            await self.person(role) for role in (Role.ADMIN, Role.MODERATOR, Role.HOST, Role.HOST, Role.USER)
        ]
        self.guest = principal(Role.GUEST, new_id())
        streams = make_streams(self.database, self.redis, self.received)
        for key, host in ((KEY, self.host), (ELSEWHERE, self.other_host)):
            await streams.create(host, CreateStream.model_validate({"title": key, "key": key}))
        self.received.events.clear()

    async def close(self) -> None:
        for node in self.nodes:
            await node.close()
        await self.bans.close()

    async def person(self, role: Role = Role.USER) -> Principal:
        number = await User.all().count()
        user = await User.create(
            email=f"{number}@example.com", username=f"user{number}", password_hash="-", role=role.value
        )
        return principal(role, str(user.id))

    # --- what people do -------------------------------------------------------------------------------------------

    async def say(self, who: Principal, text: str = "hello", name: str | None = None, *, node: int = 0) -> Sent:
        ask = {"liveId": KEY, "message": text, "clientMessageId": name}
        sent = await self.nodes[node].send(who, SendMessage.model_validate(ask))
        self.said = sent.id
        return sent

    async def mute(self, who: Principal, whom: str, **fields: Any) -> Any:
        return await self.sanctions.mute(who, MuteUser.model_validate({"liveId": KEY, "userId": whom} | fields))

    async def unmute(self, who: Principal, whom: str) -> Any:
        return await self.sanctions.unmute(who, MuteUser.model_validate({"liveId": KEY, "userId": whom}))

    async def ban(self, who: Principal, whom: str, **fields: Any) -> Any:
        return await self.sanctions.ban(who, BanUser.model_validate({"userId": whom} | fields))

    async def unban(self, who: Principal, whom: str, **fields: Any) -> Any:
        return await self.sanctions.unban(who, BanUser.model_validate({"userId": whom} | fields))

    async def slow(self, who: Principal, seconds: int) -> Any:
        return await self.settings_service.slow_mode(who, SlowMode.model_validate({"liveId": KEY, "seconds": seconds}))

    async def freeze(self, who: Principal, frozen: bool = True) -> Any:
        return await self.settings_service.freeze(who, Freeze.model_validate({"liveId": KEY, "frozen": frozen}))

    async def allow_guests(self, who: Principal, allowed: bool = True) -> Any:
        return await self.settings_service.allow_guests(
            who, AllowGuests.model_validate({"liveId": KEY, "allowed": allowed})
        )

    async def announce(self, who: Principal, text: str = "hear, hear") -> Any:
        return await self.announcements.announce(who, Announce.model_validate({"liveId": KEY, "message": text}))

    async def pin(self, who: Principal) -> Any:
        ask = PinMessage.model_validate({"liveId": KEY, "messageId": self.said})
        return await self.curators.pins.pin(who, ask)

    async def unpin(self, who: Principal) -> Any:
        ask = UnpinMessage.model_validate({"liveId": KEY, "messageId": self.said})
        return await self.curators.pins.unpin(who, ask)

    async def delete(self, who: Principal) -> Any:
        ask = DeleteMessage.model_validate({"liveId": KEY, "messageId": self.said})
        return await self.curators.deletions.delete(who, ask)

    async def clear(self, who: Principal, **fields: Any) -> Any:
        return await self.curators.clears.clear(who, Clear.model_validate({"liveId": KEY} | fields))

    async def come_as_guest(self, device: Device) -> str:
        """Return a new guest, as the HTTP edge lets one in."""
        guest_id = new_id()
        await self.devices.receive(guest_id, device)
        await self.devices.seen(guest_id, device)
        return guest_id
