"""Every setting, with unit, default and reason. The command line reads them once; nobody else reads the environment."""

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
    """The environment cannot be served from; `lines` has a clear sentence per mistake and no secret."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Environment(StrEnum):
    """Where this process runs; production is strict."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class SocketLifetime(StrEnum):
    """What ends a live socket, apart from its client, a revocation and the node."""

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

    # --- where we run ---
    app_env: Environment = Field(Environment.PRODUCTION, validation_alias=AliasChoices("APP_ENV", "NODE_ENV"))
    """`production` or `development`. Production is strict: secrets, origins and CSRF are checked; the shop page
    and documents are off. `NODE_ENV` is read, too."""
    host: str = Field("0.0.0.0", pattern=r"^(unix:/.{1,100}|[^:/]+|[0-9a-fA-F:.]+)$")  # noqa: S104
    """The address to listen on."""
    port: int = Field(3001, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    node_id: str | None = Field(None, pattern=r"^[\w.-]{1,64}$")
    """The name of this node in logs and Redis; made at the start unless given. Unique among nodes."""
    workers: WorkerCount = 1
    """How many processes serve on the port, or `max`: one for each core. They share what is said per node below."""
    worker_memory_limit: Size = Field(2**30, ge=2**24)
    """Resident memory, like `512MiB`, 16 MiB or more, above which one of several workers is replaced as in a reload."""
    drain_delay: Delay = timedelta(seconds=3)
    """How long a node serves on, not ready, after the signal to stop, so that balancers notice."""
    drain_spread: Delay = timedelta(seconds=10)
    """How long it then takes to send its clients away, one after the other."""
    shutdown_timeout: Duration = timedelta(seconds=25)
    """How long stopping may take in all; orchestrators kill after 30 s."""
    keepalive_timeout: Duration = timedelta(seconds=75)
    """How long an idle HTTP connection is held: longer than balancers hold theirs (mostly 60 s), or a request meets
    the end of its connection and is lost."""

    # --- servers ---
    rds_main_url: DatabaseUrl = Field(validation_alias=AliasChoices(*MAIN_URL))
    """PostgreSQL: `postgresql://user:password@host/name`. The database must be UTF-8. `DATABASE_URL` is read, too."""
    rds_analytics_url: DatabaseUrl | None = None
    """The database of the numbers for graphs and reports, on the same server or another; without one there are none."""
    database_pool_size: int = Field(10, ge=1, le=200)
    """Connections to PostgreSQL per process."""
    database_timeout: Duration = timedelta(seconds=1.8)
    """How long one statement, and getting a connection, may take. A sender hears within 2 s that a message was not
    stored."""
    database_check_interval: Duration | None = None
    """How long a database may be unused before it is asked whether it is there; 1m unless given, 15s with
    `SERVERLESS`. One that is away is asked again after 0.1 s and then less and less often, at least every 5 s."""
    serverless: bool = False
    """Whether the databases stop by themselves while nobody uses them: then they are asked more often."""
    migrate_at_start: bool = True
    """Whether a node applies missing migrations at its start; off where a job of its own does it."""
    rds_main_direct_url: DatabaseUrl | None = Field(
        None, validation_alias=AliasChoices("RDS_MAIN_DIRECT_URL", "MIGRATION_DATABASE_URL")
    )
    """The main database past PgBouncer, for migrations: those that create indexes without locking may take long.
    `MIGRATION_DATABASE_URL` is read, too."""
    rds_analytics_direct_url: DatabaseUrl | None = None
    """The same of the analytics database."""
    database_pgbouncer: bool = False
    """Whether PgBouncer in transaction mode stands before PostgreSQL: then nothing may belong to a session."""
    redis_url: RedisUrl
    """Redis or Valkey: one server, the master of sentinels, or a cluster; see `docs/operations.md` for the forms."""
    redis_pool_size: int = Field(20, ge=2, le=1000)
    """Connections to Redis per process; of a cluster, to each of its servers."""
    redis_timeout: Duration = timedelta(seconds=1)
    """How long one command may take; longer means that Redis is away."""

    # --- identity ---
    jwt_secret: SecretStr
    """Signs access tokens (HS256) and keys the hashes of devices. At least 32 characters."""
    jwt_previous_secrets: SecretList = ()
    """Secrets that only verify while a new one takes over; comma separated."""
    jwt_private_key: SecretStr | None = None
    """A PEM key (Ed25519, P-256 or RSA) that signs instead of the secret."""
    jwt_previous_public_keys: str = ""
    """PEM keys, one after the other, that only verify."""
    jwt_issuer: str = "dorami"
    """The `iss` of access tokens."""
    jwt_audience: str = "dorami-clients"
    """The `aud` of access tokens."""
    jwt_expiration: Duration = timedelta(minutes=15)
    """How long an access token is valid."""
    socket_lifetime: SocketLifetime = SocketLifetime.SESSION
    """`session`: a socket lives as long as its session. `token`: it ends with the access token it came with."""
    jwt_refresh_expiration: Duration = timedelta(days=7)
    """How long a refresh token is valid; each use gives a new one."""
    guest_expiration: Duration = timedelta(hours=24)
    """How long a guest's session lasts from its last use."""
    guest_unused_expiration: Duration = timedelta(hours=1)
    """How long a guest's session lasts that was never used: no socket, no request, no refresh. At least as long as its
    access token, and no longer than `GUEST_EXPIRATION`."""

    reserved_names: Words = (
        "admin", "administrator", "host", "moderator", "operator", "staff", "system",
        "관리자", "운영자", "운영진", "어드민", "호스트", "진행자", "모더레이터", "스태프",
    )  # fmt: skip
    """Words that no user's name may have or look like: the titles of the staff. Comma separated."""
    ban_matches_network: bool = False
    """Whether a ban holds, for an hour, for new guests of the same network and browser, who may then watch and not
    speak. Carriers share one address among thousands."""

    media_webhook_secret: SecretStr | None = None
    """`whsec_` and Base64: the media server signs its webhooks with it. Without it there is no webhook."""

    # --- browsers ---
    cors_origins: Origins = ()
    """The exact origins of pages and apps that may call the gateway, `https://shop.example` or
    `capacitor://localhost`; comma separated. None: only the gateway's own pages."""
    allowed_hosts: Hosts = ()
    """The names by which browsers reach the gateway's own pages; comma separated. This machine and bare addresses
    always count."""
    image_origins: Origins = ()
    """Where the pictures of products may come from on the gateway's own pages, `https://images.shop.example`; comma
    separated, `*` is every host with https. None: only the gateway itself; other pictures are not shown."""
    cookie_domain: str | None = Field(None, pattern=r"^\.?[a-z0-9-]+(\.[a-z0-9-]+)+$")
    """The domain of cookies; unless given, the host that sets them."""
    cookie_prefix: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,32}$")
    """A prefix of the names of all cookies, such as `__Host-`."""
    csrf_enabled: bool = True
    """Whether unsafe requests with cookies need a CSRF token; can be switched off only outside production."""
    origin_required: bool = False
    """Whether a websocket without `Origin` is refused: closes the door to apps that are not browsers."""
    trusted_proxies: Networks = ()
    """Addresses or networks whose `X-Forwarded-For` counts; comma separated."""

    # --- limits ---
    http_rate_limit: Rate = (10, 60.0)
    """Requests per client and route."""
    chat_rate_limit: Rate = (20, 10.0)
    """`chat:send-message` per user."""
    event_rate_limit: Rate = (100, 10.0)
    """Every other event per user."""
    guest_rate_limit: OptionalRate = None
    """New guests per address, behind which there may be many people. Unless given, an hour has what `HTTP_RATE_LIMIT`
    gives in ten minutes."""
    refused_rate_limit: Rate = (100, 10.0)
    """Refused events per user; above it nothing that the user sends is looked at."""
    report_rate_limit: Rate = (10, 60.0)
    """`chat:report` per user; repeated reports of a message are not charged."""
    join_rate_limit: Rate = (100, 10.0)
    """Joins per user and namespace; a return with a valid `since` is not charged."""

    # --- Engine.IO ---
    ping_interval: Duration = timedelta(seconds=25)
    """How often a connection is pinged."""
    ping_timeout: Duration = timedelta(seconds=60)
    """How long a client may take to answer a ping."""
    connect_timeout: Duration = timedelta(seconds=10)
    """How long a connection may take to join its first namespace."""
    max_address_connections: int = Field(2_000, ge=1)
    """Connections that one client address may have open on one node. Above what people behind a shared address bring,
    far below what a node can hold. Behind a balancer set TRUSTED_PROXIES, or its address is everybody's."""
    max_waiting_connects: int = Field(1_000, ge=1)
    """CONNECTs that may be authenticated at the same time; more handshakes are refused for the moment."""
    max_packet_size: int = Field(65_536, ge=1024)
    """Bytes of one packet from a client; a larger one closes the connection."""
    max_poll_packets: int = Field(256, ge=1)
    """Packets in one polling request."""
    max_send_buffer: int = Field(1_048_576, ge=65_536)
    """Bytes that a client may be behind before it is dropped."""
    compression_threshold: int = Field(1_024, ge=0)
    """Bytes from which on what a large room is sent at once is compressed, for clients that offer `permessage-deflate`;
    0 accepts no compression."""
    recovery_window: Duration = timedelta(minutes=2)
    """How long a client that was cut off can continue as the same socket."""
    max_send_delay: Duration = timedelta(seconds=10)
    """How long a client may take nothing before it is dropped."""
    handler_timeout: Duration = timedelta(seconds=10)
    """How long the handler of an event may take; then the answer is `SERVICE_UNAVAILABLE`."""

    # --- large rooms ---
    room_window: Delay = Field(timedelta(milliseconds=100), le=timedelta(seconds=1))
    """How long rooms with more than 1,000 members on a node gather what they are sent; 0 sends it at once."""
    chat_display_rate: int = Field(50, ge=0, le=1_000_000)
    """Messages a second of a chat room, measured over 3 s, that everybody is shown, with those of hosts, moderators and
    administrators, and one's own; above it `chat:sampled` tells what was left out. 0 shows all."""

    # --- reports ---
    report_hide_at: int = Field(0, ge=0, le=1000)
    """How many people have to report a message until it is hidden, until somebody of the staff reviews it; 0 hides
    none. Who reported what staff kept counts for less, guests and accounts younger than the message do not count."""

    # --- streams ---
    stream_end_grace: Duration = timedelta(seconds=30)
    """How long an encoder that dropped can return before its stream ends."""
    stream_reopen: Duration = Field(timedelta(minutes=30), le=timedelta(hours=1))
    """How long an ended stream can be started again; at most an hour, for which it is known who watched."""

    # --- the shop ---
    currency: str = Field("KRW", pattern="^[A-Z]{3}$")
    """The currency of all prices, as ISO 4217 names it."""
    locale: Literal["ko", "en"] = "ko"
    """The language of purchase notifications."""
    order_ttl: Duration = timedelta(minutes=15)
    """How long an order may stay unpaid; then it expires and gives its stock back."""

    # --- what is kept ---
    message_retention: Duration = timedelta(days=365)
    """How long the messages of a stream are kept after it has closed, with the record of deletions among them."""
    deletion_retention: Duration = timedelta(days=90)
    """How long the text of a deleted message is kept for an undo."""
    moderation_retention: Duration = timedelta(days=730)
    """How long entries of the audit log are kept, and mutes and bans that have ended."""
    order_retention: Duration = timedelta(days=1830)
    """How long orders are kept, except unpaid ones that can still be paid. The default is five years, as the law of
    electronic commerce asks of shops in Korea."""
    stream_retention: Duration = timedelta(days=1830)
    """How long a closed stream is kept, with its products and listed words; longer while orders, messages or entries of
    the audit log refer to it."""
    notification_retention: Duration = timedelta(days=30)
    """How long notifications are kept."""
    analytics_retention: Duration = timedelta(days=730)
    """How long the numbers in the analytics database are kept."""
    job_retention: Duration = timedelta(days=365)
    """How long a job that has ended is kept, and its files."""

    # --- jobs ---
    media_folder: Path | None = None
    """Recordings, and the replays that are made of them. Workers need it."""
    ffmpeg: str = "ffmpeg"
    """The ffmpeg program, by name or path."""
    worker_jobs: int = Field(1, ge=1, le=16)
    """Jobs that one worker runs at the same time; one conversion keeps all cores busy."""
    job_timeout: Duration = timedelta(hours=1)
    """How long one conversion may take."""

    # --- operations ---
    metrics_port: int | None = Field(None, ge=0, le=65535)
    """A port of its own for `/metrics`; unless given, it is beside the API."""
    metrics_token: SecretStr | None = None
    """The Bearer token of `/metrics` beside the API; without one only this machine may read it."""
    log_level: str | None = Field(None, pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`; WARNING in production and INFO elsewhere unless given."""
    backup_folder: Path = Path(".dorami/backups")
    """Where `dorami backup` puts backups: a folder on other disks than the databases'."""
    shop_page: bool | None = Field(None, validation_alias=AliasChoices("SHOP_PAGE", "DEMO_PAGE"))
    """Whether `/` is the shop page; only outside production. `DEMO_PAGE` is read, too."""
    console: bool = True
    """Whether `/console` is the page of administrators, moderators and hosts; in production, too."""
    docs_enabled: bool | None = None
    """Whether `/api/docs` has the documents, guides and console; in production only if it is set to true."""
    docs_try: bool | None = None
    """Whether requests can be tried from these pages; in production only if it is set to true."""

    @property
    def production(self) -> bool:
        """Whether this process must be strict."""
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
        """How long a database may be unused before it is asked whether it is there."""
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
        """How long a guest is remembered who never came back."""
        return min(self.guest_expiration, max(self.guest_unused_expiration, self.jwt_expiration))

    @property
    def new_guests(self) -> tuple[int, float]:
        """How many new guests an address may have, in how many seconds.

        Unless GUEST_RATE_LIMIT says: each hour what HTTP_RATE_LIMIT lets in within ten minutes, 100 by default.
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
