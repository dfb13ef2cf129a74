"""The messages to an operator about a server that refuses a request."""

import ssl
from socket import gaierror

import asyncpg
import pytest
import redis.exceptions

from gateway.errors import Unavailable
from gateway.server_problems import explain, misconfiguration

REFUSED = "refuses the user name or the password"


def wrapped(error: BaseException, *around: Exception) -> BaseException:
    """Return an error as the clients' libraries and ours wrap it."""
    for outer in (*around, Unavailable("redis")):
        outer.__cause__ = error
        error = outer
    return error


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (asyncpg.InvalidPasswordError("password authentication failed for user"), REFUSED),
        (asyncpg.InvalidAuthorizationSpecificationError("no pg_hba.conf entry"), "refuses this user"),
        (asyncpg.InvalidCatalogNameError("database does not exist"), "does not exist on its server"),
        (redis.exceptions.AuthenticationError("invalid username-password pair"), REFUSED),
        (redis.exceptions.ResponseError("NOAUTH Authentication required."), REFUSED),
        (redis.exceptions.ResponseError("DB index is out of range"), "has no database of this number"),
        (
            ssl.SSLCertVerificationError("certificate verify failed"),
            "has a certificate that the CA has not signed, or for another name",
        ),
        (ssl.SSLError("wrong version number"), "cannot be reached by TLS as it is set up"),
    ],
)
def test_mistakes_of_settings_are_explained(error: BaseException, problem: str) -> None:
    for shape in (error, wrapped(error), wrapped(error, redis.exceptions.ConnectionError("Error 1 connecting"))):
        assert misconfiguration(shape) == explain(shape) == problem


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (ConnectionRefusedError(), "does not answer: connection refused"),
        (gaierror(-2, "Name or service not known"), "does not answer: its host name is not known"),
        (TimeoutError(), "does not answer"),
        (redis.exceptions.ResponseError("LOADING Redis is loading the dataset in memory"), "does not answer"),
        (
            wrapped(redis.exceptions.ReadOnlyError("You can't write", status_code="READONLY")),
            "takes no writes: it is a replica, or its own replicas are away",
        ),
        (
            wrapped(redis.exceptions.ClusterDownError("CLUSTERDOWN The cluster is down")),
            "does not serve all slots of the cluster",
        ),
        (None, "does not answer"),
    ],
)
def test_passing_errors_are_no_mistakes_of_settings(error: BaseException | None, problem: str) -> None:
    assert misconfiguration(error) is None
    assert explain(error) == problem
