"""The command line: `dorami serve | reload | worker | check | …`. Each command imports what it needs when run."""

import asyncio
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway import __version__
from gateway.backup.cli import backup
from gateway.commands.analytics import analytics
from gateway.commands.output import USAGE, fail, settings_of_environment
from gateway.commands.users import users, warn_without_admin
from gateway.data.cli import db
from gateway.errors import GatewayError, NotFound, Unavailable
from gateway.security.principal import Role
from gateway.server_problems import Misconfigured, OperatorError, explain
from gateway.settings import Settings, SettingsError

cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Dorami Gateway.")
cli.add_typer(db, name="db")
cli.add_typer(backup, name="backup")
cli.add_typer(users, name="user")
cli.add_typer(analytics, name="analytics")


def main() -> None:
    """Run a command. Print an expected error as lines on stderr, one for each mistake, without a traceback."""
    try:
        cli()
    except SettingsError as error:
        fail(*error.lines, code=USAGE)
    except Unavailable as error:
        fail(f"the {error.what} {explain(error)}")
    except Misconfigured as error:
        fail(error.problem)
    except OperatorError as error:
        fail(str(error), code=error.code)
    except GatewayError as error:
        fail(error.message)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dorami {__version__}")
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Dorami Gateway."""


@cli.command(epilog="Example: dorami serve --workers max")
def serve(
    workers: Annotated[
        str | None, typer.Option(help="How many processes share the port, or `max`: one for each core. WORKERS.")
    ] = None,
) -> None:
    """Serve one node until SIGTERM or SIGINT. Prints `ready <url>` on stdout when it accepts connections.

    Applies missing migrations first. If several nodes start, one applies them and the others wait. With
    MIGRATE_AT_START off it exits instead: on a database without them every request would fail.

    With several workers a master starts, watches and replaces them: `dorami reload`, or SIGHUP.
    """
    settings = settings_of_environment(**({} if workers is None else {"workers": workers}))

    def ready(url: str) -> None:
        typer.echo(f"ready {url}")

    if settings.worker_count == 1:
        _prepare(settings)
    try:
        if settings.worker_count > 1:
            from gateway.workers.master import Master

            sys.exit(asyncio.run(Master(settings, settings.worker_count, ready).run()))
        import uvloop

        from gateway import app

        uvloop.run(app.serve(settings, ready=ready))
    except OSError as error:
        fail(f"cannot serve on {settings.host}:{settings.port}: {error.strerror or error}")


@cli.command(hidden=True)
def prepare() -> None:
    """Apply migrations and check the database before workers start; the master runs it once for all of them."""
    _prepare(settings_of_environment())


@cli.command(epilog="Example: dorami reload")
def reload() -> None:
    """Replace the workers of this machine's node one after the other. Fails if a new one does not start.

    HOST and PORT select the node. The new workers run the code that is installed now, with the environment of their
    master.
    """
    settings = settings_of_environment()
    from gateway.process import listen_addresses
    from gateway.workers import control

    url = listen_addresses.url(settings.host, settings.port)
    try:
        replaced = asyncio.run(control.ask(url, typer.echo))
    except OSError:
        fail(f"no `dorami serve --workers` of this user serves on {url}")
    if not replaced:
        sys.exit(1)


@cli.command(epilog="Example: dorami worker")
def worker() -> None:
    """Run jobs until SIGTERM or SIGINT; start as many workers as the work needs. Prints `ready` when it takes jobs.

    A worker that stops returns its running jobs to the queue for other workers. It applies no migrations.
    """
    settings = settings_of_environment()
    import uvloop

    from gateway import job_worker

    try:
        uvloop.run(job_worker.work(settings, ready=lambda: typer.echo("ready")))
    except OSError as error:
        fail(f"cannot show metrics on {settings.host}:{settings.metrics_port}: {error.strerror or error}")


@cli.command(epilog="Example: dorami dev --nodes 3")
def dev(
    port: Annotated[int, typer.Option(help="Port of the first node.", envvar="PORT", min=0, max=65535)] = 3001,
    nodes: Annotated[int, typer.Option(help="How many nodes, on consecutive ports.", min=1, max=16)] = 1,
    data: Annotated[Path, typer.Option(help="Where the embedded servers keep their data.")] = Path(".dorami"),
    seed: Annotated[bool, typer.Option(help="Make the users, the stream and the products of the demo.")] = True,
) -> None:
    """Start all for development: servers, migrations, seeds, nodes. DATABASE_URL and REDIS_URL are used when set."""
    try:
        from gateway.dev.launcher import Plan, develop
        from gateway.dev.server_process import StackError
    except ImportError as error:
        fail(f"{error.name} is not installed: `dorami dev` needs requirements/stack.txt")
    try:
        develop(Plan(port, nodes, data, seed))
    except StackError as error:
        fail(str(error))


@cli.command(epilog="Example: dorami check")
def check() -> None:
    """Check the settings, the database, Redis and the migrations, one line each. Fails if one of them is wrong."""
    settings = settings_of_environment()
    from gateway.security.tokens.tokens import Tokens

    Tokens(settings)  # an invalid key is a mistake in the settings, too
    typer.echo(f"settings    ok ({settings.app_env.value})")
    if not asyncio.run(_check(settings)):
        sys.exit(1)


@cli.command(epilog="Example: dorami token --user viewer1@example.com --ttl 2h")
def token(
    user: Annotated[str, typer.Option(help="E-mail address or id of the account, or the id of a guest.")],
    role: Annotated[
        Role | None,
        typer.Option(help="Fail unless the account has this role: it is the account's role that counts."),
    ] = None,
    ttl: Annotated[str | None, typer.Option(help='How long it lasts, like "15m"; JWT_EXPIRATION if not given.')] = None,
) -> None:
    """Issue an access token for an account, or with `--role GUEST` for a guest, who is not looked up.

    Revocations are kept for JWT_EXPIRATION. Only a suspension or a ban ends a token that lasts longer.
    """
    settings = settings_of_environment(**({"jwt_expiration": ttl} if ttl else {}))
    typer.echo(asyncio.run(_mint(settings, user, role)))


def _prepare(settings: Settings) -> None:
    from gateway.postgres import migrations

    if missing := asyncio.run(migrations.pending(settings)):
        if not settings.migrate_at_start:
            fail(f"the database lacks {', '.join(missing)}: run `dorami db migrate`")
        for name in asyncio.run(migrations.migrate(settings)):
            typer.echo(f"Applied {name}", err=True)
    if settings.migrate_at_start:
        for name in asyncio.run(migrations.migrate_optional(settings)):
            typer.echo(f"Applied {name}", err=True)
    warn_without_admin(settings)
    if settings.production:
        from gateway.data.target import mark
        from gateway.postgres.databases import configured

        asyncio.run(mark(settings, configured(settings)))


async def _check(settings: Settings) -> bool:
    """Print the state of each part; return whether all are right."""
    from gateway.metrics import Metrics
    from gateway.postgres import migrations
    from gateway.postgres.database import Database
    from gateway.redis.client import RedisClient
    from gateway.redis.url import describe

    metrics = Metrics()
    database, redis = Database(settings, metrics), RedisClient(settings, metrics)
    try:
        redis_problem = await redis.problem()
        evicting = [] if redis_problem else await redis.evicting()
    finally:
        await redis.close()
    try:
        await database.open()
        await database.time()
        database_problem = None
    except (GatewayError, OSError) as error:
        database_problem = explain(error)
    finally:
        await database.close()
    missing = await migrations.pending(settings) if database_problem is None else []
    typer.echo(f"database    {database_problem or 'ok'}")
    form = describe(settings.redis_url.get_secret_value())
    typer.echo(f"redis       {redis_problem or 'ok'} ({form})")
    if evicting:
        typer.echo(f"redis       warning: maxmemory-policy is {', '.join(evicting)}, set noeviction")
    if database_problem is not None:
        typer.echo("migrations  unknown, they are in the database")
    else:
        typer.echo(f"migrations  {'missing: ' + ', '.join(missing) if missing else 'ok'}")
    return redis_problem is None and database_problem is None and not missing


async def _mint(settings: Settings, user: str, role: Role | None) -> str:
    from gateway.metrics import Metrics
    from gateway.postgres.database import Database
    from gateway.security.tokens.tokens import Tokens
    from gateway.services.accounts.users import find, find_by_email

    if role is not Role.GUEST or "@" in user:
        database = Database(settings, Metrics())
        await database.open()
        try:
            account = await (find_by_email if "@" in user else find)(database, user)
        finally:
            await database.close()
        if account is None:
            raise NotFound(f"There is no account {user}")
        if role not in (None, account.role):
            fail(f"{user} has the role {account.role}, and the account's role counts: `dorami user promote`")
        user, role = str(account.id), Role(account.role)
    return Tokens(settings).issue_access(user, role, f"operator-{secrets.token_hex(8)}")
