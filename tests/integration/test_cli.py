"""The command line, as an operator and a developer use it: real processes, their lines and their exit codes."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil
import pytest
import redis.asyncio
import structlog
from pydantic import SecretStr

from gateway.commands.users import warn_without_admin
from gateway.dev.servers import RedisProcess
from gateway.security.principal import Role
from gateway.security.tokens.tokens import Tokens
from gateway.seeds import main as seeds
from gateway.settings import DEVELOPMENT_SECRET
from tests.conftest import StartNode
from tests.support import make_settings, server_folder
from tests.timing import time_limit, until

START = 30.0  # s that `dorami dev` may take, on a busy machine


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: list[str]
    err: list[str]


async def dorami(*arguments: str, stdin: str = "", **environment: str) -> Said:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments),
        env={"PATH": os.environ["PATH"], **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Said(process.returncode, out.decode().splitlines(), err.decode().splitlines())


@pytest.fixture
def environment(database_url: str, redis_url: str) -> dict[str, str]:
    """Return the environment of a valid development node."""
    return {
        "APP_ENV": "development",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "JWT_SECRET": DEVELOPMENT_SECRET,
    }


# --- for operators ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("serve",), ("check",), ("db", "migrate"), ("token", "--user", "x"), ("user", "list")]
)
async def test_mistakes_in_the_settings_are_one_line_each(command: tuple[str, ...]) -> None:
    said = await dorami(*command, DATABASE_URL="nonsense", JWT_SECRET="short")
    assert said.code == 2
    assert said.out == []
    assert [line.partition(":")[0] for line in said.err] == ["DATABASE_URL", "REDIS_URL", "JWT_SECRET"]


@pytest.mark.parametrize("command", ["serve", "check"])
async def test_an_invalid_key_is_one_line(command: str, environment: dict[str, str]) -> None:
    said = await dorami(command, **environment | {"JWT_PRIVATE_KEY": "a-key-that-is-none"})
    assert said == Said(2, [], ["JWT_PRIVATE_KEY: not a private key in PEM without a password"])


async def test_a_worker_reports_missing_requirements(environment: dict[str, str], tmp_path: Path) -> None:
    assert await dorami("worker", **environment) == Said(
        2, [], ["MEDIA_FOLDER: a job worker needs the folder of the recordings"]
    )
    said = await dorami("worker", **environment | {"MEDIA_FOLDER": str(tmp_path / "none")})
    assert said == Said(2, [], ["MEDIA_FOLDER: there is no such folder"])
    said = await dorami("worker", **environment | {"MEDIA_FOLDER": str(tmp_path), "FFMPEG": "no-ffmpeg"})
    assert said == Said(2, [], ["FFMPEG: there is no program no-ffmpeg; install ffmpeg, or say where it is"])


async def test_nodes_that_start_at_once_migrate_an_empty_database_once(
    start_node: StartNode, empty_database_url: str
) -> None:
    nodes = await asyncio.gather(*(start_node(DATABASE_URL=empty_database_url) for _ in range(3)))
    applied = [line for node in nodes for line in node.logs.splitlines() if line.startswith("Applied ")]
    assert applied
    assert len(applied) == len(set(applied))


async def test_a_node_without_migrations_does_not_start(environment: dict[str, str], empty_database_url: str) -> None:
    said = await dorami("serve", **environment | {"DATABASE_URL": empty_database_url, "MIGRATE_AT_START": "false"})
    assert (said.code, said.out) == (1, [])
    (line,) = said.err
    assert line.startswith("the database lacks 0_")
    assert line.endswith(": run `dorami db migrate`")


async def test_check_prints_a_line_for_each_part(environment: dict[str, str], empty_database_url: str) -> None:
    good = await dorami("check", **environment)
    parts = ["settings    ok (development)", "database    ok", "redis       ok (one server)", "migrations  ok"]
    assert good == Said(0, parts, [])

    empty = await dorami("check", **environment | {"DATABASE_URL": empty_database_url})
    assert empty.code == 1
    assert empty.out[:3] == good.out[:3]
    assert empty.out[3].startswith("migrations  missing: ")

    nowhere = {"DATABASE_URL": "postgresql://dorami:hunter2@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1"}
    away = await dorami("check", **environment | nowhere)
    assert away.code == 1
    assert away.out[1:] == [
        "database    does not answer: connection refused",
        "redis       does not answer: connection refused (one server)",
        "migrations  unknown, they are in the database",
    ]
    assert "hunter2" not in str(away)


@pytest.mark.parametrize("command", ["serve", "check"])
async def test_check_of_a_missing_database(command: str, environment: dict[str, str]) -> None:
    url = environment["DATABASE_URL"].replace("/test_", "/nobody_made_", 1)
    said = await dorami(command, **environment | {"DATABASE_URL": url})
    assert said.code == 1
    line = (
        "the database does not exist on its server"
        if command == "serve"
        else "database    does not exist on its server"
    )
    assert line in said.out + said.err


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize("access", ["", ":hunter2@", "mina:hunter2@"])
async def test_check_of_a_wrong_redis_password(
    command: str, access: str, environment: dict[str, str], own_redis: RedisProcess
) -> None:
    client = redis.asyncio.Redis.from_url(own_redis.url)
    await client.config_set("requirepass", "the right one")
    await client.aclose()
    path = own_redis.url.removeprefix("unix://")
    url = f"unix://{access}{path}" if own_redis.url.startswith("unix:") else own_redis.url.replace("//", f"//{access}")
    said = await dorami(command, **environment | {"REDIS_URL": url})
    problem = "refuses the user name or the password"
    assert said.code == 1
    line = f"redis {problem}" if command == "serve" else f"redis       {problem} (one server)"
    assert line in said.out + said.err
    assert "hunter2" not in str(said)


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize(("name", "parameter"), [("DATABASE_URL", "sslrootcert"), ("REDIS_URL", "ssl_ca_certs")])
async def test_a_missing_file(command: str, name: str, parameter: str, environment: dict[str, str]) -> None:
    url = {
        "DATABASE_URL": "postgresql://a:hunter2@127.0.0.1/x?sslmode=verify-full&",
        "REDIS_URL": "rediss://127.0.0.1?",
    }
    said = await dorami(command, **environment | {name: f"{url[name]}{parameter}=/no/such/ca.pem"})
    assert said == Said(2, [], [f"{name}: there is no such file as its {parameter} says"])


@pytest.mark.parametrize("host", ["::", "::1", "0.0.0.0", "unix:"])
async def test_a_node_logs_its_addresses(host: str, start_node: StartNode, tmp_path: Path) -> None:
    path = tmp_path / "node.sock"
    node = await start_node(HOST=f"unix:{path}" if host == "unix:" else host)
    connector = aiohttp.UnixConnector(str(path)) if host == "unix:" else aiohttp.TCPConnector()
    urls = ["http://node"] if host == "unix:" else [node.url]
    if host == "::":
        urls.append(f"http://127.0.0.1:{node.url.rpartition(':')[2]}")
    async with aiohttp.ClientSession(connector=connector) as session:
        for url in urls:
            async with session.get(f"{url}/api/v1/health/live") as response:
                assert response.status == 200
    await node.stop()
    assert not path.exists()


async def test_migrations_are_applied_once(environment: dict[str, str], empty_database_url: str) -> None:
    environment["DATABASE_URL"] = empty_database_url
    before = await dorami("db", "status", **environment)
    assert before.code == 1
    assert before.out
    first = await dorami("db", "migrate", **environment)
    assert first.code == 0
    assert [line.removeprefix("applied ") for line in first.out[:-1]] == [
        line.removeprefix("pending ") for line in before.out
    ]
    assert await dorami("db", "migrate", **environment) == Said(0, ["up to date"], [])
    assert await dorami("db", "status", **environment) == Said(0, ["up to date"], [])


async def test_a_token_is_issued_for_an_account(environment: dict[str, str]) -> None:
    settings = make_settings(database_url=environment["DATABASE_URL"])
    await seeds.sow(settings)
    tokens = Tokens(settings)

    minted = await dorami("token", "--user", "Admin@example.com", "--ttl", "2h", **environment)
    claims = tokens.verify_access(minted.out[0])
    assert claims.role is Role.ADMIN
    assert (claims.expires_at - claims.issued_at).total_seconds() == pytest.approx(7200, abs=1)

    by_id = await dorami("token", "--user", claims.user_id, **environment)
    assert tokens.verify_access(by_id.out[0]).user_id == claims.user_id

    environment["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
    guest = await dorami("token", "--user", "guest-1", "--role", "GUEST", **environment)
    assert tokens.verify_access(guest.out[0]).role is Role.GUEST, "an id with a role needs no database"
    away = await dorami("token", "--user", "admin@example.com", **environment)
    assert (away.code, away.out, away.err[-1]) == (1, [], "the database does not answer: connection refused")
    wrong = await dorami("token", "--user", "guest-1", "--role", "GUEST", "--ttl", "long", **environment)
    assert (wrong.code, wrong.err[0].partition(":")[0]) == (2, "JWT_EXPIRATION")


async def test_a_token_has_the_role_of_its_account(environment: dict[str, str]) -> None:
    settings = make_settings(database_url=environment["DATABASE_URL"])
    await seeds.sow(settings)
    said = await dorami("token", "--user", "host@example.com", "--role", "ADMIN", **environment)
    line = "host@example.com has the role HOST, and the account's role counts: `dorami user promote`"
    assert said == Said(1, [], [line])
    account = Tokens(settings).verify_access(
        (await dorami("token", "--user", "host@example.com", **environment)).out[0]
    )
    said = await dorami("token", "--user", account.user_id, "--role", "ADMIN", **environment)
    assert (said.code, said.out) == (1, [])
    assert (await dorami("token", "--user", account.user_id, "--role", "HOST", **environment)).code == 0


async def test_an_operator_manages_accounts(environment: dict[str, str], start_node: StartNode) -> None:
    secret, another = "correct horse", "another horse"

    async def user(*arguments: str, stdin: str = "") -> Said:
        said = await dorami("user", *arguments, stdin=stdin, **environment)
        assert secret not in str(said)
        assert another not in str(said)
        return said

    created = await user("create", "Boss@Example.com", "--name", "the admin", "--role", "admin", stdin=secret + "\n")
    assert (created.code, created.err) == (0, [])
    user_id, *rest = created.out[0].split("\t")
    assert rest == ["ADMIN", "ACTIVE", "boss@example.com", "the admin"]
    again = await user("create", "boss@example.com", "--name", "x", stdin=secret)
    assert again == Said(1, [], ["There is an account with this e-mail address"])
    for arguments, password, field in (
        (("create", "ann", "--name", "ann"), secret, "email"),
        (("create", "ann@example.com", "--name", "\u3164"), secret, "name"),
        (("create", "ann@example.com", "--name", "ann"), "short", "password"),
        (("create", "ann@example.com", "--name", "ann"), "", "password"),
        (("password", "boss@example.com"), "short", "password"),
    ):
        refused = await user(*arguments, stdin=password)
        assert (refused.code, refused.out, refused.err[0].partition(":")[0]) == (2, [], field)
    assert (await user("promote", "nobody@example.com", "--role", "HOST")).err == [
        "There is no account nobody@example.com"
    ]
    assert (await user("promote", user_id, "--role", "GUEST")).code == 2

    node = await start_node(DATABASE_URL=environment["DATABASE_URL"], REDIS_URL=environment["REDIS_URL"])
    async with aiohttp.ClientSession(f"{node.url}/api/v1/") as http:

        async def login(password: str) -> tuple[int, dict[str, Any]]:
            async with http.post("auth/login", json={"email": "boss@example.com", "password": password}) as response:
                return response.status, await response.json()

        async def me(session: dict[str, Any]) -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {session['accessToken']}"}
            async with http.get("auth/me", headers=headers) as response:
                body = await response.json()
                return response.status, body.get("role") or body["message"]

        async def becomes(session: dict[str, Any], expected: str) -> None:
            async def says() -> bool:
                return (await me(session))[1] == expected

            await until(says, what=expected, pause=0.2)

        status, session = await login(secret)
        assert status == 200
        assert await me(session) == (200, "ADMIN")
        assert (await user("promote", "boss@example.com", "--role", "moderator")).code == 0
        await becomes(session, "MODERATOR")
        assert (await user("suspend", user_id, "--reason", "gone")).out[0].split("\t")[1:3] == [
            "MODERATOR",
            "SUSPENDED",
        ]
        await becomes(session, "Account is suspended")
        assert (await user("suspend", user_id, "--lift")).code == 0
        assert (await user("password", user_id, stdin=another)).code == 0
        assert (await login(secret))[0] == 401
        assert (await login(another))[0] == 200

    listed = await user("list", "--json")
    [account] = json.loads("\n".join(listed.out))
    assert (account["id"], account["email"], account["role"], account["status"]) == (
        user_id, "boss@example.com", "MODERATOR", "ACTIVE"
    )  # fmt: skip
    assert (await user("list", "--role", "admin")) == Said(0, [], [])
    assert (await user("list")).out == ["\t".join((user_id, "MODERATOR", "ACTIVE", "boss@example.com", "the admin"))]
    away = environment | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    assert (await dorami("user", "list", **away)).err[-1:] == ["the database does not answer: connection refused"]


async def test_a_node_without_an_admin_logs_the_command_to_create_one(environment: dict[str, str]) -> None:
    settings = make_settings(
        app_env="production", database_url=environment["DATABASE_URL"], redis_url=environment["REDIS_URL"],
        jwt_secret=SecretStr("x" * 40),
    )  # fmt: skip
    with structlog.testing.capture_logs() as logs:
        await asyncio.to_thread(warn_without_admin, settings)
    assert "dorami user create" in logs[0]["command"]
    created = await dorami(
        "user", "create", "a@example.com", "--name", "a", "--role", "ADMIN", stdin="long enough", **environment
    )
    assert created.code == 0
    with structlog.testing.capture_logs() as logs:
        await asyncio.to_thread(warn_without_admin, settings)
    assert logs == []


async def test_an_unknown_account_gets_no_token(environment: dict[str, str]) -> None:
    said = await dorami("token", "--user", "nobody@example.com", **environment)
    assert said == Said(1, [], ["There is no account nobody@example.com"])


# --- for developers ---------------------------------------------------------------------------------------------------


class Development:
    """A running `dorami dev`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.urls: list[str] = []
        self.family: list[psutil.Process] = []  # every process that must not be left behind

    async def ready(self) -> None:
        """Wait until it says where it serves."""
        assert self.process.stdout is not None
        said = []
        async with time_limit(START):
            async for line in self.process.stdout:
                said.append(line.decode())
                if "http://" in said[-1]:
                    self.urls.append(said[-1].split()[-1])
                if "Ctrl-C" in said[-1]:
                    break
            else:
                raise AssertionError("".join(said))
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    async def says(self, word: str) -> str:
        """Wait for a line that has a word."""
        assert self.process.stdout is not None
        async with time_limit(START):
            async for line in self.process.stdout:
                if word in line.decode():
                    return line.decode().strip()
        raise AssertionError(f"it did not say {word}")

    async def end(self) -> tuple[int, list[psutil.Process]]:
        """Wait for its end; its exit code and who is left behind."""
        async with time_limit(START):
            await self.process.communicate()
        left = await asyncio.to_thread(lambda: psutil.wait_procs(self.family, 10)[1])
        assert self.process.returncode is not None
        return self.process.returncode, left


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """Return the folder that all these tests develop in, one after the other."""
    with server_folder() as folder:
        yield folder


async def development(data: Path, *arguments: str) -> Development:
    """Start `dorami dev` on free ports and wait until it is ready."""
    with (data / "stderr").open("wb") as complaints:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "dev", "--port", "0", "--data", str(data), *arguments),
            env={"PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
        )
    started = Development(process)
    try:
        await started.ready()
    except BaseException:
        started.process.kill()
        await started.process.communicate()
        raise
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_dev_leaves_no_process_behind(data: Path, number: signal.Signals) -> None:
    dev = await development(data)
    dev.process.send_signal(number)
    code, left = await dev.end()
    assert left == []
    assert code == (-number if number is signal.SIGKILL else 0)


async def test_two_nodes_share_the_servers_and_the_seeds(data: Path) -> None:
    dev = await development(data, "--nodes", "2")
    try:
        assert len(dev.urls) == 2
        async with aiohttp.ClientSession() as http:
            for url in dev.urls:
                body = {"email": "viewer1@example.com", "password": seeds.PASSWORD}
                async with http.post(f"{url}/api/v1/auth/login", json=body) as answer:
                    assert answer.status == 200, await answer.text()
    finally:
        dev.process.send_signal(signal.SIGTERM)
        assert await dev.end() == (0, [])


async def test_dead_processes_are_restarted(data: Path) -> None:
    dev = await development(data, "--nodes", "2", "--no-seed")
    try:
        nodes = [process for process in dev.family if "serve" in process.cmdline()]
        worker = next(process for process in dev.family if "worker" in process.cmdline())
        for node, (number, url) in zip(nodes, enumerate(dev.urls, 1), strict=True):
            node.kill()
            assert await dev.says("ended") == f"node-{number} ended by itself (SIGKILL): starting it again"
            assert await dev.says("again") == f"node-{number} is ready again: {url}"
            async with aiohttp.ClientSession() as http, http.get(f"{url}/api/v1/health/ready") as answer:
                assert answer.status == 200
        worker.kill()
        assert await dev.says("ended") == "the job worker ended by itself (SIGKILL): starting it again"
    finally:
        dev.family = psutil.Process(dev.process.pid).children(recursive=True)
        dev.process.send_signal(signal.SIGTERM)
        assert await dev.end() == (0, [])


@pytest.mark.parametrize(("title", "name"), [("PostgreSQL", "postgres"), ("Redis", "valkey-server")])
async def test_a_dead_server_ends_dev_and_is_named(data: Path, title: str, name: str) -> None:
    dev = await development(data, "--nodes", "2", "--no-seed")
    next(process for process in dev.family if process.name() == name).kill()
    assert await dev.end() == (1, [])
    said = (data / "stderr").read_text()
    assert f"{title} ended by itself (SIGKILL), {data}" in said
    assert "Traceback" not in said


async def test_a_second_dev_on_the_same_data_is_refused(data: Path) -> None:
    dev = await development(data, "--no-seed")
    try:
        second = await dorami("dev", "--port", "0", "--data", str(data))
        assert second.code == 1
        assert "another `dorami dev` uses" in second.err[0]
    finally:
        dev.process.send_signal(signal.SIGTERM)
        assert await dev.end() == (0, [])


async def test_dev_refuses_production(tmp_path: Path) -> None:
    said = await dorami("dev", "--data", str(tmp_path), APP_ENV="production")
    assert said.code == 2
    assert said.err == ["APP_ENV: `dorami dev` is for development, production has `dorami serve`"]
