"""What is wrong with a server that does not do what it is asked, in words for operators. Used at start and by `check`.

Nothing here is told to clients, and nothing quotes a URL: it may hold a password.
"""

import ssl
from collections.abc import Iterator
from socket import gaierror

import asyncpg
import redis.exceptions

SILENT = "does not answer"


class Misconfigured(Exception):
    """A server that answers, and will refuse us until a setting is changed; `problem` follows the server's name."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class OperatorError(Exception):
    """What a command cannot do, in one line for operators; `code` is what the command exits with."""

    code = 1


_REFUSED = "refuses the user name or the password"
_WRONG: tuple[tuple[type[BaseException], str], ...] = (  # the first that fits
    (asyncpg.InvalidPasswordError, _REFUSED),
    (asyncpg.InvalidAuthorizationSpecificationError, "refuses this user"),
    (asyncpg.InvalidCatalogNameError, "has no database of this name"),
    (asyncpg.InsufficientPrivilegeError, "does not let this user do what is needed"),
    (redis.exceptions.AuthenticationError, _REFUSED),
    (redis.exceptions.NoPermissionError, "does not let this user do what is needed"),
    (ssl.SSLCertVerificationError, "has a certificate that the CA has not signed, or for another name"),
    (ssl.SSLError, "cannot be reached by TLS as it is set up"),
)
_WRONG_ANSWERS = (("NOAUTH", _REFUSED), ("WRONGPASS", _REFUSED), ("ERR DB index", "has no database of this number"))
_AWAY: tuple[tuple[type[BaseException], str], ...] = (
    (gaierror, f"{SILENT}: its host name is not known"),
    (ConnectionRefusedError, f"{SILENT}: connection refused"),
)


def misconfiguration(error: BaseException | None) -> str | None:
    """What a setting has wrong by which a server could not be reached; None if it may just be away."""
    for cause in _causes(error):
        if (problem := _first(_WRONG, cause)) is not None:
            return problem
        if isinstance(cause, redis.exceptions.ResponseError):
            # redis-py takes the code `ERR` off.
            text = str(cause)
            for start, problem in _WRONG_ANSWERS:
                if text.startswith((start, start.removeprefix("ERR "))):
                    return problem
    return None


def explain(error: BaseException | None) -> str:
    """What follows the server's name in a line for operators."""
    if (problem := misconfiguration(error)) is not None:
        return problem
    problems = (_first(_AWAY, cause) for cause in _causes(error))
    return next((problem for problem in problems if problem is not None), SILENT)


def _first(table: tuple[tuple[type[BaseException], str], ...], cause: BaseException) -> str | None:
    return next((problem for kind, problem in table if isinstance(cause, kind)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
