"""`/people`: users and guests as staff see them."""

from gateway.http.routes import ID, READS, Call, Route
from gateway.protocol.payloads.people import PersonView
from gateway.security.principal import MEMBERS
from gateway.services.people.people import People as PeopleService


class People:
    """The route of people."""

    def __init__(self, people: PeopleService) -> None:
        self._people = people

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        return [Route("GET", f"/people/{ID}", self.get, answer=PersonView, who=MEMBERS, limit=READS)]

    async def get(self, call: Call[None, None]) -> PersonView:
        """Return a user or guest: where they are, what they did, their sanctions; hosts see that of their streams."""
        return await self._people.get(call.principal, call.path("id"))
