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
WAITING = 32  # hashes that wait, about 4 s; further ones are refused with Unavailable

_OPAQUE = get_profile("OpaqueString")  # RFC 8265

T = TypeVar("T")


class Passwords:
    """Hashes and verifies passwords in a few threads.

    Different compositions of the same letters are the same password. Raises Unavailable if too many calls wait, and
    for calls that wait at `close` or are made after it.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        # A cancelled call is counted until its hash is done or dropped.
        self._pending = BoundedSemaphore(THREADS + WAITING)
        self._dummy_hash = _hash_of_nothing(self._hasher)
        self._closed = False

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        return await self._run(partial(self._hasher.hash, prepared(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Return whether the password matches. Without a hash (an unknown user) take as long, and return False.

        A hash from before passwords were normalised matches the password as it was typed.
        """
        matches = await self._run(partial(self._matches_any, password_hash or self._dummy_hash, password))
        return matches and password_hash is not None

    async def is_outdated(self, password_hash: str, password: str) -> bool:
        """Return whether a matching hash has old parameters or is of a password that was not normalised."""
        if self.needs_rehash(password_hash):
            return True
        normal = prepared(password)
        return normal != password and not await self._run(partial(self._matches, password_hash, normal))

    def needs_rehash(self, password_hash: str) -> bool:
        """Return whether a stored hash has other parameters than new hashes get."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Stop the threads without waiting for them."""
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
        if self._closed or not self._pending.acquire(blocking=False):
            raise Unavailable("passwords")
        job = self._threads.submit(work)
        job.add_done_callback(lambda _: self._pending.release())
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if self._closed:  # `close` cancels pending work, and so its callers
                raise Unavailable("passwords") from None
            raise


def prepared(password: str) -> str:
    """Return a password in the form that is hashed: NFKC, with each kind of space as U+0020 (RFC 8265, OpaqueString).

    A password that the profile refuses, with a control character or one that is new in Unicode, is only normalised.
    """
    text = unicodedata.normalize("NFKC", password)
    try:
        return str(_OPAQUE.enforce(text))
    except UnicodeEncodeError:
        return text


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Return a hash of nothing, as costly to verify as a real one, for passwords of unknown users."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v=19${cost}${salt}${digest}"
