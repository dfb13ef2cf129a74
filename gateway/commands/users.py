"""`dorami user`: manages accounts from the command line, including the first ADMIN."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import structlog
import typer

from gateway.commands.output import USAGE, fail, settings_of_environment
from gateway.security.principal import Role
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.protocol.payloads.accounts import UserView
    from gateway.services.accounts.operator import Operator

log = structlog.get_logger()
users = typer.Typer(no_args_is_help=True, help="Accounts. Passwords are asked for, or read as a line of stdin.")

T = TypeVar("T")


class AccountRole(StrEnum):
    """The roles that an account can have."""

    USER = "USER"
    HOST = "HOST"
    MODERATOR = "MODERATOR"
    ADMIN = "ADMIN"


Account = Annotated[str, typer.Argument(help="E-mail address or id of the account.")]
SomeRole = Annotated[AccountRole, typer.Option(case_sensitive=False, help="The role of the account.")]


@users.command(epilog="Example: dorami user create ada@example.com --name Ada --role HOST")
def create(
    email: Annotated[str, typer.Argument(help="E-mail address.")],
    name: Annotated[str, typer.Option(help="The name that others see.")],
    role: SomeRole = AccountRole.USER,
) -> None:
    """Create an account."""
    from pydantic import ValidationError

    from gateway.protocol.payloads.accounts import Register

    settings = settings_of_environment()
    password = _password()
    try:
        ask = Register.model_validate({"email": email, "username": name, "password": password})
    except ValidationError as error:
        fail(*(_problem(str(item["loc"][0]), item["msg"]) for item in error.errors()), code=USAGE)
    _print(_run(settings, lambda operator: operator.create(ask, Role(role))))


@users.command(epilog="Example: dorami user promote ada@example.com --role ADMIN")
def promote(account: Account, role: SomeRole) -> None:
    """Give an account another role, higher or lower. It applies at once, on every node."""
    _print(_run(settings_of_environment(), lambda operator: operator.change_role(account, Role(role))))


@users.command("list", epilog="Example: dorami user list --role ADMIN --json")
def list_(
    role: Annotated[AccountRole | None, typer.Option(case_sensitive=False, help="Only accounts of a role.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List accounts, oldest first: id, role, status, e-mail address and name."""
    found = _run(settings_of_environment(), lambda operator: operator.users(Role(role) if role else None))
    if as_json:
        typer.echo(json.dumps([user.model_dump(mode="json") for user in found], ensure_ascii=False, indent=2))
        return
    for user in found:
        _print(user)


@users.command(epilog="Example: dorami user suspend ada@example.com --reason spam")
def suspend(
    account: Account,
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="End a suspension.")] = False,
) -> None:
    """Suspend an account: its sessions end and its sockets close, on every node."""
    if len(reason) > 500 or "\0" in reason:
        fail("--reason: at most 500 characters", code=USAGE)
    settings = settings_of_environment()
    _print(_run(settings, lambda operator: operator.unsuspend(account) if lift else operator.suspend(account, reason)))


@users.command(epilog="Example: dorami user password ada@example.com")
def password(account: Account) -> None:
    """Set another password. All sessions of the account end."""
    from pydantic import TypeAdapter, ValidationError

    from gateway.protocol.payloads.accounts import NewPassword

    settings = settings_of_environment()
    new = _password()
    try:
        TypeAdapter(NewPassword).validate_python(new)
    except ValidationError as error:
        fail(*(_problem("password", item["msg"]) for item in error.errors()), code=USAGE)
    _print(_run(settings, lambda operator: operator.set_password(account, new)))


def warn_without_admin(settings: Settings) -> None:
    """Log the command that creates an ADMIN if a production installation has none."""
    from gateway.parts.operator import lacks_admin

    if settings.production and asyncio.run(lacks_admin(settings)):
        log.warning("there is no ADMIN yet", command="dorami user create you@example.com --name You --role ADMIN")


def _run(settings: Settings, work: Callable[["Operator"], Awaitable[T]]) -> T:
    from gateway.parts.operator import operator

    async def run() -> T:
        async with operator(settings) as opened:
            return await work(opened)

    return asyncio.run(run())


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _problem(field: str, message: str) -> str:
    return f"{'name' if field == 'username' else field}: {message.removeprefix('Value error, ')}"


def _print(user: "UserView") -> None:
    typer.echo("\t".join((user.id, user.role, user.status, user.email or "", user.username)))
