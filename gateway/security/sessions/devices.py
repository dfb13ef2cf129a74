"""Which device a request comes from, as far as devices can be told apart. Used by the HTTP edge, logins and bans.

Two things identify one: a cookie (or an id that an app keeps), and the network with the user agent, which stays when
the cookie is deleted and is shared by neighbours with the same browser. Only keyed hashes of them are kept.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from gateway import keys
from gateway.clocks import redis_clock
from gateway.redis.client import RedisClient
from gateway.security.browsers.client_address import limit_subject
from gateway.security.sessions.guest_ids import is_guest
from gateway.settings import Settings

COOKIE = "deviceId"
COOKIE_SECONDS = 31_536_000  # a year
SURE = "d:"  # begins the name of a device that showed its id
LIKELY = "n:"  # begins the name of a network with a user agent
REMEMBERED = 8  # names of one person: the newest

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


class Device(NamedTuple):
    """Where a request comes from. `id` is the device's cookie or what an app calls itself; None if it shows none."""

    user_agent: str
    address: str
    id: str | None = None


def new_id() -> str:
    """Return an id for a device that has none."""
    return secrets.token_urlsafe(18)


def valid_id(device_id: str | None) -> str | None:
    """Return the id if it is well-formed; None for anything else."""
    return device_id if device_id is not None and _ID.fullmatch(device_id) else None


class DeviceNames:
    """Names of devices: keyed hashes of 128 bits, of no use to anybody without the key."""

    def __init__(self, settings: Settings) -> None:
        # Secrets that are being replaced count, too: bans under their names hold as long as they are configured.
        self._keys = [
            hmac.digest(secret.get_secret_value().encode(), b"dorami devices", "sha256")
            for secret in (settings.jwt_secret, *settings.jwt_previous_secrets)
        ]

    def of(self, device: Device) -> list[str]:
        """Return the names by which a device is remembered."""
        return self._under(self._keys[0], device)

    def any_of(self, device: Device) -> list[str]:
        """Return all names under which a device may be known."""
        return [name for key in self._keys for name in self._under(key, device)]

    def _under(self, key: bytes, device: Device) -> list[str]:
        names = [_name(key, LIKELY, f"{limit_subject(device.address)}\0{device.user_agent}")]
        if device.id is not None:
            names.append(_name(key, SURE, device.id))
        return names


class DeviceBook:
    """Which devices people used lately, in Redis. Raises Unavailable while that is away."""

    def __init__(
        self,
        redis: RedisClient,
        names: DeviceNames,
        lifetime: timedelta,
        guest_lifetime: timedelta,
        unused: timedelta | None = None,
    ) -> None:
        """`unused`: how long a guest's devices are remembered unless the guest's session is used."""
        self._redis = redis
        self._names = names
        self._lifetime = lifetime
        self._guest_lifetime = guest_lifetime
        self._unused = unused or guest_lifetime

    async def note(self, user_id: str, device: Device) -> None:
        """Remember that a user or a guest came in from a device."""
        key = keys.devices(user_id)
        lifetime = self._guest_lifetime if is_guest(user_id) else self._lifetime
        first = self._unused if is_guest(user_id) else self._lifetime
        moment = redis_clock.time()
        async with self._redis.guard("devices.note"):
            pipeline = self._redis.client.pipeline(transaction=False)
            pipeline.pexpire(key, lifetime)  # if they were here before
            pipeline.zadd(key, dict.fromkeys(self._names.of(device), moment))
            pipeline.zremrangebyrank(key, 0, -REMEMBERED - 1)
            pipeline.pexpire(key, first, nx=True)
            await pipeline.execute()

    async def of(self, user_id: str) -> Sequence[str]:
        """Return the names of the devices that somebody used lately."""
        async with self._redis.guard("devices.of"):
            return [str(name) for name in await self._redis.client.zrange(keys.devices(user_id), 0, -1)]

    async def known(self, user_id: str, device: Device) -> str | None:
        """Return the name of a device that shows an id with which somebody came in lately; None for another device."""
        used = await self.of(user_id)
        return next((name for name in self._names.any_of(device) if name.startswith(SURE) and name in used), None)


def _name(key: bytes, kind: str, text: str) -> str:
    return kind + hmac.new(key, (kind + text).encode(errors="replace"), hashlib.sha256).hexdigest()[:32]
