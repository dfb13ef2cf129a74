"""Passwords: right, wrong, of no account, hashed again, and never too many at a time."""

import asyncio
import threading
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from gateway.errors import Unavailable
from gateway.security.passwords import THREADS, WAITING, Passwords

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(CHEAP)
    yield made
    made.close()


async def test_only_the_password_matches(passwords: Passwords) -> None:
    stored = await passwords.hash("right")
    assert "right" not in stored
    assert await passwords.verify(stored, "right")
    assert not await passwords.verify(stored, "wrong")
    assert await passwords.hash("right") != stored  # salted


async def test_an_unknown_user_costs_as_much_as_a_known_one(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, stored: str, password: str) -> bool:
        computed.append(stored)
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    assert not await passwords.verify(None, "right")
    assert not await passwords.verify(None, "")
    assert len(computed) == 2
    assert [extract_parameters(stored) for stored in computed] == [extract_parameters(await passwords.hash("x"))] * 2
    assert not any(passwords.needs_rehash(stored) for stored in computed)  # made as expensive as everybody's


async def test_a_damaged_hash_matches_nothing(passwords: Passwords) -> None:
    for damaged in ("", "plain", "$argon2id$v=19$m=8,t=1,p=1$broken"):
        assert not await passwords.verify(damaged, "plain")


async def test_old_parameters_are_detected(passwords: Passwords) -> None:
    assert passwords.needs_rehash(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("x"))
    assert not passwords.needs_rehash(await passwords.hash("x"))


async def test_argon2_parameters_follow_the_rfc() -> None:
    passwords = Passwords()
    used = extract_parameters(await passwords.hash("x"))
    passwords.close()
    assert (used.type, used.memory_cost, used.time_cost) == (Type.ID, 65536, 3)


async def test_hashing_does_not_block_the_loop_and_is_bounded(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, running, most = threading.Event(), set[int](), 0
    lock = threading.Lock()

    def held(_self: PasswordHasher, _stored: str, _password: str) -> bool:
        nonlocal most
        with lock:
            running.add(threading.get_ident())
            most = max(most, len(running))
        gate.wait(5)
        with lock:
            running.discard(threading.get_ident())
        return True

    monkeypatch.setattr(PasswordHasher, "verify", held)
    logins = [asyncio.create_task(passwords.verify("x", "y")) for _ in range(THREADS + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await passwords.verify("x", "y")
    logins.pop().cancel()  # who goes away from the line frees a place
    await asyncio.sleep(0)
    logins.append(asyncio.create_task(passwords.verify("x", "y")))
    await asyncio.sleep(0)
    gate.set()
    assert all(await asyncio.gather(*logins))
    assert most <= THREADS
    assert await passwords.verify("x", "y")


async def test_rehashes_are_bounded_like_other_hashes(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def counting(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*values: Any) -> Any:
            nonlocal at_work, most
            with lock:
                at_work += 1
                most = max(most, at_work)
            try:
                return work(*values)
            finally:
                with lock:
                    at_work -= 1

        return run

    old = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("secret")
    for name in ("hash", "verify"):
        monkeypatch.setattr(PasswordHasher, name, counting(getattr(PasswordHasher, name)))

    async def log_in() -> None:
        assert await passwords.verify(old, "secret")
        assert await passwords.is_outdated(old, "secret")
        await passwords.hash("secret")

    await asyncio.gather(*(log_in() for _ in range(20)))
    assert most <= THREADS


async def test_waiting_calls_fail_at_close(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(PasswordHasher, "hash", lambda *_: str(gate.wait(5)))
    registering = [asyncio.create_task(passwords.hash("x")) for _ in range(THREADS + 1)]
    await asyncio.sleep(0)
    passwords.close()
    gate.set()
    *begun, waiting = await asyncio.gather(*registering, return_exceptions=True)
    assert begun == ["True"] * THREADS
    assert isinstance(waiting, Unavailable)
    with pytest.raises(Unavailable):
        await passwords.hash("x")


NFC, NFD = "비밀번호 café", unicodedata.normalize("NFD", "비밀번호 café")


@pytest.mark.parametrize(
    ("typed", "again"), [(NFC, NFD), (NFD, NFC), ("Ｐａｓｓ", "Pass"), ("a\x00b",) * 2, ("\U0001fae9",) * 2]
)  # fmt: skip
async def test_compositions_of_a_password_are_equal(passwords: Passwords, typed: str, again: str) -> None:
    stored = await passwords.hash(typed)
    assert await passwords.verify(stored, again)
    assert not await passwords.is_outdated(stored, again)


async def test_a_hash_of_an_unnormalised_password_matches_and_is_outdated(passwords: Passwords) -> None:
    stored = CHEAP.hash(NFD)
    assert await passwords.verify(stored, NFD)
    assert await passwords.is_outdated(stored, NFD)
    assert not await passwords.verify(stored, "wrong")
    assert not await passwords.verify(None, NFD)
