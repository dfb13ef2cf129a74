"""`dorami dev`: runs servers, migrations, seeds and nodes as one program, and stops all of them at the end."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import typer

from gateway import __version__, logs
from gateway.dev.server_process import StackError, ending, with_parent
from gateway.dev.servers import Stack, ffmpeg
from gateway.dev.video import film
from gateway.http.pages import VIDEO
from gateway.postgres.databases import ANALYTICS, configured
from gateway.settings import DEVELOPMENT_SECRET, MAIN_URL, Environment, Settings, SettingsError, load

WATCH = 0.1  # s between two checks whether all processes run
STOP = 30.0  # s for the nodes to drain; SHUTDOWN_TIMEOUT is shorter


@dataclass(frozen=True)
class Plan:
    """The options of the command line."""

    port: int  # of the first node; the others take the ports after it
    nodes: int
    data: Path  # the embedded servers' folder
    seed: bool


def develop(plan: Plan) -> None:
    """Run until Ctrl-C or SIGTERM. Restart nodes that end by themselves.

    Raises StackError if a process cannot start or a server ends by itself, SettingsError for a wrong environment.
    """
    if Environment.PRODUCTION in (os.environ.get("APP_ENV"), os.environ.get("NODE_ENV")):
        raise SettingsError(["APP_ENV: `dorami dev` is for development, production has `dorami serve`"])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # all like Ctrl-C, which a script's background job ignores
    try:
        with ExitStack() as opened:
            stack = _stack(opened, plan)
            environment = _environment(stack, plan)
            if not os.environ.get("MEDIA_FOLDER"):
                opened.enter_context(
                    film(environment.get("FFMPEG", "ffmpeg"), Path(environment["MEDIA_FOLDER"]) / VIDEO)
                )
            settings = load(**{name.lower(): value for name, value in environment.items()})
            logs.configure(settings)
            asyncio.run(_prepare(settings, stack, seed=plan.seed))
            nodes = opened.enter_context(Nodes(plan, environment))
            _welcome(nodes.wait_until_ready(), plan, stack)
            while True:
                time.sleep(WATCH)
                stack.check()
                nodes.revive()
    except KeyboardInterrupt:
        typer.echo("Stopped.")


class Nodes:
    """The gateway processes, and one job worker: a context manager that stops them all."""

    def __init__(self, plan: Plan, environment: Mapping[str, str]) -> None:
        self._plan = plan
        self._environment = {**os.environ, **environment}
        self._processes: list[subprocess.Popen[str]] = []
        self._urls: list[str] = []
        self._worker: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        for number in range(self._plan.nodes):
            port = self._plan.port and self._plan.port + number  # 0 stays 0: a free port
            self._processes.append(self._start(number, port))
        self._worker = self._spawn("worker", {"NODE_ID": "worker-1"})
        return self

    def _start(self, number: int, port: int) -> subprocess.Popen[str]:
        return self._spawn("serve", {"PORT": str(port), "NODE_ID": f"node-{number + 1}"})

    def _spawn(self, command: str, own: Mapping[str, str]) -> subprocess.Popen[str]:
        # A session of its own: Ctrl-C reaches only this process, which then stops all others in order.
        return subprocess.Popen(  # noqa: S603  the command is ours
            with_parent([sys.executable, "-m", "gateway", command], signal.SIGTERM),
            env={**self._environment, **own},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __exit__(self, *exception: object) -> None:
        """Let the nodes drain; a second Ctrl-C, or the end of STOP, kills them."""
        processes = [*self._processes, *([self._worker] if self._worker else [])]
        for process in processes:
            process.terminate()
        try:
            deadline = time.monotonic() + STOP
            for process in processes:
                process.wait(max(0.0, deadline - time.monotonic()))
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            for process in processes:
                process.kill()
                process.wait()

    def wait_until_ready(self) -> list[str]:
        """Return the URLs of the nodes. Raises StackError if a process ends instead; it has logged the reason."""
        self._urls = [_url(process) for process in self._processes]
        if self._worker is not None:
            _ready(self._worker, "the job worker")
        return self._urls

    def revive(self) -> None:
        """Restart processes that have ended by themselves, on the same ports. Raises StackError if one cannot start."""
        for number, process in enumerate(self._processes):
            if (code := process.poll()) is None:
                continue
            typer.echo(f"node-{number + 1} ended by itself ({ending(code)}): starting it again")
            self._processes[number] = self._start(number, int(self._urls[number].rpartition(":")[2]))
            typer.echo(f"node-{number + 1} is ready again: {_url(self._processes[number])}")
        if self._worker is not None and (code := self._worker.poll()) is not None:
            typer.echo(f"the job worker ended by itself ({ending(code)}): starting it again")
            self._worker = self._spawn("worker", {"NODE_ID": "worker-1"})
            _ready(self._worker, "the job worker")


def _url(process: subprocess.Popen[str]) -> str:
    """Return the URL of a node, once it serves."""
    return _ready(process, "a node").removeprefix("ready ")


def _ready(process: subprocess.Popen[str], what: str) -> str:
    """Return the line with which a process reports that it is ready."""
    assert process.stdout is not None  # noqa: S101  a pipe since its start
    line = process.stdout.readline().strip()
    if not line.startswith("ready"):
        raise StackError(f"{what} did not start")
    return line


def _stack(opened: ExitStack, plan: Plan) -> Stack:
    """Start the servers that the environment does not name."""
    named = {"postgres": any(map(os.environ.get, MAIN_URL)), "redis": os.environ.get("REDIS_URL")}
    return opened.enter_context(Stack(plan.data, **{server: not url for server, url in named.items()}))


def _environment(stack: Stack, plan: Plan) -> dict[str, str]:
    """Return the settings of all processes; the environment overrides the defaults."""
    defaults = {
        "JWT_SECRET": DEVELOPMENT_SECRET,
        "HOST": "127.0.0.1",
        "HTTP_RATE_LIMIT": "100/minute",  # one developer reloads more often than one visitor
        # Ctrl-C stops at once: there is no balancer, and few clients.
        "DRAIN_DELAY": "0s",
        "DRAIN_SPREAD": "0s",
    }
    if stack.postgres is not None:
        defaults["RDS_MAIN_URL"] = stack.postgres.url
        defaults["RDS_ANALYTICS_URL"] = stack.postgres.database_url(ANALYTICS.name)
    if stack.redis is not None:
        defaults["REDIS_URL"] = stack.redis.url
    if shutil.which("ffmpeg") is None and (program := ffmpeg()) is not None:
        defaults["FFMPEG"] = str(program)
    if not os.environ.get("MEDIA_FOLDER"):
        media = plan.data.resolve() / "media"
        media.mkdir(parents=True, exist_ok=True)
        defaults["MEDIA_FOLDER"] = str(media)
    defaults = {name: os.environ.get(name) or default for name, default in defaults.items()}
    return defaults | {"APP_ENV": Environment.DEVELOPMENT.value}


async def _prepare(settings: Settings, stack: Stack, *, seed: bool) -> None:
    """Migrate and seed the databases; create missing ones on our own server."""
    from gateway.postgres import migrations

    if stack.postgres is not None:
        await stack.postgres.create(ANALYTICS.name)
    for spec in configured(settings):
        for name in await migrations.migrate(settings, spec):
            typer.echo(f"Applied {name} to {spec.name}")
    if seed:
        from gateway.seeds import main as seeds

        if await seeds.sow(settings):
            typer.echo("Seeded")


def _welcome(urls: Sequence[str], plan: Plan, stack: Stack) -> None:
    typer.echo(f"\n  Dorami {__version__} is ready: {typer.style(urls[0], bold=True)}")
    for url in urls[1:]:
        typer.echo(f"  and on           {url}")
    if plan.seed:
        from gateway.seeds.main import PASSWORD, PEOPLE

        people = ", ".join(f"{person.email} ({person.role})" for person in PEOPLE)
        typer.echo(f"  Log in as        {people}")
        typer.echo(f"  Password         {PASSWORD}")
    typer.echo(f"  Data             {', '.join(str(server.folder) for server in stack.servers) or 'as you have set'}")
    typer.echo("  Ctrl-C stops everything.\n")
