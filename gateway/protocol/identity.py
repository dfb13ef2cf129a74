"""Payloads of identity: what a socket is told after connecting, `auth:refresh`, and the HTTP bodies of accounts. Used by both edges."""

from typing import Annotated

from pydantic import Field, StringConstraints

from gateway.protocol.wire import Payload, Request, Timestamp, now


class Connected(Payload):
    """`connected` on `/`, and with `timestamp` the `data` of `connection:success`."""

    message: str
    user_id: str
    role: str
    authenticated: bool


class ConnectionSuccess(Connected):
    """The `data` of `connection:success` on `/chat` and `/streaming`."""

    timestamp: Timestamp = Field(default_factory=now)


class AuthRefresh(Request):
    """`auth:refresh`: a fresh access token of the same user, for a live socket."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class AuthRefreshed(Payload):
    """The ack of `auth:refresh`."""

    user_id: str
    role: str
    expires_at: Timestamp


class Login(Request):
    """`POST /auth/login`."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=254)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Refresh(Request):
    """`POST /auth/refresh` and `/auth/logout`: the token may come in the body instead of the cookie."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None


class UserView(Payload):
    """A user as the user sees themselves."""

    id: str
    email: str
    username: str
    role: str
    status: str
    created_at: Timestamp


class Session(Payload):
    """The answer to login and refresh: both tokens, for clients without cookies, and who they are for."""

    access_token: str
    refresh_token: str
    token_type: str = "Bearer"
    expires_in: int  # seconds until the access token runs out
    csrf_token: str | None = Field(default=None, exclude_if=lambda v: v is None)
    user: UserView
