"""`/auth/keys`: the public keys with which other services verify our access tokens."""

from collections.abc import Callable
from typing import Any

from gateway.http.routes import READS, Call, Route
from gateway.protocol.payloads.accounts import PublicKeys


class Keys:
    """The route of public keys. `public_keys` returns a JSON Web Key Set."""

    def __init__(self, public_keys: Callable[[], dict[str, Any]]) -> None:
        self._keys = PublicKeys.model_validate(public_keys())

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        return [Route("GET", "/auth/keys", self.keys, answer=PublicKeys, limit=READS)]

    async def keys(self, _call: Call[None, None]) -> PublicKeys:
        """Return the public keys as a JSON Web Key Set; empty while tokens are signed with a secret."""
        return self._keys
