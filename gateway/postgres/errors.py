"""The errors of PostgreSQL that mean an outage or a refused row. Used by the database and by services."""

from typing import Any

import asyncpg
from tortoise.exceptions import DBConnectionError, IntegrityError

# Errors of PostgreSQL, or of the network before it, that mean that it is unavailable.
AWAY = (
    OSError,
    TimeoutError,
    DBConnectionError,
    asyncpg.InterfaceError,  # the connection is closed
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting, statement_timeout
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.TransactionRollbackError,  # deadlock: the same request may succeed
    asyncpg.ReadOnlySQLTransactionError,  # a standby that was the primary, or a provider's protection of a full disk
    asyncpg.IdleInTransactionSessionTimeoutError,  # the server ended the connection
    asyncpg.TransactionTimeoutError,
    asyncpg.PostgresIOError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)
# Errors that neither an overloaded server nor a mistake of ours causes.
SILENT = (
    OSError,
    TimeoutError,
    DBConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)
# Errors of a server that answers, but accepts no writes.
UNWRITABLE = (asyncpg.ReadOnlySQLTransactionError, asyncpg.DiskFullError, asyncpg.PostgresIOError)
UNSTORABLE = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)  # text with a NUL


class ConstraintError(IntegrityError):
    """A constraint refuses a row. The text is its name: PostgreSQL's text quotes the row, including hashes."""


class UniqueError(ConstraintError):
    """A row with the same key exists already."""


class ForeignKeyError(ConstraintError):
    """The row refers to one that does not exist, or other rows refer to it."""


def constraint_error(cause: Any) -> ConstraintError:
    """Return the error to raise for one of asyncpg's."""
    name = getattr(cause, "constraint_name", None) or "not null"
    if isinstance(cause, asyncpg.UniqueViolationError):
        return UniqueError(name)
    if isinstance(cause, asyncpg.ForeignKeyViolationError):
        return ForeignKeyError(name)
    return ConstraintError(name)
