"""Who is in a room, as the room hears it: by name while it is small, as a number later. Called by `/chat` and `/`."""

from gateway.keys import CHAT, Room
from gateway.protocol import chat, events
from gateway.protocol.catalog import StreamPresence
from gateway.protocol.wire import Payload, Typed
from gateway.realtime.fanout.fanout import Fanout
from gateway.realtime.presence.presence import Census, Presence
from gateway.services.streams.throttle import Throttle

NAMED = 50  # members up to which a room hears who joins and leaves by name


class Attendance:
    """The members of the rooms of `/chat` and `/`. Nothing here raises."""

    def __init__(self, presence: Presence, fanout: Fanout) -> None:
        self._presence = presence
        self._fanout = fanout
        self._numbers = Throttle(presence, self._tell_number, "attendance")
        presence.on_change(self._changed)

    async def close(self) -> None:
        """Publish what is pending, and stop."""
        await self._numbers.close()

    async def entered(self, room: Room, user_id: str) -> Census:
        """One more socket of somebody is in a room, unless this is cancelled."""
        census = await self._presence.enter(room, user_id)
        try:
            await self._tell(room, census, _joined(room, user_id))
        except BaseException:
            await self.left(room, user_id)
            raise
        return census

    async def left(self, room: Room, user_id: str) -> Census:
        """One socket less of somebody, also when this is cancelled."""
        census = await self._presence.leave(room, user_id)
        await self._tell(room, census, _left(room, user_id))
        return census

    async def became(self, room: Room, before: str, after: str) -> None:
        """A socket of `before` is one of `after` from now on, also when this is cancelled.

        The room hears nothing of it as long as there are as many people as before: nobody came and nobody went.
        """
        moved = await self._presence.become(room, before, after)
        await self._tell(room, moved.census, _joined(room, after) if moved.came else _left(room, before))

    async def census(self, room: Room) -> Census:
        """How many people are in a room."""
        return await self._presence.census(room)

    async def _tell(self, room: Room, census: Census, told: tuple[str, Payload]) -> None:
        if not census.changed:
            return  # another tab
        if census.count <= NAMED:
            await self._fanout.publish(room, *told)
        elif room.namespace == CHAT:  # only there the contract has an event for it
            self._numbers.due(room)

    async def _changed(self, room: Room, _census: Census) -> None:
        # A node has died with its people; it is known how many they were, not who.
        if room.namespace == CHAT:
            self._numbers.due(room)

    async def _tell_number(self, room: Room, census: Census) -> None:
        state = chat.RoomState(live_id=room.key, members=census.count)
        await self._fanout.publish(room, events.CHAT_ROOM_STATE, Typed(type=events.CHAT_ROOM_STATE, data=state))


def _joined(room: Room, user_id: str) -> tuple[str, Payload]:
    if room.namespace == CHAT:
        return _chat_event(events.CHAT_USER_JOINED, room, user_id)
    return events.USER_JOINED, StreamPresence(user_id=user_id, stream_id=room.key)


def _left(room: Room, user_id: str) -> tuple[str, Payload]:
    if room.namespace == CHAT:
        return _chat_event(events.CHAT_USER_LEFT, room, user_id)
    return events.USER_LEFT, StreamPresence(user_id=user_id, stream_id=room.key)


def _chat_event(event: str, room: Room, user_id: str) -> tuple[str, Payload]:
    return event, Typed(type=event, data=chat.Presence(user_id=user_id, live_id=room.key))
