"""Sends sockets of `/chat` their rights in a room when these have changed. Driven by notices and by the registry."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.clocks import now
from gateway.errors import Unavailable
from gateway.keys import CHAT, Room, chat_room
from gateway.protocol import events
from gateway.protocol.payloads.chat import Rights, YourRights
from gateway.protocol.wire import Typed
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import NoticeSource, RoomSettingsChanged, StreamEnded, StreamResumed, UserMuted
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal

if TYPE_CHECKING:
    from datetime import datetime

BATCH = 500  # sockets in one statement

Member = tuple[Socket, Room]  # a socket in a room


class RightsToMembers:
    """Sends `chat:you` to a socket whose rights in a room differ from those that it received last.

    They are read again after a mute, after a change of the room's settings, of the stream or of the socket's principal,
    when a mute ends by itself, and when a socket is recovered. They are also read periodically: notices may be lost,
    and there is none when a stream can no longer be reopened.

    Args:
        rooms: The sockets of this node.
        sockets: The registry.
        notices: The source of notices.
        rights: Reads the rights of many people, each in the room of a stream; None if there is no such stream. Raises
            Unavailable.
    """

    def __init__(
        self,
        rooms: Rooms,
        sockets: SocketRegistry,
        notices: NoticeSource,
        rights: Callable[[Sequence[tuple[str, Principal]]], Awaitable[list[Rights | None]]],
    ) -> None:
        self._rooms = rooms
        self._sockets = sockets
        self._rights = rights
        self._sent: dict[Socket, dict[Room, Rights]] = {}
        self._ends: dict[Member, datetime] = {}  # of mutes
        self._due: dict[Member, None] = {}  # whose rights must be read
        sockets.on_arrival(self._arrived)
        sockets.on_departure(self._departed)
        sockets.on_sweep(self.update)
        sockets.on_recheck(self.recheck)
        notices.on_notice(UserMuted, self._muted)
        notices.on_notice(RoomSettingsChanged, self._settings_changed)
        notices.on_notice(StreamEnded, self._stream_changed)
        notices.on_notice(StreamResumed, self._stream_changed)

    def joined(self, socket: Socket, room: Room, rights: Rights) -> None:
        """Record the rights that a socket gets in the answer to its join."""
        rights = Rights(**{name: getattr(rights, name) for name in Rights.model_fields})
        if self._sent.get(socket, {}).get(room, rights) != rights:  # others were sent since these were read
            self._due[socket, room] = None
        self._remember((socket, room), rights)

    async def recheck(self) -> None:
        """Read the rights of all sockets here. Raises Unavailable."""
        self._due.update(dict.fromkeys(_members(self._rooms.sockets_of(CHAT).values())))
        await self.update()

    async def update(self) -> None:
        """Read the rights that may have changed, and send changed ones.

        Raises Unavailable; the next call continues.
        """
        moment = now()
        self._due.update(dict.fromkeys([member for member, end in self._ends.items() if end <= moment]))
        members = list(self._due)
        self._due.clear()
        await self._update(members)

    async def _update(self, members: Sequence[Member]) -> None:
        members = [(socket, room) for socket, room in members if socket.live and room in socket.attending]
        for first in range(0, len(members), BATCH):
            batch = members[first : first + BATCH]
            asks = [(room.key, socket.principal) for socket, room in batch]
            try:
                answers = await self._rights(asks)
            except Unavailable:
                self._due.update(dict.fromkeys(members[first:]))
                raise
            for (socket, room), (_, principal), rights in zip(batch, asks, answers, strict=True):
                if socket.principal is not principal:  # renewed in between
                    self._due[socket, room] = None
                elif rights is not None and socket.live and room in socket.attending:
                    self._send(socket, room, rights)

    def _send(self, socket: Socket, room: Room, rights: Rights) -> None:
        if self._sent.get(socket, {}).get(room) != rights:
            self._remember((socket, room), rights)
            data = YourRights(live_id=room.key, **dict(rights))
            socket.send(events.CHAT_YOU, Typed(type=events.CHAT_YOU, data=data))

    def _remember(self, member: Member, rights: Rights) -> None:
        socket, room = member
        self._sent.setdefault(socket, {})[room] = rights
        self._ends.pop(member, None)
        if rights.muted_until is not None:
            self._ends[member] = rights.muted_until

    async def _muted(self, notice: UserMuted) -> None:
        room = None if notice.live_id is None else chat_room(notice.live_id)
        with suppress(Unavailable):  # then the next update does it
            await self._update(_members(self._sockets.of_user(notice.user_id), room))

    async def _settings_changed(self, notice: RoomSettingsChanged) -> None:
        self._schedule(chat_room(notice.live_id))

    async def _stream_changed(self, notice: StreamEnded | StreamResumed) -> None:
        self._schedule(chat_room(notice.stream_key))

    def _schedule(self, room: Room) -> None:
        """Read the rights of all members of a room at the next update: they may be many, and other notices wait."""
        self._due.update(dict.fromkeys(_members(self._rooms.members(room).values(), room)))

    def _arrived(self, socket: Socket) -> None:
        """Send the rights of a socket that is new, recovered, or has another principal."""
        self._due.update(dict.fromkeys(_members([socket])))

    def _departed(self, socket: Socket) -> None:
        for room in self._sent.pop(socket, ()):
            self._ends.pop((socket, room), None)


def _members(sockets: Iterable[Socket], room: Room | None = None) -> list[Member]:
    """Return the sockets of `/chat` with a room that they attend: only `room`, or each of their rooms."""
    return [
        (socket, attended)
        for socket in sockets
        if socket.namespace == CHAT
        for attended in socket.attending
        if room in (None, attended)
    ]
