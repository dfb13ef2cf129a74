"""Passwords as Argon2id hashes, computed off the event loop. Called by accounts, the command line and the seeds."""

import asyncio
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY
from precis_i18n import get_profile

from gateway.errors import Unavailable

THREADS = 2  # hashes at a time: each takes 64 MiB and about 0.2 s of a core
WAITING = 32  # hashes in line, about 4 s; above that callers are told to come back, a flood of logins must not pile up

_OPAQUE = get_profile("OpaqueString")  # RFC 8265

T = TypeVar("T")


class Passwords:
    """Hashes and verifies, never on the loop and only a few at a time.

    A password is the same however a keyboard composes its letters. Raises Unavailable when too many calls wait, and for
    calls that wait at `close` or come after it.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        # A caller that is cancelled does not free its place before the hash is done or dropped.
        self._places = BoundedSemaphore(THREADS + WAITING)
        self._nobody = _hash_of_nothing(self._hasher)
        self._closed = False

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        return await self._run(partial(self._hasher.hash, prepared(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash (there is no such user) it takes as long, and is not.

        Hashes that were made before passwords were normalised match the password as it was typed.
        """
        right = await self._run(partial(self._matches_any, password_hash or self._nobody, password))
        return right and password_hash is not None

    async def is_outdated(self, password_hash: str, password: str) -> bool:
        """Whether a hash that matches the password is to be made anew: of other parameters, or not normalised."""
        if self.needs_rehash(password_hash):
            return True
        normal = prepared(password)
        return normal != password and not await self._run(partial(self._matches, password_hash, normal))

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether a stored hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Let the threads end."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches_any(self, password_hash: str, password: str) -> bool:
        return any(self._matches(password_hash, form) for form in dict.fromkeys((prepared(password), password)))

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed or not self._places.acquire(blocking=False):
            raise Unavailable("passwords")
        job = self._threads.submit(work)
        job.add_done_callback(lambda _: self._places.release())
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if self._closed:  # what `close` has dropped looks like a caller who was cancelled
                raise Unavailable("passwords") from None
            raise


def prepared(password: str) -> str:
    """Return a password as it is hashed: NFKC, and every kind of space the same (RFC 8265, OpaqueString).

    One that the profile refuses, with a control character or one that is new in Unicode, is good, and only NFKC.
    """
    text = unicodedata.normalize("NFKC", password)
    try:
        return str(_OPAQUE.enforce(text))
    except UnicodeEncodeError:
        return text


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Return what an unknown user's password is compared with: a hash of nothing that is as much work as a real one."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v=19${cost}${salt}${digest}"
