"""Limits wrong passwords, without letting strangers lock out the owner of an account. Called by accounts."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from gateway.errors import RateLimited, Unavailable
from gateway.security.browsers.client_address import limit_subject
from gateway.security.limits.limits import Limiter
from gateway.security.sessions.devices import Device, DeviceBook

SECONDS = 900.0  # for which attempts are counted
WRONG_PASSWORDS = 10  # per account and device or network: enough for a forgetful owner, too few to guess one
WRONG_FOR_ACCOUNT = 100  # per account over all networks: against a guesser who has many of them


class Charge(NamedTuple):
    """The limit to which an attempt was charged."""

    scope: str
    subject: str


class Attempts:
    """Counts wrong passwords per account and device, or per account and network if the device is unknown.

    A device on which the owner has logged in before is exempt from the limit per account, so that attempts from
    elsewhere do not lock the owner out.
    """

    def __init__(self, limiter: Limiter, devices: DeviceBook) -> None:
        self._limiter = limiter
        self._devices = devices

    async def login(self, email: str, user_id: str | None, device: Device) -> Sequence[Charge]:
        """Charge an attempt before the password is verified, so that concurrent attempts cannot exceed the limit.

        Return the charges, for `refund`. Raises RateLimited.
        """
        account = hashlib.sha256(email.encode(errors="replace")).hexdigest()[:32]
        name = await self._known(user_id or account, device)
        if name is not None:
            return await self._charge((Charge("login", f"{account}:{name}"), WRONG_PASSWORDS))
        return await self._charge(
            (Charge("login", f"{account}:{limit_subject(device.address)}"), WRONG_PASSWORDS),
            (Charge("login-account", account), WRONG_FOR_ACCOUNT),
        )

    async def change(self, user_id: str, session_id: str) -> Sequence[Charge]:
        """Charge an attempt of a logged-in user to change the password. Raises RateLimited."""
        return await self._charge((Charge("password", f"{user_id}:{session_id}"), WRONG_PASSWORDS))

    async def refund(self, charges: Sequence[Charge]) -> None:
        """Refund the charges of an attempt, because the password was right."""
        for charge in charges:
            await self._limiter.refund(*charge)

    async def _charge(self, *limits: tuple[Charge, int]) -> Sequence[Charge]:
        done: list[Charge] = []
        for charge, limit in limits:
            try:
                await self._limiter.charge(*charge, limit, SECONDS)
            except RateLimited:
                await self.refund(done)
                raise
            done.append(charge)
        return done

    async def _known(self, user_id: str, device: Device) -> str | None:
        try:
            return await self._devices.known(user_id, device)
        except Unavailable:
            return None
