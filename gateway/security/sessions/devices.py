"""From what device somebody comes, as far as one can be told from another. Used by the HTTP edge and for bans.

Two things tell: a cookie (or an id that an app keeps), and the network with the user agent, which stays when the cookie
is deleted and is shared by neighbours with the same browser. Neither is kept: only hashes of them under a key of ours.
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
    """Where a request comes from. `id` is what the device was given or calls itself; None if it shows none."""

    user_agent: str
    address: str
    id: str | None = None


def new_id() -> str:
    """An id for a device that has none."""
    return secrets.token_urlsafe(18)


def valid_id(device_id: str | None) -> str | None:
    """An id that a device may have; None for anything else."""
    return device_id if device_id is not None and _ID.fullmatch(device_id) else None


class DeviceNames:
    """Keyed hashes, 128 bits of them: nothing can be read from them, and they tell nothing without the key."""

    def __init__(self, settings: Settings) -> None:
        # Secrets that are being replaced still name: who was banned under one is known as long as it is configured.
        self._keys = [
            hmac.digest(secret.get_secret_value().encode(), b"dorami devices", "sha256")
            for secret in (settings.jwt_secret, *settings.jwt_previous_secrets)
        ]

    def of(self, device: Device) -> list[str]:
        """What a device is called from now on."""
        return self._under(self._keys[0], device)

    def any_of(self, device: Device) -> list[str]:
        """What a device may have been called."""
        return [name for key in self._keys for name in self._under(key, device)]

    def _under(self, key: bytes, device: Device) -> list[str]:
        names = [_name(key, LIKELY, f"{limit_subject(device.address)}\0{device.user_agent}")]
        if device.id is not None:
            names.append(_name(key, SURE, device.id))
        return names


class DeviceBook:
    """Which devices people came from lately, in Redis. Raises Unavailable while that is away."""

    def __init__(self, redis: RedisClient, names: DeviceNames, lifetime: timedelta, guest_lifetime: timedelta) -> None:
        self._redis = redis
        self._names = names
        self._lifetime = lifetime
        self._guest_lifetime = guest_lifetime

    async def note(self, user_id: str, device: Device) -> None:
        """A user or a guest came in from a device."""
        key = keys.devices(user_id)
        lifetime = self._guest_lifetime if is_guest(user_id) else self._lifetime
        moment = redis_clock.time()
        async with self._redis.guard("devices.note"):
            pipeline = self._redis.client.pipeline(transaction=False)
            pipeline.zadd(key, dict.fromkeys(self._names.of(device), moment))
            pipeline.zremrangebyrank(key, 0, -REMEMBERED - 1)
            pipeline.pexpire(key, lifetime)
            await pipeline.execute()

    async def of(self, user_id: str) -> Sequence[str]:
        """The names of the devices that somebody came from lately."""
        async with self._redis.guard("devices.of"):
            return [str(name) for name in await self._redis.client.zrange(keys.devices(user_id), 0, -1)]


def _name(key: bytes, kind: str, text: str) -> str:
    return kind + hmac.new(key, (kind + text).encode(errors="replace"), hashlib.sha256).hexdigest()[:32]
