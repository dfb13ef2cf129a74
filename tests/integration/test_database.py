"""The connections to a real PostgreSQL: what the tables refuse, what a cancelled call costs, and outages."""

import asyncio
import random
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from typing import Any, cast
from uuid import uuid4

import asyncpg
import psutil
import pytest
from tortoise.exceptions import IntegrityError
from tortoise.models import Model

from gateway.dev.servers import PostgresProcess
from gateway.errors import InvalidPayload, Unavailable
from gateway.keys import chat_room, room_log_name, viewers_room
from gateway.metrics import Metrics
from gateway.postgres import migrations
from gateway.postgres.client import PooledConnection
from gateway.postgres.database import Database
from gateway.postgres.errors import ConstraintError, UniqueError
from gateway.protocol.wire import Payload
from gateway.services.rooms.log import NewEvent, RoomLog, open_rooms
from gateway.settings import Settings
from models.main.message import Message
from models.main.product import Product
from models.main.room import RoomEvent
from models.main.stream import Stream
from models.main.user import User
from tests.support import frozen_postgres, make_settings
from tests.timing import allowed, until

SIZE = 3  # connections of the pool


@pytest.fixture
async def database(settings: Callable[..., Settings]) -> AsyncIterator[Database]:
    database = Database(settings(database_pool_size=SIZE), Metrics())
    await database.open()
    yield database
    await database.close()


async def a_stream() -> Stream:
    user = await User.create(email=f"{uuid4()}@example.com", username="ann", password_hash="-")
    return await Stream.create(key=uuid4().hex, title="A stream", host=user)


async def refuses(model: type[Model], right: dict[str, Any], *wrongs: dict[str, Any]) -> None:
    """Check that a table refuses rows that are valid except for the given values."""
    for wrong in wrongs:
        try:
            await model.create(**(right | wrong))
        except IntegrityError:
            continue
        pytest.fail(f"{wrong} was stored")


# --- what the tables refuse -----------------------------------------------------------------------------------------


async def test_a_wrong_account_is_refused(database: Database) -> None:
    right: dict[str, Any] = {"email": "ann@example.com", "username": "ann", "password_hash": "-"}
    await refuses(
        User,
        right,
        {"email": "Ann@example.com"},
        {"email": ""},
        {"username": ""},
        {"role": "GUEST"},
        {"status": "SUSPENDED"},
        {"status": "GONE"},
        {"suspended_reason": "for no reason"},
    )
    await User.create(**right)
    await refuses(User, right, {})


async def test_a_wrong_stream_is_refused(database: Database) -> None:
    stream = await a_stream()
    right: dict[str, Any] = {"key": "other", "title": "Another", "host_id": stream.host_id}
    await refuses(
        Stream,
        right,
        {"key": "with space"},
        {"title": ""},
        {"status": "PAUSED"},
        {"status": "LIVE"},
        {"started_at": "2026-11-21T12:00:00Z"},
        {"status": "ENDED", "ended_at": "2026-11-21T12:00:00Z"},
        {"status": "ENDED", "started_at": "2026-11-21T12:00:01Z", "ended_at": "2026-11-21T12:00:00Z"},
        {"peak_viewers": -1},
        {"host_id": uuid4()},
    )
    await Stream.create(**right)


async def test_a_wrong_product_is_refused(database: Database) -> None:
    stream = await a_stream()
    right: dict[str, Any] = {"stream_id": stream.key, "name": "Cup", "price": 1, "stock": 1}
    await refuses(
        Product,
        right,
        {"stock": -1},
        {"price": -1},
        {"original_price": -1},
        {"discount_rate": 101},
        {"version": 0},
        {"name": ""},
        {"stream_id": "no-such-stream"},
    )
    await Product.create(**right)


async def test_a_wrong_message_is_refused(database: Database) -> None:
    stream = await a_stream()
    right: dict[str, Any] = {
        "stream_id": stream.key,
        "seq": 1,
        "sender_id": str(stream.host_id),
        "user_id": stream.host_id,
        "username": "ann",
        "role": "USER",
        "text": "hello",
        "client_message_id": "c-1",
        "created_at": "2026-11-21T12:00:00Z",
    }
    await refuses(
        Message,
        right,
        {"seq": 0},
        {"text": ""},
        {"text": None},
        {"deleted_at": "2026-11-21T12:00:00Z"},
        {"role": "GUEST"},
        {"role": "KING"},
        {"user_id": None},
        {"user_id": uuid4()},
        {"sender_id": "somebody else"},
        {"user_id": None, "sender_id": "", "role": "GUEST"},
        {"stream_id": "no-such-stream"},
    )
    await Message.create(**right)
    await Message.create(**(right | {"seq": 2, "user_id": None, "sender_id": "guest-1", "role": "GUEST"}))
    await refuses(Message, right, {"client_message_id": "c-2"}, {"seq": 3})


async def test_a_place_in_a_log_is_unique(database: Database) -> None:
    stream = await a_stream()
    async with database.transaction():
        await open_rooms(stream.key)
    event: dict[str, Any] = {"room_id": f"/chat live:{stream.key}", "seq": 1, "event": "x", "payload": {}}
    await RoomEvent.create(**event)
    await refuses(RoomEvent, event, {}, {"seq": 0})


BLOCKED = "SELECT pid FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"


async def test_events_are_deleted_with_their_room(database: Database) -> None:
    """Also one whose transaction the deletion waited for, which has the room's row locked."""
    stream = await a_stream()
    async with database.transaction():
        await open_rooms(stream.key)
    log, deleted, kept = RoomLog(database), chat_room(stream.key), viewers_room(stream.key)
    async with database.transaction():
        await log.append([NewEvent(room, "x", Payload()) for room in (deleted, kept)])

    async def delete() -> None:
        await database.query("DELETE FROM rooms WHERE name = $1", room_log_name(deleted))

    async with database.transaction():
        await log.append([NewEvent(deleted, "x", Payload())])
        # In a new context, so that it has a connection of its own.
        deletion = asyncio.get_running_loop().create_task(delete(), context=Context())
        await until(lambda: database.query(BLOCKED), what="the deletion waits")
    await deletion
    assert not await RoomEvent.exists(room_id=room_log_name(deleted))
    assert await RoomEvent.exists(room_id=room_log_name(kept))


async def test_a_text_with_nul_is_an_invalid_payload(database: Database) -> None:
    with pytest.raises(InvalidPayload):
        async with database.guard("test"):
            await User.create(email="a\x00@example.com", username="a", password_hash="-")
    with pytest.raises(InvalidPayload):
        async with database.guard("test"):
            await database.query("SELECT $1::text::jsonb", '"\\u0000"')


async def test_constraint_errors_do_not_quote_rows(database: Database) -> None:
    """An error that nobody expected is logged with its traceback, in which no hash and no address may be."""
    fields = {"email": "ann@example.com", "username": "ann", "password_hash": "secret-hash"}

    async def create(**wrong: str) -> None:
        async with database.guard("test"):
            await User.create(**cast("Any", fields | wrong))

    await create()
    for wrong, error in (({}, UniqueError), ({"email": "Ann@example.com"}, ConstraintError)):
        with pytest.raises(error) as refused:
            await create(**wrong)
        text = "".join(traceback.format_exception(refused.value))
        assert "secret-hash" not in text
        assert "ann@example.com" not in text.lower()


# --- transactions and cancelling ------------------------------------------------------------------------------------


async def test_an_exception_rolls_back(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction():
            await a_stream()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await Stream.all().count() == 0
    async with database.transaction():
        await a_stream()
        assert await Stream.all().count() == 1
    assert await Stream.all().count() == 1


async def work(database: Database) -> None:
    async with database.guard("test"), database.transaction():
        await User.create(email=f"{uuid4()}@example.com", username="ann", password_hash="-")
        await database.query("SELECT pg_sleep(0.001)")


async def all_slots_are_there(database: Database) -> None:
    """All connections of the pool can be in use at once, and none has a transaction left open."""
    together = asyncio.Barrier(SIZE)

    async def hold() -> None:
        async with database.guard("test"), database.transaction():
            await database.query("SELECT 1")
            await together.wait()

    await asyncio.gather(*(hold() for _ in range(SIZE)))


async def test_a_cancelled_transaction_loses_no_connection(database: Database) -> None:
    dice = random.Random(20261121)
    for _ in range(10):
        tasks = [asyncio.create_task(work(database)) for _ in range(10)]
        for task in tasks:
            for _ in range(dice.randrange(8)):
                await asyncio.sleep(0)
            await asyncio.sleep(dice.choice((0, 0, 0.001)))  # cancel in any state of the transaction
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        await all_slots_are_there(database)


async def test_cancellation_while_a_transaction_begins(database: Database) -> None:
    """Every turn of the loop from the call to the end of a transaction is tried."""
    for turns in range(60):
        task = asyncio.create_task(work(database))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await all_slots_are_there(database)


async def test_a_pool_without_a_free_connection_is_unavailable(settings: Callable[..., Settings]) -> None:
    database = Database(settings(database_pool_size=1, database_timeout="200ms"), Metrics())
    await database.open()
    try:
        async with database.transaction():
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                await asyncio.create_task(other_work(database))
            assert time.monotonic() - begun < allowed(1)
        await other_work(database)
    finally:
        await database.close()


async def other_work(database: Database) -> None:
    async with database.guard("test"), database.transaction():
        await database.query("SELECT 1")


async def test_a_slow_statement_is_cancelled_on_the_server(settings: Callable[..., Settings]) -> None:
    database = Database(settings(database_timeout="200ms"), Metrics())
    await database.open()
    running = "SELECT count(*) AS running FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(5)%'"
    try:
        with pytest.raises(Unavailable):
            async with database.guard("test"):
                await database.query("SELECT pg_sleep(5)")

        async def cancelled() -> bool:
            return bool((await database.query(running))[0]["running"] == 1)  # this query itself

        await until(cancelled, what="the server has cancelled the statement")
    finally:
        await database.close()


# --- while it is away -----------------------------------------------------------------------------------------------


@pytest.fixture
async def fragile(own_postgres: PostgresProcess) -> AsyncIterator[Database]:
    """Return a database on a server of this test's own."""
    settings = make_settings(database_url=own_postgres.url, database_pool_size=SIZE)
    await migrations.migrate(settings)
    database = Database(settings, Metrics())
    await database.open()
    yield database
    await database.close()


async def fails_within(seconds: float, database: Database) -> None:
    """Twice as many calls as connections are all told that it is away, in time."""
    begun = time.monotonic()
    results = await asyncio.gather(*(work(database) for _ in range(2 * SIZE)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * (2 * SIZE)
    assert time.monotonic() - begun < allowed(seconds)  # one DATABASE_TIMEOUT is 1.8 s
    assert await database.ping() is False


async def test_pool_recovers_from_a_killed_server(fragile: Database, own_postgres: PostgresProcess) -> None:
    await work(fragile)
    own_postgres.kill()
    await fails_within(1, fragile)
    await asyncio.to_thread(own_postgres.start)
    assert await fragile.ping()
    await all_slots_are_there(fragile)
    assert await User.all().count() == 1


async def test_server_killed_during_a_transaction(fragile: Database, own_postgres: PostgresProcess) -> None:
    async def be_cut() -> None:
        async with fragile.guard("test"), fragile.transaction():
            await a_stream()
            backends = psutil.Process(own_postgres.pid).children()
            own_postgres.kill()
            await asyncio.to_thread(psutil.wait_procs, backends, allowed(5))  # they notice that the server is gone
            await a_stream()

    with pytest.raises(Unavailable):
        await be_cut()
    await asyncio.to_thread(own_postgres.start)
    assert await fragile.ping()
    assert await User.all().count() == 0
    await all_slots_are_there(fragile)


async def test_pool_recovers_from_a_frozen_server(fragile: Database, own_postgres: PostgresProcess) -> None:
    await all_slots_are_there(fragile)
    with frozen_postgres(own_postgres):
        await fails_within(3, fragile)
        await until(lambda: fragile.watch.away, within=5)
        begun = time.monotonic()
        for _ in range(50):  # later calls fail at once
            with pytest.raises(Unavailable):
                await work(fragile)
        assert time.monotonic() - begun < allowed(1.8)
    assert await fragile.ping()
    await all_slots_are_there(fragile)


DESCRIPTIONS = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'WITH RECURSIVE typeinfo%'"


async def test_built_in_types_are_described_once_in_a_process(database_url: str) -> None:
    found = []
    for _ in range(2):
        connection = await asyncpg.connect(database_url, connection_class=PooledConnection)
        ids = [uuid4(), uuid4()]
        assert await connection.fetchval("SELECT $1::uuid[]", ids) == ids
        found.append(await connection.fetchval(DESCRIPTIONS))
        await connection.close()
    assert found[1] == 0


async def test_an_unreachable_server_prevents_the_start() -> None:
    database = Database(make_settings(), Metrics())
    with pytest.raises(Unavailable):
        await database.open()


# --- a server that answers and takes no writes ----------------------------------------------------------------------


async def test_a_read_only_server_counts_as_unavailable(own_postgres: PostgresProcess) -> None:
    settings = make_settings(database_url=own_postgres.url, database_pool_size=SIZE)
    await migrations.migrate(settings)
    database = Database(settings, Metrics())
    await database.open()
    other = await asyncpg.connect(own_postgres.url)
    try:
        assert await database.ping()
        before = await pids(database)
        await other.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await other.execute("SELECT pg_reload_conf()")
        await until(lambda: unwritable(database), within=5)
        for _ in range(SIZE):
            with pytest.raises(Unavailable):
                async with database.guard("write"):
                    await User.create(email=f"{uuid4()}@example.com", username="ann", password_hash="-")
        assert not await database.ping()
        async with database.guard("read"):
            assert await User.all().count() == 0, "reading goes on"

        await other.execute("SET default_transaction_read_only = off")
        await other.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await other.execute("SELECT pg_reload_conf()")
        await until(database.ping, within=5)
        async with database.guard("write"):
            await User.create(email=f"{uuid4()}@example.com", username="ann", password_hash="-")
        assert not before & await pids(database), "connections whose write was refused were given up"
    finally:
        await other.close()
        await database.close()


async def test_a_full_disk_makes_the_node_unready_until_a_write_succeeds(database: Database) -> None:
    # A full disk cannot be had on every machine: the table answers with its SQLSTATE, as PostgreSQL does.
    await database.query("CREATE TABLE full_disk (n int)")
    await database.query("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$
    """)
    await database.query("CREATE TRIGGER refuses BEFORE INSERT ON full_disk EXECUTE FUNCTION refuse()")
    assert await database.ping()
    with pytest.raises(Unavailable):
        async with database.guard("write"):
            await database.query("INSERT INTO full_disk VALUES (1)")
    assert database._metrics.database_writable._value.get() == 0
    assert await database.ping(), "the probe writes to a table of its own, and succeeds"
    assert database._metrics.database_writable._value.get() == 1


@pytest.mark.parametrize("code", ["25006", "53100", "53300", "57P01", "57P03", "58030", "08006", "25P03"])
async def test_server_errors_that_mean_unavailable(database: Database, code: str) -> None:
    with pytest.raises(Unavailable):
        async with database.guard("write"):
            await database.query(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")


async def pids(database: Database) -> set[int]:
    """Return the server's processes behind all connections of the pool."""

    async def one(ready: asyncio.Barrier) -> int:
        async with database._client.lease() as connection:
            await ready.wait()
            return cast("int", connection.get_server_pid())

    barrier = asyncio.Barrier(SIZE)
    return set(await asyncio.gather(*(one(barrier) for _ in range(SIZE))))


async def unwritable(database: Database) -> bool:
    return not await database.ping()
