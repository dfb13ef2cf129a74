"""`/streams/{key}/members`: the members of a stream's chat room, for its staff."""

from gateway.http.routes import KEY, READS, Call, Route
from gateway.protocol.payloads.people import MemberPage
from gateway.protocol.queries import MemberQuery
from gateway.security.principal import MEMBERS
from gateway.services.people.members import Members as MembersService


class Members:
    """The route of members."""

    def __init__(self, members: MembersService) -> None:
        self._members = members

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        path = f"/streams/{KEY}/members"
        return [Route("GET", path, self.page, query=MemberQuery, answer=MemberPage, who=MEMBERS, limit=READS)]

    async def page(self, call: Call[None, MemberQuery]) -> MemberPage:
        """List the members of the chat room by name: for administrators, moderators and the host."""
        return await self._members.page(call.principal, call.path("key"), call.query)
