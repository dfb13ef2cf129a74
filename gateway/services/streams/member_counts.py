"""Counts members of rooms and broadcasts joins and leaves, or numbers in large rooms. Called by `/chat` and `/`."""

from gateway.keys import CHAT, Room
from gateway.protocol import events
from gateway.protocol.payloads import chat
from gateway.protocol.payloads.catalog import StreamPresence
from gateway.protocol.wire import Payload, Typed
from gateway.realtime.fanout.fanout import Fanout
from gateway.realtime.presence.presence import Census, Presence
from gateway.services.streams.throttle import Throttle

NAMED = 50  # members up to which each join and leave is an event


class MemberCounts:
    """Counts members of the rooms of `/chat` and `/`. No method raises."""

    def __init__(self, presence: Presence, fanout: Fanout) -> None:
        self._presence = presence
        self._fanout = fanout
        self._counts = Throttle(presence, self._publish_count, "attendance")
        presence.on_change(self._on_change)

    async def close(self) -> None:
        """Publish pending counts, and stop."""
        await self._counts.close()

    async def enter(self, room: Room, user_id: str) -> Census:
        """Count a socket of a person; not counted if the call is cancelled."""
        census = await self._presence.enter(room, user_id)
        try:
            await self._publish(room, census, _joined(room, user_id))
        except BaseException:
            await self.leave(room, user_id)
            raise
        return census

    async def leave(self, room: Room, user_id: str) -> Census:
        """Stop counting a socket of a person, even if the call is cancelled."""
        census = await self._presence.leave(room, user_id)
        await self._publish(room, census, _left(room, user_id))
        return census

    async def move(self, room: Room, before: str, after: str) -> None:
        """Count a socket as `after` instead of `before`, even if the call is cancelled.

        Nothing is broadcast if the number of people does not change.
        """
        moved = await self._presence.move(room, before, after)
        await self._publish(room, moved.census, _joined(room, after) if moved.came else _left(room, before))

    async def census(self, room: Room) -> Census:
        """Return how many people are in a room."""
        return await self._presence.census(room)

    async def _publish(self, room: Room, census: Census, event: tuple[str, Payload]) -> None:
        if not census.changed:
            return  # the person has other sockets here
        if census.count <= NAMED:
            await self._fanout.publish(room, *event)
        elif room.namespace == CHAT:  # `/` has no event with the number
            self._counts.due(room)

    async def _on_change(self, room: Room, _census: Census) -> None:
        # The people of a dead node are removed as a number, without names.
        if room.namespace == CHAT:
            self._counts.due(room)

    async def _publish_count(self, room: Room, census: Census) -> None:
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
