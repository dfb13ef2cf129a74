"""Passwords as Argon2id hashes, computed off the event loop. Called by accounts and by the seeds."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from gateway.errors import Unavailable

THREADS = 2  # hashes at a time: each takes 64 MiB and about 0.2 s of a core
WAITING = 32  # hashes in line, about 4 s; whoever comes then is asked to come back, a flood of logins must not pile up

T = TypeVar("T")


class Passwords:
    """Hashes and verifies, never on the loop and only a few at a time.

    Raises Unavailable when too many wait, and for whoever still waits at `close` or comes after it.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        # A caller that goes away does not free its place before the hash is done or dropped.
        self._places = BoundedSemaphore(THREADS + WAITING)
        self._nobody = _hash_of_nothing(self._hasher)
        self._closed = False

    async def hash(self, password: str) -> str:
        """The hash to store."""
        return await self._run(partial(self._hasher.hash, password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash (there is no such user) it takes as long, and is not."""
        right = await self._run(partial(self._matches, password_hash or self._nobody, password))
        return right and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether a stored hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Let the threads end."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

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


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """What an unknown user's password is compared with: no password's, and as much work as a real one."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, digest = (b64encode(bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v=19${cost}${salt}${digest}"
