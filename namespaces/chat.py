"""The namespace `/chat`: messages and moderation. Calls the chat and the moderation services."""

from operator import attrgetter

from gateway.errors import Code, codes
from gateway.keys import CHAT, Room, chat_room
from gateway.protocol import events
from gateway.protocol.payloads import chat, reports
from gateway.protocol.wire import Typed
from gateway.realtime.members.rights_to_members import RightsToMembers
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from gateway.services.chat.chat import Chat
from gateway.services.moderation.message_reports import MessageReports
from namespaces.moderation import Moderation
from namespaces.namespace import Attendance, Namespace
from namespaces.pipeline import Shared
from namespaces.routes import TEXT, Limit, Route

LIVE_ID = attrgetter("live_id")


class ChatNamespace(Namespace):
    """Chat rooms of streams; the events of moderators are in moderation.py."""

    name = CHAT
    room = staticmethod(chat_room)

    def __init__(
        self,
        shared: Shared,
        attendance: Attendance,
        chat_service: Chat,
        message_reports: MessageReports,
        moderation: Moderation,
        rights: RightsToMembers,
    ) -> None:
        self._chat = chat_service
        self._reports = message_reports
        self._rights = rights
        self._moderation = moderation
        super().__init__(shared, attendance)

    def routes(self) -> dict[str, Route]:
        """Return the events of `/chat`."""
        return self._moderation.routes() | {
            events.CHAT_JOIN_ROOM: Route(
                chat.JoinRoom,
                self.join,
                Limit.JOIN,
                aside=_history_event,
                enters=LIVE_ID,
                resumes=self._chat.resumes,
                raises=codes(Code.NOT_FOUND, Code.BANNED),
            ),
            events.CHAT_LEAVE_ROOM: Route(chat.LeaveRoom, self.leave),
            events.CHAT_SEND_MESSAGE: Route(
                chat.SendMessage,
                limit=Limit.MESSAGE,
                room=LIVE_ID,
                repeated=self._chat.repeated,
                service=self._chat.send,
                raises=TEXT
                | codes(
                    Code.NOT_FOUND,
                    Code.BANNED,
                    Code.MUTED,
                    Code.FORBIDDEN,
                    Code.ROOM_FROZEN,
                    Code.SLOW_MODE,
                    Code.CONFLICT,
                ),
            ),
            events.CHAT_REPORT: Route(
                reports.Report,
                limit=Limit.REPORT,
                room=LIVE_ID,
                repeated=self._reports.repeated,
                service=self._reports.report,
                raises=codes(Code.NOT_FOUND, Code.CONFLICT, Code.FORBIDDEN, Code.BANNED, Code.MUTED),
            ),
            events.CHAT_HISTORY: Route(
                chat.History, room=LIVE_ID, service=self._chat.history, raises=codes(Code.NOT_FOUND)
            ),
        }

    async def allow(self, principal: Principal, key: str) -> None:
        """Allow everybody who is not banned into the chat room of an existing stream. Raises BANNED, NotFound."""
        await self._chat.check_join(principal, key)

    async def join(self, socket: Socket, request: chat.JoinRoom) -> chat.Joined:
        """`chat:join-room`: join a room, and return its snapshot."""
        who, key = socket.principal, request.live_id
        joined = await self.enter(
            socket, key, lambda census: self._chat.snapshot(who, key, request.since, census.count)
        )
        self._rights.joined(socket, self.room(key), joined.you)
        return joined

    async def leave(self, socket: Socket, request: chat.LeaveRoom) -> chat.Left:
        """`chat:leave-room`: leave a room."""
        await self.depart(socket, request.live_id)
        return chat.Left(room_name=self.room(request.live_id).name)


def _history_event(joined: chat.Joined) -> tuple[str, Typed]:
    data = chat.HistoryEvent(live_id=Room(CHAT, joined.room_name).key, messages=joined.history)
    return events.CHAT_HISTORY, Typed(type=events.CHAT_HISTORY, data=data)
