"""What moderators send on `/chat` about messages: the part of its table that deletes, clears, pins. Used by chat.py."""

from gateway.protocol import chat, curation, events
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.moderation.clears import Clears
from gateway.services.moderation.deletions import Deletions
from gateway.services.moderation.pins import Pins
from namespaces.routes import Route


class CurationEvents:
    """Nobody has to be in the room that they look after."""

    def __init__(self, deletions: Deletions, clears: Clears, pins: Pins) -> None:
        self._deletions = deletions
        self._clears = clears
        self._pins = pins

    def routes(self) -> dict[str, Route]:
        """Whether a member may is asked by the services: hosts may in their own rooms."""
        return {
            events.CHAT_DELETE_MESSAGE: Route(chat.DeleteMessage, self.delete, who=ADMINS),
            events.CHAT_CLEAR: Route(curation.Clear, self.clear, who=ADMINS),
            events.CHAT_UNDO_CLEAR: Route(curation.UndoClear, self.undo_clear, who=ADMINS),
            events.CHAT_PIN_MESSAGE: Route(curation.PinMessage, self.pin, who=MEMBERS),
            events.CHAT_UNPIN_MESSAGE: Route(curation.UnpinMessage, self.unpin, who=MEMBERS),
        }

    async def delete(self, socket: Socket, ask: chat.DeleteMessage) -> chat.Deleted:
        """`chat:delete-message`: take a message's text away for good."""
        return await self._deletions.delete(socket.principal, ask)

    async def clear(self, socket: Socket, ask: curation.Clear) -> curation.ClearAck:
        """`chat:clear`: delete many messages at once, or say how many."""
        return await self._clears.clear(socket.principal, ask)

    async def undo_clear(self, socket: Socket, ask: curation.UndoClear) -> curation.UndoAck:
        """`chat:undo-clear`: bring back what a clear has deleted."""
        return await self._clears.undo(socket.principal, ask)

    async def pin(self, socket: Socket, ask: curation.PinMessage) -> curation.PinAck:
        """`chat:pin-message`: show a message on top, for a while or for good."""
        return await self._pins.pin(socket.principal, ask)

    async def unpin(self, socket: Socket, ask: curation.UnpinMessage) -> curation.UnpinAck:
        """`chat:unpin-message`: take a message down."""
        return await self._pins.unpin(socket.principal, ask)
