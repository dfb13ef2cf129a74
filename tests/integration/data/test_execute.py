"""`dorami db execute`: what it refuses, what it answers, and that nothing of it writes unless it is said."""

import asyncio
import json
from collections.abc import Callable

import pytest

from gateway.data.statement import bare, execute
from gateway.data.stops import Code, Stop
from gateway.data.target import Target, mark
from gateway.postgres.databases import MAIN
from tests.integration.data.terminal import at_terminal, dorami, fetchval, interrupt, right, run, wrong

Environment = Callable[..., dict[str, str]]

REFUSED = [
    "UPDATE users SET username = 'x'",
    "DELETE FROM users",
    "INSERT INTO rooms (name, epoch, seq) VALUES ('r', gen_random_uuid(), 0)",
    "TRUNCATE users",
    "DROP TABLE users",
    "CREATE TABLE t (id int)",
    "COPY users TO PROGRAM 'id'",
    "COPY users TO STDOUT",
    "DO $$ BEGIN DELETE FROM users; END $$",
    "CALL anything()",
    "SET transaction_read_only = off",
    "RESET ALL",
    "BEGIN",
    "COMMIT; DELETE FROM users",
    "ROLLBACK",
    "VACUUM users",
    "LOCK TABLE users",
    "LISTEN x",
    "GRANT ALL ON users TO PUBLIC",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT \"set_config\"('transaction_read_only', 'off', true)",
    "WITH w AS (SELECT set_config('transaction_read_only', 'off', false)) SELECT * FROM w",
    "SELECT pg_terminate_backend(1)",
    "SELECT '--', pg_terminate_backend(1)",
    "SELECT 'it''s /*', pg_terminate_backend(1), '*/'",
    "SELECT E'\\'', pg_terminate_backend(1) -- '",
    "/* DELETE */ DELETE FROM users",
    "-- SELECT\nDELETE FROM users",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_read_file('/etc/passwd')",
]
POSTGRES_REFUSES = [
    "WITH gone AS (DELETE FROM users RETURNING 1) SELECT * FROM gone",
    "SELECT nextval('order_items_id_seq')",
    "SELECT * INTO t FROM users",
    "SELECT * FROM users FOR UPDATE",
    "EXPLAIN ANALYZE DELETE FROM users",
    "SELECT 1; DELETE FROM users",
]


async def test_statements_that_write_are_refused(target: Target) -> None:
    async with target.connect(read_only=True) as connection:
        await connection.execute("RESET default_transaction_read_only")  # the rules alone, without the session's help
        for statement in REFUSED:
            with pytest.raises(Stop) as stop:
                await execute(connection, statement, write=False, limit=10, seconds=2)
            assert stop.value.code is Code.REFUSED, statement
        for statement in POSTGRES_REFUSES:
            with pytest.raises(Exception, match=r"read-only|multiple commands|one statement"):
                await execute(connection, statement, write=False, limit=10, seconds=2)
        assert await connection.fetchval("SELECT to_regclass('users') IS NOT NULL")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("  select 1 ; ", "select 1"),
        ("select 'a;b' -- c\n;", "select ''"),
        ("/* a */ (TABLE users)", "(TABLE users)"),
        ("select $x$ delete $x$", "select ''"),
    ],
)
def test_the_words_of_a_statement(statement: str, words: str) -> None:
    assert bare(statement) == words


async def test_results_as_table_json_and_csv(environment: Environment) -> None:
    statement = "SELECT n, '이름,' || n AS name, NULL AS none, ARRAY[1, 2] AS list FROM generate_series(1, 3) n"
    table = await dorami("execute", "-d", "main", "-c", statement, "--limit", "2", environment=environment())
    assert table.code == 0
    assert table.out.splitlines() == [
        "n  name    none  list",
        "-  ------  ----  ------",
        "1  이름,1  NULL  [1, 2]",
        "2  이름,2  NULL  [1, 2]",
    ]
    assert table.err.splitlines() == ["2 rows", "there are more: these are the first 2 (--limit)"]

    csv = await dorami("execute", "-d", "main", "-c", statement, "--format", "csv", environment=environment())
    assert csv.out.splitlines()[:2] == ["n,name,none,list", '1,"이름,1",,"[1, 2]"']

    result = await dorami("execute", "-d", "main", "-f", "-", "--json", stdin=statement, environment=environment())
    answer = json.loads(result.out)
    assert answer["ok"]
    assert answer["rows"][2] == {"n": 3, "name": "이름,3", "none": None, "list": [1, 2]}


async def test_a_statement_that_takes_too_long_is_ended(environment: Environment) -> None:
    slow = ("execute", "-d", "main", "-c", "SELECT pg_sleep(30)", "--timeout", "200ms")
    said = await dorami(*slow, environment=environment())
    assert said == (4, "", "this took too long and was ended\n")


async def test_errors_are_one_line(environment: Environment) -> None:
    wrongly = await dorami("execute", "-d", "main", "-c", "SELEC 1", "--write", environment=environment())
    assert wrongly == (1, "", 'PostgreSQL refuses it: syntax error at or near "SELEC"\n')
    nothing = await dorami("execute", "-d", "main", "-c", " ; ", environment=environment())
    assert nothing == (2, "", "there is no statement\n")
    neither = await dorami("execute", "-d", "main", environment=environment())
    assert neither.code == 2
    unnamed = await dorami("execute", "-c", "SELECT 1", environment=environment())
    assert unnamed == (2, "", "say which database: -d main\n")
    form = await dorami("execute", "-d", "main", "-c", "SELECT 1", "--format", "xml", environment=environment())
    assert form.code == 2


WRITE = ("execute", "-d", "main", "--write", "-c", "INSERT INTO chat_settings_of_test VALUES (1)")
COUNT = "SELECT count(*) FROM chat_settings_of_test"


async def test_statements_may_write_with_the_option(environment: Environment, database_url: str) -> None:
    await run(database_url, "CREATE TABLE chat_settings_of_test (id int)")
    said = await dorami(*WRITE, environment=environment())
    assert said == (0, "INSERT 0 1\n", "")
    assert await fetchval(database_url, COUNT) == 1


@pytest.mark.parametrize("by", ["the setting", "the mark"])
async def test_production_asks_for_two_codes(
    by: str, environment: Environment, database_url: str, target: Target
) -> None:
    """Production by what it is started with, or only by what a node of production has left in the database."""
    await run(database_url, "CREATE TABLE chat_settings_of_test (id int)")
    if by == "the mark":
        assert await mark(target.settings, [MAIN]) == ["main"]
        assert await mark(target.settings, [MAIN]) == []
        where = environment()
    else:
        where = environment(APP_ENV="production", JWT_SECRET="a-secret-of-production-that-is-long-enough")

    refusals = [([wrong], 3), ([right, wrong], 3), ([interrupt], 130), ([right, interrupt], 130)]
    ended = await asyncio.gather(
        *(at_terminal(*WRITE, environment=where, replies=replies) for replies, _ in refusals),
        dorami(*WRITE, environment=where),
        dorami(*WRITE, "--consent", "main@000000000000", environment=where),
    )
    assert [said.code for said in ended] == [*(code for _, code in refusals), 3, 3]
    for said in ended:
        assert said.out == ""
        assert "Nothing" in said.err
    assert "--consent" not in ended[-2].err  # there is no such way in production
    assert await fetchval(database_url, COUNT) == 0

    said = await at_terminal(*WRITE, environment=where, replies=[right, right])
    assert said.code == 0, said.err
    assert "main (production, this machine)" in said.err
    assert await fetchval(database_url, COUNT) == 1


async def test_a_shell_can_only_read_unless_it_is_said(environment: Environment, database_url: str) -> None:
    await run(database_url, "CREATE TABLE chat_settings_of_test (id int)")
    insert = "INSERT INTO chat_settings_of_test VALUES (1); SELECT 'here'"
    said = await dorami("shell", "-d", "main", stdin=f"{insert};\n", environment=environment())
    assert said.code == 0, said.err
    assert "here" in said.out
    assert "cannot execute INSERT in a read-only transaction" in said.err
    assert await fetchval(database_url, COUNT) == 0
    wrote = await dorami("shell", "-d", "main", "--write", stdin=f"{insert};\n", environment=environment())
    assert wrote.code == 0, wrote.err
    assert await fetchval(database_url, COUNT) == 1
    production = environment(APP_ENV="production", JWT_SECRET="a-secret-of-production-that-is-long-enough")
    refused = await dorami("shell", "-d", "main", "--write", stdin=f"{insert};\n", environment=production)
    assert refused.code == 3
    assert await fetchval(database_url, COUNT) == 1
