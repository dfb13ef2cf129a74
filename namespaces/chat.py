"""`/chat`: rooms of messages. The Socket.IO server calls it through the pipeline; it calls the chat service."""

from gateway.keys import CHAT, Room, chat_room
from gateway.protocol import chat, events
from gateway.protocol.wire import Typed
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from gateway.services.chat.chat import Chat
from namespaces.base import Pipeline, greeting
from namespaces.curation import CurationEvents
from namespaces.moderation import ModerationEvents
from namespaces.room_namespace import Attendance, RoomNamespace
from namespaces.routes import Limit, Route


class ChatNamespace(RoomNamespace):
    """Joining, leaving, sending and reading back; what moderators do is in tables of its own."""

    name = CHAT
    room = staticmethod(chat_room)

    def __init__(
        self,
        pipeline: Pipeline,
        attendance: Attendance,
        chat_service: Chat,
        moderation: ModerationEvents,
        curation: CurationEvents,
    ) -> None:
        self._chat = chat_service
        self._moderators = moderation.routes() | curation.routes()
        super().__init__(pipeline, attendance)

    def routes(self) -> dict[str, Route]:
        """The events of `/chat`."""
        return self._moderators | {
            events.CHAT_JOIN_ROOM: Route(chat.JoinRoom, self.join, Limit.JOIN, aside=_history_event),
            events.CHAT_LEAVE_ROOM: Route(chat.LeaveRoom, self.leave, Limit.JOIN),
            events.CHAT_SEND_MESSAGE: Route(
                chat.SendMessage, self.send, Limit.MESSAGE, room=_room, repeated=self._chat.repeated
            ),
            events.CHAT_HISTORY: Route(chat.History, self.history, room=_room),
        }

    async def allow(self, principal: Principal, key: str) -> None:
        """Whoever is not banned there may be in the room of every stream."""
        await self._chat.admit(principal, key)

    async def welcome(self, socket: Socket) -> None:
        """Tell a socket who it is."""
        socket.send(events.CONNECTION_SUCCESS, greeting(socket))

    async def join(self, socket: Socket, ask: chat.JoinRoom) -> chat.Joined:
        """`chat:join-room`: hear a room, and be told what it is like."""
        who = socket.principal
        return await self.enter(
            socket, ask.live_id, lambda census: self._chat.snapshot(who, ask.live_id, ask.since, census.count)
        )

    async def leave(self, socket: Socket, ask: chat.LeaveRoom) -> chat.Left:
        """`chat:leave-room`: hear it no more."""
        await self.depart(socket, ask.live_id)
        return chat.Left(room_name=self.room(ask.live_id).name)

    async def send(self, socket: Socket, ask: chat.SendMessage) -> chat.Sent:
        """`chat:send-message`: say something to a room; the answer means that it is stored."""
        return await self._chat.send(socket.principal, ask)

    async def history(self, _socket: Socket, ask: chat.History) -> chat.HistoryPage:
        """`chat:history`: a page of older messages, oldest first."""
        return await self._chat.history(ask.live_id, ask.before, ask.limit)


def _room(ask: chat.SendMessage | chat.History) -> Room:
    return chat_room(ask.live_id)


def _history_event(joined: chat.Joined) -> tuple[str, Typed]:
    data = chat.HistoryEvent(live_id=Room(CHAT, joined.room_name).key, messages=joined.history)
    return events.CHAT_HISTORY, Typed(type=events.CHAT_HISTORY, data=data)
