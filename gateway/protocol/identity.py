"""Payloads of identity: what a socket is told after connecting, and the HTTP bodies of accounts. Used by both edges."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from gateway.protocol.chat import MAX_MESSAGE
from gateway.protocol.text import clean_line
from gateway.protocol.wire import Payload, Reason, Request, Timestamp, now

PROTOCOL = "1.0"  # of the events and payloads; a new minor version only adds to them

# One @ with something around it and no blanks: whether mail arrives there only mail can tell.
Email = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
MAX_USERNAME = 32  # code points in NFC


def _username(text: str) -> str:
    name = clean_line(text)
    if len(name) > MAX_USERNAME:
        raise ValueError(f"it is longer than {MAX_USERNAME} characters")
    return name


# Shown beside messages: visible, on one line, in the direction of its letters.
Username = Annotated[
    str, AfterValidator(_username), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_USERNAME})
]
NewPassword = Annotated[str, StringConstraints(min_length=8, max_length=256)]


class RateLimit(Payload):
    """How many requests of a kind a user may make within some seconds."""

    count: int
    seconds: float


class Limits(Payload):
    """What a client should know before it runs into it."""

    message_length: int = MAX_MESSAGE  # code points
    rates: dict[str, RateLimit]  # by kind of request; `chat` is `chat:send-message`


class Connected(Payload):
    """`connected` on `/`, and with `timestamp` the `data` of `connection:success`."""

    message: str = "Connected"
    user_id: str
    role: str
    authenticated: bool
    protocol: str = PROTOCOL
    server_time: Timestamp = Field(default_factory=now)
    expires_at: Timestamp  # of the access token
    limits: Limits


class ConnectionSuccess(Connected):
    """The `data` of `connection:success` on `/chat` and `/streaming`."""

    timestamp: Timestamp = Field(default_factory=now)


class AuthRefresh(Request):
    """`auth:refresh`: a fresh access token of the same user, for a live socket."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(repr=False)


class AuthRefreshed(Payload):
    """The ack of `auth:refresh`."""

    user_id: str
    role: str
    expires_at: Timestamp


class Expiring(Payload):
    """`auth:expiring`: when the socket will be ended, unless its client brings a fresh token by `auth:refresh`."""

    expires_at: Timestamp


class Login(Request):
    """`POST /auth/login`."""

    email: Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^\x00]+$")]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(repr=False)


class Register(Request):
    """`POST /auth/register`."""

    email: Email
    username: Username
    password: NewPassword = Field(repr=False)


class ChangePassword(Request):
    """`POST /users/me/password`."""

    current_password: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(repr=False)
    new_password: NewPassword = Field(repr=False)


class ChangeProfile(Request):
    """`PATCH /users/me`."""

    username: Username


class Suspend(Request):
    """`POST /users/{id}/suspend`: the reason, if there is one, is for the record."""

    reason: Reason | None = None


class ChangeRole(Request):
    """`PATCH /users/{id}`."""

    role: Literal["USER", "HOST", "MODERATOR", "ADMIN"]


class Refresh(Request):
    """`POST /auth/refresh` and `/auth/logout`: the token may come in the body instead of the cookie."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = Field(None, repr=False)


class EnterAsGuest(Refresh):
    """`POST /auth/guest`: who has been a guest before shows their refresh token and stays that guest.

    Browsers are known again by a cookie; an app without cookies says an id that it keeps.
    """

    device_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")] | None = Field(None, repr=False)


class UserView(Payload):
    """A user as the user sees themselves; a guest has no e-mail address."""

    id: str
    email: str | None
    username: str
    role: str
    status: str
    created_at: Timestamp


class UserPage(Payload):
    """A page of accounts; `next_cursor` is None at the end."""

    items: list[UserView]
    next_cursor: str | None


class PublicKeys(Payload):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]]


class SessionView(Payload):
    """A login as its user sees it; `current` is the one that asks."""

    id: str
    device: str
    created_at: Timestamp
    last_used_at: Timestamp
    current: bool


class CurrentSession(Payload):
    """`GET /auth/session`: who calls, `user` null for nobody.

    `powers` hold in every room, `host_powers` in the rooms of own streams; `expires_at` is of the access token.
    """

    user: UserView | None = None
    powers: tuple[str, ...] = ()
    host_powers: tuple[str, ...] = ()
    expires_at: Timestamp | None = None


class ShopConfig(Payload):
    """`GET /config`: what a client must know before anybody logs in."""

    version: str
    protocol: str = PROTOCOL
    currency: str
    locale: str


class CsrfToken(Payload):
    """The ack of `GET /auth/csrf`: what the header `X-CSRF-Token` of unsafe requests with cookies must be."""

    csrf_token: str


class SessionList(Payload):
    """`GET /auth/sessions`, last used first."""

    items: list[SessionView]


class Session(Payload):
    """The answer to login and refresh: both tokens, for clients without cookies, and who they are for."""

    access_token: str = Field(repr=False)
    refresh_token: str = Field(repr=False)
    token_type: str = "Bearer"  # noqa: S105  the name of a kind of token
    expires_in: int  # seconds until the access token runs out
    csrf_token: str | None = Field(default=None, exclude_if=lambda v: v is None, repr=False)
    user: UserView
