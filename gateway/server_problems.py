"""Explains errors of PostgreSQL and Redis to operators. Used by commands, at start and by the clients of Redis.

Nothing here is sent to clients, and no text contains a URL, which may contain a password.
"""

import ssl
from collections.abc import Iterator, Sequence
from socket import gaierror

import asyncpg

SILENT = "does not answer"


class Misconfigured(Exception):
    """A server refuses the gateway until a setting is changed; `problem` is a phrase that follows the server's name."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class OperatorError(Exception):
    """A command failed; the text is one line for operators, `code` the command's exit code."""

    code = 1


_REFUSED = "refuses the user name or the password"
_WRONG: tuple[tuple[type[BaseException], str], ...] = (  # the first match is used
    (asyncpg.InvalidPasswordError, _REFUSED),
    (asyncpg.InvalidAuthorizationSpecificationError, "refuses this user"),
    (asyncpg.InvalidCatalogNameError, "does not exist on its server"),
    (asyncpg.InsufficientPrivilegeError, "does not let this user do what is needed"),
    (ssl.SSLCertVerificationError, "has a certificate that the CA has not signed, or for another name"),
    (ssl.SSLError, "cannot be reached by TLS as it is set up"),
)
# Classes of redis.exceptions by name: importing it takes 0.1 s, and most commands do not use Redis.
_WRONG_OF_REDIS = (
    ("AuthenticationError", _REFUSED),
    ("NoPermissionError", "does not let this user do what is needed"),
    ("MovedError", "is part of a cluster: REDIS_URL must begin with redis-cluster://"),
)
_WRONG_ANSWERS = (
    ("NOAUTH", _REFUSED),
    ("WRONGPASS", _REFUSED),
    ("ERR DB index", "has no database of this number"),
    ("ERR This instance has cluster support disabled", "is no cluster, as REDIS_URL says"),
    ("ERR unknown command 'SENTINEL'", "is no sentinel, as REDIS_URL says"),
    ("ERR unknown command 'SET'", "is a sentinel: REDIS_URL must begin with redis-sentinel://"),
)
_CODES = (
    (("READONLY", "NOREPLICAS"), "takes no writes: it is a replica, or its own replicas are away"),
    (("CLUSTERDOWN",), "does not serve all slots of the cluster"),
)
_UNAVAILABLE: tuple[tuple[type[BaseException], str], ...] = (
    (gaierror, f"{SILENT}: its host name is not known"),
    (ConnectionRefusedError, f"{SILENT}: connection refused"),
)


def misconfiguration(error: BaseException | None) -> str | None:
    """Return the problem of a setting that caused an error; None if the server may just be unavailable."""
    for cause in _causes(error):
        if isinstance(cause, Misconfigured):
            return cause.problem
        if (problem := _first(_WRONG, cause)) is not None:
            return problem
        for name, problem in _WRONG_OF_REDIS:
            if _of_redis(cause, name):
                return problem
        if _of_redis(cause, "ResponseError"):
            # redis-py removes the code `ERR` from the text.
            text = str(cause).replace("`", "'")
            for start, problem in _WRONG_ANSWERS:
                if text.startswith((start, start.removeprefix("ERR "))):
                    return problem
    return None


def explain(error: BaseException | None) -> str:
    """Return the explanation of an error, a phrase that follows the server's name."""
    if (problem := misconfiguration(error)) is not None:
        return problem
    problems = (_first(_UNAVAILABLE, cause) or _refusal(cause) for cause in _causes(error))
    return next((problem for problem in problems if problem is not None), SILENT)


def most_telling(errors: Sequence[BaseException]) -> BaseException | None:
    """Return the error of several servers that should be explained: one that a setting caused, else the first."""
    return next((error for error in errors if misconfiguration(error) is not None), errors[0] if errors else None)


def _refusal(cause: BaseException) -> str | None:
    if not _of_redis(cause, "ResponseError"):
        return None
    code = error_code(cause)
    return next((problem for codes, problem in _CODES if code in codes), None)


def _of_redis(error: BaseException, name: str) -> bool:
    """Whether an error is of the class of this name in redis.exceptions."""
    return any(kind.__name__ == name and kind.__module__ == "redis.exceptions" for kind in type(error).__mro__)


def error_code(error: BaseException) -> str:
    """Return the code that an error of Redis begins with, like `OOM`; `ERR` if it has none.

    The rest of the text is not logged: it may quote our command. redis-py removes the code from the text of errors
    for which it has a class.
    """
    code = str(getattr(error, "status_code", None) or str(error).partition(" ")[0])
    return code if code.isupper() else "ERR"


def _first(table: tuple[tuple[type[BaseException], str], ...], cause: BaseException) -> str | None:
    return next((problem for kind, problem in table if isinstance(cause, kind)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
