"""The client of Dorami Gateway for asyncio: see README.md."""

from dorami_client.client import Chat, Dorami, Room, Status
from dorami_client.errors import DoramiError
from dorami_client.session import Session

__all__ = ["Chat", "Dorami", "DoramiError", "Room", "Session", "Status"]
