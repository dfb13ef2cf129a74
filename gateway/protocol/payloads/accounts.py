"""Payloads of accounts and sessions over HTTP, and the greeting of a connected socket. Used by both edges."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from gateway.clocks import now
from gateway.protocol.payloads.chat import MAX_MESSAGE
from gateway.protocol.powers import Power
from gateway.protocol.text import bounded, clean_line
from gateway.protocol.wire import Payload, Reason, Request, Timestamp

PROTOCOL = "1.0"  # of the events and payloads; a new minor version only adds to them

# An @ between other characters, without blanks. Whether the address exists is not checked.
Email = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
MAX_USERNAME = 32  # code points in NFC

# Shown beside messages: visible, on one line, without direction marks.
Username = Annotated[
    str, bounded(clean_line, MAX_USERNAME), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_USERNAME})
]
NewPassword = Annotated[str, StringConstraints(min_length=8, max_length=256)]


class RateLimit(Payload):
    """How many requests of a kind a user may make within a number of seconds."""

    count: int
    seconds: float


class Limits(Payload):
    """The limits that apply to the client."""

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
    """`auth:refresh`: a new access token of the same user, for an open socket."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(repr=False)


class AuthRefreshed(Payload):
    """The ack of `auth:refresh`."""

    user_id: str
    role: str
    expires_at: Timestamp


class Expiring(Payload):
    """`auth:expiring`: when the socket ends, unless its client sends a new token with `auth:refresh`."""

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
    """`POST /users/{id}/suspend`; the reason goes into the audit log."""

    reason: Reason | None = None


class ChangeRole(Request):
    """`PATCH /users/{id}`."""

    role: Literal["USER", "HOST", "MODERATOR", "ADMIN"]


class Refresh(Request):
    """`POST /auth/refresh` and `/auth/logout`: the token, for clients that send no cookie."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = Field(None, repr=False)


class EnterAsGuest(Refresh):
    """`POST /auth/guest`: a refresh token of a guest continues that guest's session.

    Browsers are recognised by a cookie; an app without cookies sends an id that it stores.
    """

    device_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")] | None = Field(None, repr=False)


class CreateUser(Request):
    """`POST /users`: without a password the answer has a one-time link; its user must change a given one."""

    email: Email
    username: Username
    role: Literal["USER", "HOST", "MODERATOR", "ADMIN"] = "USER"
    password: NewPassword | None = Field(None, repr=False)


class PasswordLink(Payload):
    """The secret of a one-time link: the page `/console/password#<token>` takes it. It cannot be read again."""

    token: str = Field(repr=False)
    expires_at: Timestamp


class UsePasswordLink(Request):
    """`POST /auth/password`: set a password with the token of a link."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(repr=False)
    new_password: NewPassword = Field(repr=False)


class UserView(Payload):
    """An account, or a guest, who has no e-mail address. `mustChangePassword` is left out unless it is true."""

    id: str
    email: str | None
    username: str
    role: str
    status: str
    must_change_password: bool = Field(default=False, exclude_if=lambda v: not v)
    created_at: Timestamp


class CreatedUser(Payload):
    """The answer to `POST /users`; `link` is null for an account with a password."""

    user: UserView
    link: PasswordLink | None


class UserPage(Payload):
    """A page of accounts; `next_cursor` is None at the end."""

    items: list[UserView]
    next_cursor: str | None


class PublicKeys(Payload):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]]


class SessionView(Payload):
    """A session of the caller; `current` is the one of this request."""

    id: str
    device: str
    created_at: Timestamp
    last_used_at: Timestamp
    current: bool


class CurrentSession(Payload):
    """`GET /auth/session`; `user` is null without a valid session.

    `powers` are the permissions in every room, `host_powers` those in the rooms of the caller's own streams;
    `expires_at` is that of the access token.
    """

    user: UserView | None = None
    powers: tuple[Power, ...] = ()
    host_powers: tuple[Power, ...] = ()
    expires_at: Timestamp | None = None


class ShopConfig(Payload):
    """`GET /config`: the public configuration of the shop."""

    version: str
    protocol: str = PROTOCOL
    currency: str
    locale: str
    analytics: bool  # whether there is a database behind `/analytics`
    image_origins: list[str]  # whose pictures the gateway's own pages show; `*` is every host with https


class CsrfToken(Payload):
    """`GET /auth/csrf`: the value for the header `X-CSRF-Token` of unsafe requests with cookies."""

    csrf_token: str


class SessionList(Payload):
    """`GET /auth/sessions`, last used first."""

    items: list[SessionView]


class Session(Payload):
    """The answer to login and refresh: both tokens, for clients without cookies, and the user."""

    access_token: str = Field(repr=False)
    refresh_token: str = Field(repr=False)
    token_type: str = "Bearer"  # noqa: S105  the name of a kind of token
    expires_in: int  # seconds until the access token expires
    csrf_token: str | None = Field(default=None, exclude_if=lambda v: v is None, repr=False)
    user: UserView
