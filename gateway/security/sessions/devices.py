"""Names of devices, and the devices of each user. Used by the HTTP edge, logins and bans.

A device has up to two names, which are keyed hashes. The first is made from a cookie or an id that an app stores. The
second is made from network and user agent: it survives the deletion of the cookie, and other people of that network
with the same browser have the same.
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
SURE = "d:"  # prefix of names made from an id
LIKELY = "n:"  # prefix of names made from network and user agent
REMEMBERED = 8  # names of each user: the newest

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


class Device(NamedTuple):
    """The device of a request. `id` is the value of its cookie or an app's own id; None without one."""

    user_agent: str
    address: str
    id: str | None = None


def new_id() -> str:
    """Return an id for a new device."""
    return secrets.token_urlsafe(18)


def valid_id(device_id: str | None) -> str | None:
    """Return the id if it is well-formed; None for anything else."""
    return device_id if device_id is not None and _ID.fullmatch(device_id) else None


class DeviceNames:
    """Makes the names of devices: keyed hashes of 128 bits, useless without the key."""

    def __init__(self, settings: Settings) -> None:
        # Previous secrets, too: bans of names made with them stay in force while they are configured.
        self._keys = [
            hmac.digest(secret.get_secret_value().encode(), b"dorami devices", "sha256")
            for secret in (settings.jwt_secret, *settings.jwt_previous_secrets)
        ]

    def of(self, device: Device) -> list[str]:
        """Return the names of a device under the current key."""
        return self._names(self._keys[0], device)

    def any_of(self, device: Device) -> list[str]:
        """Return the names of a device under all keys."""
        return [name for key in self._keys for name in self._names(key, device)]

    def _names(self, key: bytes, device: Device) -> list[str]:
        names = [_name(key, LIKELY, f"{limit_subject(device.address)}\0{device.user_agent}")]
        if device.id is not None:
            names.append(_name(key, SURE, device.id))
        return names


class DeviceBook:
    """The devices that users and guests used lately, in Redis. Raises Unavailable."""

    def __init__(
        self,
        redis: RedisClient,
        names: DeviceNames,
        lifetime: timedelta,
        guest_lifetime: timedelta,
        unused: timedelta | None = None,
    ) -> None:
        """Take the times for which devices are remembered: of users, of guests, of guests with an unused session."""
        self._redis = redis
        self._names = names
        self._lifetime = lifetime
        self._guest_lifetime = guest_lifetime
        self._unused = unused or guest_lifetime

    async def note(self, user_id: str, device: Device) -> None:
        """Remember a device of a user or a guest."""
        key = keys.devices(user_id)
        lifetime = self._guest_lifetime if is_guest(user_id) else self._lifetime
        first = self._unused if is_guest(user_id) else self._lifetime
        moment = redis_clock.time()
        async with self._redis.guard("devices.note"):
            pipeline = self._redis.client.pipeline(transaction=False)
            pipeline.pexpire(key, lifetime)  # has no effect at the first login
            pipeline.zadd(key, dict.fromkeys(self._names.of(device), moment))
            pipeline.zremrangebyrank(key, 0, -REMEMBERED - 1)
            pipeline.pexpire(key, first, nx=True)
            await pipeline.execute()

    async def of(self, user_id: str) -> Sequence[str]:
        """Return the names of the devices of a user or a guest."""
        async with self._redis.guard("devices.of"):
            return [str(name) for name in await self._redis.client.zrange(keys.devices(user_id), 0, -1)]

    async def known(self, user_id: str, device: Device) -> str | None:
        """Return the name under which a device's id is remembered for a user; None if it is not."""
        used = await self.of(user_id)
        return next((name for name in self._names.any_of(device) if name.startswith(SURE) and name in used), None)


def _name(key: bytes, kind: str, text: str) -> str:
    return kind + hmac.new(key, (kind + text).encode(errors="replace"), hashlib.sha256).hexdigest()[:32]
