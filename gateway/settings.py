"""Every setting, with unit, default and reason. Only the command line reads the environment, once."""

import base64
import binascii
import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.machine import cores
from gateway.setting_types import (
    DatabaseUrl,
    Delay,
    Duration,
    Hosts,
    Networks,
    OptionalRate,
    Origins,
    Rate,
    RedisUrl,
    SecretList,
    Size,
    Words,
    WorkerCount,
)

MIN_SECRET = 32  # characters; a shorter HS256 secret can be guessed offline from one token
MAIN_URL = ("RDS_MAIN_URL", "DATABASE_URL")  # two names of one setting
CLOSING = timedelta(seconds=5)  # that a drain leaves to close everything else
DEVELOPMENT_SECRET = "dorami-development-secret-not-for-production"  # noqa: S105  public on purpose, refused in production

# Currencies (ISO 4217) whose minor units have more than two digits.
THREE_DIGITS = frozenset(("BHD", "CLF", "IQD", "JOD", "KWD", "LYD", "OMR", "TND", "UYW"))


class SettingsError(Exception):
    """The environment has invalid settings; `lines` has a sentence per mistake and no secret."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Environment(StrEnum):
    """Where this process runs; production is strict."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class SocketLifetime(StrEnum):
    """What ends an open socket, apart from its client, a revocation and the node."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105  not a secret


class Settings(BaseSettings):
    """The settings of one gateway process. Passwords and keys are `SecretStr`: they never show in a repr or a log."""

    model_config = SettingsConfigDict(
        case_sensitive=False,
        extra="ignore",
        use_attribute_docstrings=True,  # `docs/settings.md` is made of them
        frozen=True,
        validate_default=True,
        env_ignore_empty=True,  # an empty variable is how compose files and charts say that it is not set
    )

    # --- process ---
    app_env: Environment = Field(Environment.PRODUCTION, validation_alias=AliasChoices("APP_ENV", "NODE_ENV"))
    """`production` or `development`. Production is strict: secrets, origins and CSRF are checked; the shop page
    and documents are off. `NODE_ENV` is read, too."""
    host: str = Field("0.0.0.0", pattern=r"^(unix:/.{1,100}|[^:/]+|[0-9a-fA-F:.]+)$")  # noqa: S104
    """The address to listen on."""
    port: int = Field(3001, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    node_id: str | None = Field(None, pattern=r"^[\w.-]{1,64}$")
    """The name of this node in logs and Redis, unique among nodes; generated if not set."""
    workers: WorkerCount = 1
    """How many processes serve on the port, or `max`: one for each core. Each is a node: settings per node hold for
    each."""
    worker_memory_limit: Size = Field(2**30, ge=2**24)
    """Resident memory above which a worker is replaced as in a reload, such as `512MiB`; at least 16 MiB."""
    drain_delay: Delay = timedelta(seconds=3)
    """How long a node that received the signal to stop is not ready and serves as before, so that balancers notice."""
    drain_spread: Delay = timedelta(seconds=10)
    """The time over which it then closes its connections, one after the other."""
    shutdown_timeout: Duration = timedelta(seconds=25)
    """How long the whole stop may take; orchestrators kill after 30 s."""
    keepalive_timeout: Duration = timedelta(seconds=75)
    """How long an idle HTTP connection stays open. It must be longer than the balancer's time (mostly 60 s), or
    requests on a connection that is being closed are lost."""

    # --- servers ---
    rds_main_url: DatabaseUrl = Field(validation_alias=AliasChoices(*MAIN_URL))
    """PostgreSQL: `postgresql://user:password@host/name`. The database must be UTF-8. `DATABASE_URL` is read, too."""
    rds_analytics_url: DatabaseUrl | None = None
    """The database of the numbers for graphs and reports, on the same server or another; not set: no graphs and
    reports."""
    database_pool_size: int = Field(10, ge=1, le=200)
    """Connections to PostgreSQL per process."""
    database_timeout: Duration = timedelta(seconds=1.8)
    """How long one statement, or waiting for a connection, may take. Senders get the error for a message that was not
    stored within 2 s."""
    database_check_interval: Duration | None = None
    """How long a database may be idle before it is probed; not set: 1m, or 15s with `SERVERLESS`. During an outage it
    is probed after 0.1 s and then at growing intervals of at most 5 s."""
    serverless: bool = False
    """Whether the databases stop by themselves when they are idle: then they are probed more often."""
    migrate_at_start: bool = True
    """Whether a node applies missing migrations at its start; set it to false if a separate job does it."""
    rds_main_direct_url: DatabaseUrl | None = Field(
        None, validation_alias=AliasChoices("RDS_MAIN_DIRECT_URL", "MIGRATION_DATABASE_URL")
    )
    """The main database without PgBouncer, for migrations: creating an index concurrently may take long.
    `MIGRATION_DATABASE_URL` is read, too."""
    rds_analytics_direct_url: DatabaseUrl | None = None
    """The same for the analytics database."""
    database_pgbouncer: bool = False
    """Whether PgBouncer in transaction mode is in front of PostgreSQL: then the gateway uses no session state."""
    redis_url: RedisUrl
    """Redis or Valkey: one server, the master of sentinels, or a cluster; see `docs/operations.md` for the forms."""
    redis_pool_size: int = Field(20, ge=2, le=1000)
    """Connections to Redis per process; in a cluster, to each server."""
    redis_timeout: Duration = timedelta(seconds=1)
    """How long one command may take; after that Redis counts as unavailable."""

    # --- identity ---
    jwt_secret: SecretStr
    """Signs access tokens (HS256) and keys the hashes of devices. At least 32 characters."""
    jwt_previous_secrets: SecretList = ()
    """Former secrets that still verify tokens but sign none; comma separated."""
    jwt_private_key: SecretStr | None = None
    """A PEM key (Ed25519, P-256 or RSA) that signs instead of the secret."""
    jwt_previous_public_keys: str = ""
    """Former public keys in PEM, concatenated, that still verify tokens."""
    jwt_issuer: str = "dorami"
    """The `iss` of access tokens."""
    jwt_audience: str = "dorami-clients"
    """The `aud` of access tokens."""
    jwt_expiration: Duration = timedelta(minutes=15)
    """How long an access token is valid."""
    socket_lifetime: SocketLifetime = SocketLifetime.SESSION
    """`session`: a socket ends with its session. `token`: it ends with its access token."""
    jwt_refresh_expiration: Duration = timedelta(days=7)
    """How long a refresh token is valid; each use returns a new one."""
    guest_expiration: Duration = timedelta(hours=24)
    """How long a guest's session lasts from its last use."""
    guest_unused_expiration: Duration = timedelta(hours=1)
    """How long an unused guest session lasts: one without a socket, request or refresh. At least as long as its access
    token, and no longer than `GUEST_EXPIRATION`."""

    reserved_names: Words = (
        "admin", "administrator", "host", "moderator", "operator", "staff", "system",
        "관리자", "운영자", "운영진", "어드민", "호스트", "진행자", "모더레이터", "스태프",
    )  # fmt: skip
    """Words that user names may neither contain nor resemble: the titles of the staff. Comma separated."""
    ban_matches_network: bool = False
    """Whether new guests of a banned guest's network and browser may watch but not send, for an hour after the ban.
    Mobile carriers share one address among thousands of people."""

    media_webhook_secret: SecretStr | None = None
    """`whsec_` and Base64: the secret with which the media server signs its webhooks. Not set: no webhook."""

    # --- browsers ---
    cors_origins: Origins = ()
    """The exact origins of pages and apps that may call the gateway, `https://shop.example` or
    `capacitor://localhost`; comma separated. Not set: only the gateway's own pages."""
    allowed_hosts: Hosts = ()
    """The host names under which browsers open the gateway's own pages; comma separated. `localhost` and IP addresses
    are always allowed."""
    image_origins: Origins = ()
    """The origins of product pictures on the gateway's own pages, `https://images.shop.example`; comma separated, `*`
    is every host with https. Not set: only the gateway itself; other pictures are not shown."""
    cookie_domain: str | None = Field(None, pattern=r"^\.?[a-z0-9-]+(\.[a-z0-9-]+)+$")
    """The domain of cookies; not set: the host that sets them."""
    cookie_prefix: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,32}$")
    """A prefix of the names of all cookies, such as `__Host-`."""
    csrf_enabled: bool = True
    """Whether unsafe requests with cookies need a CSRF token; can be switched off only outside production."""
    origin_required: bool = False
    """Whether a websocket without `Origin` is refused, which excludes apps that are not browsers."""
    trusted_proxies: Networks = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` is used; comma separated."""

    # --- limits ---
    http_rate_limit: Rate = (10, 60.0)
    """Requests per client and route."""
    chat_rate_limit: Rate = (20, 10.0)
    """`chat:send-message` per user."""
    event_rate_limit: Rate = (100, 10.0)
    """Every other event per user."""
    guest_rate_limit: OptionalRate = None
    """New guests per address, which many people may share. Not set: in an hour as many as `HTTP_RATE_LIMIT` allows in
    ten minutes."""
    refused_rate_limit: Rate = (100, 10.0)
    """Refused events per user; above it the gateway refuses events without reading them."""
    report_rate_limit: Rate = (10, 60.0)
    """`chat:report` per user; repeated reports of a message are not charged."""
    join_rate_limit: Rate = (100, 10.0)
    """Joins per user and namespace; a join with a valid `since` is not charged."""

    # --- Engine.IO ---
    ping_interval: Duration = timedelta(seconds=25)
    """How often a connection is pinged."""
    ping_timeout: Duration = timedelta(seconds=60)
    """How long a client may take to answer a ping."""
    connect_timeout: Duration = timedelta(seconds=10)
    """How long a connection may take to join its first namespace."""
    max_address_connections: int = Field(2_000, ge=1)
    """Connections that one client address may have open on one node. More than people behind a shared address need, far
    fewer than a node can hold. Behind a balancer set `TRUSTED_PROXIES`, or all clients have its address."""
    max_waiting_connects: int = Field(1_000, ge=1)
    """CONNECTs that may be authenticated at the same time; further handshakes are refused temporarily."""
    max_packet_size: int = Field(65_536, ge=1024)
    """Bytes of one packet from a client; a larger one closes the connection."""
    max_poll_packets: int = Field(256, ge=1)
    """Packets in one polling request."""
    max_send_buffer: int = Field(1_048_576, ge=65_536)
    """Unsent bytes of a client above which it is disconnected."""
    compression_threshold: int = Field(1_024, ge=0)
    """Size in bytes from which a batch of a large room is compressed, for clients that offer `permessage-deflate`; 0
    disables compression."""
    recovery_window: Duration = timedelta(minutes=2)
    """How long a disconnected client can recover its socket."""
    max_send_delay: Duration = timedelta(seconds=10)
    """How long a client may read nothing before it is disconnected."""
    handler_timeout: Duration = timedelta(seconds=10)
    """How long the handler of an event may take; then the answer is `SERVICE_UNAVAILABLE`."""

    # --- large rooms ---
    room_window: Delay = Field(timedelta(milliseconds=100), le=timedelta(seconds=1))
    """How long rooms with more than 1,000 members on a node gather broadcasts before they are sent; 0 sends them
    immediately."""
    chat_display_rate: int = Field(50, ge=0, le=1_000_000)
    """Messages a second of a chat room, measured over 3 s, that all members receive. Above it they receive a sample;
    messages of hosts, moderators and administrators and their own messages are always in it, and `chat:sampled` counts
    the others. 0 sends all messages."""

    # --- reports ---
    report_hide_at: int = Field(0, ge=0, le=1000)
    """The number of people whose reports hide a message until the staff reviews it; 0 hides none. People with rejected
    reports count less; guests and accounts younger than the message do not count."""

    # --- streams ---
    stream_end_grace: Duration = timedelta(seconds=30)
    """How long a disconnected encoder may take to reconnect before its stream ends."""
    stream_reopen: Duration = Field(timedelta(minutes=30), le=timedelta(hours=1))
    """How long an ended stream can be started again; at most an hour, for which its viewers are stored."""

    # --- the shop ---
    currency: str = Field("KRW", pattern="^[A-Z]{3}$")
    """The currency of all prices, as ISO 4217 names it."""
    locale: Literal["ko", "en"] = "ko"
    """The language of purchase notifications."""
    order_ttl: Duration = timedelta(minutes=15)
    """How long an order may stay unpaid; then it expires and gives its stock back."""

    # --- retention ---
    message_retention: Duration = timedelta(days=365)
    """How long the messages of a stream and the record of deletions are kept after it has closed."""
    deletion_retention: Duration = timedelta(days=90)
    """How long the text of a deleted message is kept for an undo."""
    moderation_retention: Duration = timedelta(days=730)
    """How long entries of the audit log are kept, and mutes and bans that have ended."""
    order_retention: Duration = timedelta(days=1830)
    """How long orders are kept, except unpaid ones that can still be paid. The default is the five years that the law
    of electronic commerce in Korea requires."""
    stream_retention: Duration = timedelta(days=1830)
    """How long a closed stream is kept, with its products and listed words; longer while orders, messages or entries of
    the audit log refer to it."""
    notification_retention: Duration = timedelta(days=30)
    """How long notifications are kept."""
    analytics_retention: Duration = timedelta(days=730)
    """How long the numbers in the analytics database are kept."""
    job_retention: Duration = timedelta(days=365)
    """How long an ended job and its files are kept."""

    # --- jobs ---
    media_folder: Path | None = None
    """The folder of recordings and replays. Job workers need it."""
    ffmpeg: str = "ffmpeg"
    """The ffmpeg program, by name or path."""
    worker_jobs: int = Field(1, ge=1, le=16)
    """Jobs that one job worker runs at the same time; one conversion uses all cores."""
    job_timeout: Duration = timedelta(hours=1)
    """How long one conversion may take."""

    # --- operations ---
    metrics_port: int | None = Field(None, ge=0, le=65535)
    """A separate port for `/metrics`; not set: the port of the API."""
    metrics_token: SecretStr | None = None
    """The Bearer token of `/metrics` on the port of the API; not set: only this machine may read it."""
    log_level: str | None = Field(None, pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`; not set: `WARNING` in production, `INFO` in development."""
    backup_folder: Path = Path(".dorami/backups")
    """The folder of `dorami backup`; use another disk than the databases."""
    shop_page: bool | None = Field(None, validation_alias=AliasChoices("SHOP_PAGE", "DEMO_PAGE"))
    """Whether `/` is the shop page; only outside production. `DEMO_PAGE` is read, too."""
    console: bool = True
    """Whether `/console` is the page of administrators, moderators and hosts; in production, too."""
    docs_enabled: bool | None = None
    """Whether `/api/docs` has the documents, guides and console; in production only if it is set to true."""
    docs_try: bool | None = None
    """Whether these pages can send requests; in production only if it is set to true."""

    @property
    def production(self) -> bool:
        """Whether the strict rules of production apply."""
        return self.app_env is Environment.PRODUCTION

    @property
    def worker_count(self) -> int:
        """How many processes serve."""
        return cores() if self.workers == "max" else self.workers

    @property
    def serves_shop(self) -> bool:
        """Whether `/` is the shop page."""
        return not self.production and self.shop_page is not False

    @property
    def check_interval(self) -> timedelta:
        """How long a database may be idle before it is probed."""
        return self.database_check_interval or timedelta(seconds=15 if self.serverless else 60)

    @property
    def serves_docs(self) -> bool:
        """Whether `/api/docs` is served."""
        return not self.production if self.docs_enabled is None else self.docs_enabled

    @property
    def tries_docs(self) -> bool:
        """Whether the pages of `/api/docs` send requests."""
        return not self.production if self.docs_try is None else self.docs_try

    @property
    def unused_guest(self) -> timedelta:
        """How long the session of a guest who never used it is kept."""
        return min(self.guest_expiration, max(self.guest_unused_expiration, self.jwt_expiration))

    @property
    def new_guests(self) -> tuple[int, float]:
        """How many new guests an address may have, in how many seconds.

        Without GUEST_RATE_LIMIT: in an hour as many as HTTP_RATE_LIMIT allows in ten minutes, 100 by default.
        """
        many, seconds = self.http_rate_limit
        return self.guest_rate_limit or (max(1, round(many * 600 / seconds)), 3600.0)

    # Field by field, so that all mistakes are reported together.

    @field_validator("jwt_secret")
    @classmethod
    def _secret(cls, secret: SecretStr, info: ValidationInfo) -> SecretStr:
        if len(secret) < MIN_SECRET:
            raise ValueError(f"{len(secret)} characters are too short, at least {MIN_SECRET} are needed")
        if _strict(info) and secret.get_secret_value() == DEVELOPMENT_SECRET:
            raise ValueError("the development secret is public, production needs its own")
        return secret

    @field_validator("jwt_previous_secrets")
    @classmethod
    def _previous_secrets(cls, secrets: tuple[SecretStr, ...], info: ValidationInfo) -> tuple[SecretStr, ...]:
        if any(len(secret) < MIN_SECRET for secret in secrets):
            raise ValueError(f"one is too short, each needs at least {MIN_SECRET} characters")
        if _strict(info) and DEVELOPMENT_SECRET in (secret.get_secret_value() for secret in secrets):
            raise ValueError("the development secret is public")
        return secrets

    @field_validator("media_webhook_secret")
    @classmethod
    def _webhook_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not _is_webhook_secret(secret.get_secret_value()):
            raise ValueError("must be whsec_ and 24 to 64 bytes in Base64")
        return secret

    @field_validator("shutdown_timeout")
    @classmethod
    def _time_to_stop(cls, timeout: timedelta, info: ValidationInfo) -> timedelta:
        drain = sum((info.data.get(name, timedelta(0)) for name in ("drain_delay", "drain_spread")), timedelta(0))
        if timeout < drain + CLOSING:
            least = (drain + CLOSING).total_seconds()
            raise ValueError(f"must be {least:g} s: DRAIN_DELAY, DRAIN_SPREAD and {CLOSING.seconds} s to close")
        return timeout

    @field_validator("currency")
    @classmethod
    def _two_digits(cls, currency: str) -> str:
        if currency in THREE_DIGITS:
            raise ValueError("its minor units have more than two digits, which prices are not stored with")
        return currency

    @field_validator("cors_origins")
    @classmethod
    def _exact_origins(cls, origins: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if _strict(info) and "*" in origins:
            raise ValueError('"*" lets every web site act for your users, list the exact origins')
        return origins

    @field_validator("image_origins")
    @classmethod
    def _safe_images(cls, origins: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not (
                origin.startswith("https://") or (origin.startswith("http://") and not _strict(info))
            ):
                raise ValueError(f"{origin} is not an https:// origin")
        return origins

    @field_validator("csrf_enabled")
    @classmethod
    def _csrf(cls, enabled: bool, info: ValidationInfo) -> bool:
        if _strict(info) and not enabled:
            raise ValueError("can be switched off only outside production")
        return enabled

    @field_validator("cookie_prefix")
    @classmethod
    def _prefix(cls, prefix: str, info: ValidationInfo) -> str:
        if prefix.lower().startswith("__host-") and info.data.get("cookie_domain") is not None:
            raise ValueError("browsers refuse __Host- cookies that have a COOKIE_DOMAIN")
        return prefix

    @field_validator("shop_page")
    @classmethod
    def _shop(cls, wanted: bool | None, info: ValidationInfo) -> bool | None:
        if _strict(info) and wanted:
            raise ValueError("the shop page exists only outside production")
        return wanted


def _is_webhook_secret(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    return secret.startswith("whsec_") and 24 <= len(key) <= 64


def _strict(info: ValidationInfo) -> bool:
    """Whether this is production, as far as one can tell: `app_env` is read first, and may itself be wrong."""
    return info.data.get("app_env") is not Environment.DEVELOPMENT


def load(**overrides: Any) -> Settings:
    """Return the settings of this process from the environment, overridden by keyword arguments (field names).

    Raises SettingsError with one line per mistake.
    """
    _refuse_two_urls()
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError([_line(item) for item in error.errors()]) from None


def _refuse_two_urls() -> None:
    """Refuse two different URLs of the main database: nobody can know which of them was meant."""
    environment = {name.upper(): value for name, value in os.environ.items()}
    if len({environment[name] for name in MAIN_URL if environment.get(name)}) > 1:
        raise SettingsError([f"{MAIN_URL[0]}: differs from {MAIN_URL[1]}, its other name; set one of them"])


def _line(item: ErrorDetails) -> str:
    name = str(item["loc"][0]).upper()
    if name in MAIN_URL:  # under the name that was used
        name = next((given for given in MAIN_URL if os.environ.get(given)), name)
    if item["type"] == "missing":
        return f"{name}: is required"
    text = item["msg"].removeprefix("Value error, ")
    return f"{name}: {text[0].lower()}{text[1:]}"
