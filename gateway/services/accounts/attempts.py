"""How often a password may be wrong, so that nobody guesses it and nobody locks its owner out. Called by accounts."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from gateway.errors import RateLimited, Unavailable
from gateway.security.browsers.client_address import limit_subject
from gateway.security.limits.limits import Limiter
from gateway.security.sessions.devices import Device, DeviceBook

SECONDS = 900.0
WRONG_PASSWORDS = 10  # for one account from one device or network: enough for a forgetful owner, hopeless for a guesser
WRONG_FOR_ACCOUNT = 100  # for one account from all networks together: a guesser who has many of them


class Charge(NamedTuple):
    """One attempt, as it was counted."""

    scope: str
    subject: str


class Attempts:
    """Counts wrong passwords per account and device, or network where the device is not known.

    A device on which the owner has logged in has a count of its own, and the ceiling of the account does not hold for
    it: the owner can log in there regardless of attempts from elsewhere.
    """

    def __init__(self, limiter: Limiter, devices: DeviceBook) -> None:
        self._limiter = limiter
        self._devices = devices

    async def login(self, email: str, user_id: str | None, device: Device) -> Sequence[Charge]:
        """Count an attempt before it is known to be wrong, so that many at once do not get past.

        Returns what `right` gives back. Raises RateLimited.
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
        """Count an attempt of somebody who is logged in. Raises RateLimited."""
        return await self._charge((Charge("password", f"{user_id}:{session_id}"), WRONG_PASSWORDS))

    async def right(self, charges: Sequence[Charge]) -> None:
        """Give back what a right password was charged."""
        for charge in charges:
            await self._limiter.refund(*charge)

    async def _charge(self, *limits: tuple[Charge, int]) -> Sequence[Charge]:
        done: list[Charge] = []
        for charge, limit in limits:
            try:
                await self._limiter.charge(*charge, limit, SECONDS)
            except RateLimited:
                await self.right(done)
                raise
            done.append(charge)
        return done

    async def _known(self, user_id: str, device: Device) -> str | None:
        try:
            return await self._devices.known(user_id, device)
        except Unavailable:
            return None
