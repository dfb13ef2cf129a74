"""The session of a user over HTTP: logs in, stores the tokens, and renews them once for concurrent callers."""

import asyncio
import time
from typing import Any, Self

import aiohttp

from dorami_client.errors import DoramiError, passing
from dorami_client.protocol import UserView

ANSWER = 10.0  # s for a request
SPARE = 30.0  # s before its expiry at which a token is renewed; a short one is renewed after half of its lifetime


class Session:
    """The session of one user. A context manager; pass `token` to `Dorami`."""

    def __init__(self, url: str) -> None:
        self.user: UserView | None = None
        self._url = url.rstrip("/")
        self._http: aiohttp.ClientSession | None = None
        self._access, self._refresh, self._renew_at = "", "", 0.0
        self._renewing = asyncio.Lock()

    async def login(self, email: str, password: str) -> UserView:
        """Log in as a user. Raises DoramiError."""
        return self._keep(await self._ask("POST", "/auth/login", {"email": email, "password": password}))

    async def guest(self, device_id: str | None = None) -> UserView:
        """Open a session without an account; `device_id` is an id that the application stores. Raises DoramiError."""
        return self._keep(await self._ask("POST", "/auth/guest", {"deviceId": device_id} if device_id else {}))

    async def token(self, fresh: bool = False) -> str:
        """Return the access token: a new one if `fresh` or if the current one expires soon. Raises DoramiError."""
        before = self._access
        async with self._renewing:
            if not self._refresh:
                raise DoramiError("AUTH_REQUIRED", "Nobody is logged in")
            if self._access == before and (fresh or time.monotonic() > self._renew_at):
                self._keep(await self._ask("POST", "/auth/refresh", {"refreshToken": self._refresh}))
            return self._access

    async def call(self, method: str, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        """Send a request below `/api/v1` as this user and return its answer. Raises DoramiError."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        try:
            return await self._ask(method, path, body, headers | {"Authorization": f"Bearer {await self.token()}"})
        except DoramiError as error:
            if error.code != "TOKEN_EXPIRED":
                raise
        token = await self.token(fresh=True)
        return await self._ask(method, path, body, headers | {"Authorization": f"Bearer {token}"})

    async def logout(self) -> None:
        """End the session. Raises DoramiError."""
        token, self._access, self._refresh, self.user = self._refresh, "", "", None
        if token:
            await self._ask("POST", "/auth/logout", {"refreshToken": token})

    async def close(self) -> None:
        """Close the HTTP connections; the session stays valid."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def _keep(self, answer: Any) -> UserView:
        self._access, self._refresh = answer["accessToken"], answer["refreshToken"]
        lifetime = answer["expiresIn"]
        self._renew_at = time.monotonic() + max(lifetime - SPARE, lifetime / 2)
        user: UserView = answer["user"]
        self.user = user
        return user

    async def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        if self._http is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER)
            self._http = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._http.request(method, f"{self._url}/api/v1{path}", json=body, headers=headers) as response:
                answer = await response.json() if response.content_type == "application/json" else None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise passing("NETWORK", str(error)) from None
        if response.ok:
            return answer
        refusal = answer or {"errorCode": "SERVICE_UNAVAILABLE", "retryable": response.status >= 500}
        raise DoramiError(refusal.pop("errorCode"), refusal.pop("message", ""), **refusal)
