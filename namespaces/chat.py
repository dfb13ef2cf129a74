"""`/chat`: rooms of messages. The Socket.IO server calls it through the pipeline; it calls the chat service."""

from gateway.keys import CHAT, Room, chat_room
from gateway.protocol import chat, events
from gateway.protocol.wire import Typed
from gateway.realtime.socket import Socket
from gateway.security.principal import Principal
from gateway.services.chat import Chat
from namespaces.base import Limit, Namespace, Pipeline, Route, greeting


class ChatNamespace(Namespace):
    """Joining, leaving, sending, deleting and reading back."""

    name = CHAT

    def __init__(self, pipeline: Pipeline, chat_service: Chat) -> None:
        self._chat = chat_service
        super().__init__(pipeline)

    def routes(self) -> dict[str, Route]:
        """The events of `/chat`."""
        return {
            events.CHAT_JOIN_ROOM: Route(chat.JoinRoom, self.join, Limit.JOIN, aside=_history_event),
            events.CHAT_LEAVE_ROOM: Route(chat.LeaveRoom, self.leave, Limit.JOIN),
            events.CHAT_SEND_MESSAGE: Route(
                chat.SendMessage, self.send, Limit.MESSAGE, room=_room, repeated=self._chat.repeated
            ),
            events.CHAT_DELETE_MESSAGE: Route(chat.DeleteMessage, self.delete),
            events.CHAT_HISTORY: Route(chat.History, self.history, room=_room),
        }

    async def welcome(self, socket: Socket) -> None:
        """Tell a socket who it is."""
        socket.send(events.CONNECTION_SUCCESS, greeting(socket))

    async def farewell(self, socket: Socket) -> None:
        """Take a socket that is gone out of the rooms it was counted in."""
        for room, who in socket.attending.items():
            await self._chat.departed(who, room.name.removeprefix("live:"))

    async def readmit(self, principal: Principal, room: Room) -> None:
        """Whether somebody may still be in a room where they were. Raises GatewayError."""
        await self._chat.admit(principal, room.name.removeprefix("live:"))

    async def count(self, socket: Socket, room: Room) -> None:
        """Count a socket that is back in a room."""
        await self._chat.returned(socket.principal, room.name.removeprefix("live:"))

    async def recount(self, socket: Socket, room: Room) -> None:
        """Count a socket that has become somebody else as who it is now."""
        before, after = socket.reattend(room)
        await self._chat.became(before, after, room.name.removeprefix("live:"))

    async def join(self, socket: Socket, ask: chat.JoinRoom) -> chat.Joined:
        """`chat:join-room`. The room is heard before its state is read, so that nothing falls between the two."""
        await self._chat.admit(socket.principal, ask.live_id)
        room = chat_room(ask.live_id)
        await socket.enter(room)
        return await self._chat.joined(socket.principal, ask.live_id, ask.since, socket.attend(room))

    async def leave(self, socket: Socket, ask: chat.LeaveRoom) -> chat.Left:
        """`chat:leave-room`."""
        room = chat_room(ask.live_id)
        socket.leave(room)
        if (who := socket.unattend(room)) is not None:
            await self._chat.departed(who, ask.live_id)
        return chat.Left(room_name=room.name)

    async def send(self, socket: Socket, ask: chat.SendMessage) -> chat.Sent:
        """`chat:send-message`."""
        return await self._chat.send(socket.principal, ask)

    async def delete(self, socket: Socket, ask: chat.DeleteMessage) -> chat.Deleted:
        """`chat:delete-message`."""
        return await self._chat.delete(socket.principal, ask)

    async def history(self, _socket: Socket, ask: chat.History) -> chat.HistoryPage:
        """`chat:history`."""
        return await self._chat.history(ask.live_id, ask.before, ask.limit)


def _room(ask: chat.SendMessage | chat.History) -> Room:
    return chat_room(ask.live_id)


def _history_event(joined: chat.Joined) -> tuple[str, Typed]:
    data = chat.HistoryEvent(live_id=joined.room_name.removeprefix("live:"), messages=joined.history)
    return events.CHAT_HISTORY, Typed(type=events.CHAT_HISTORY, data=data)
