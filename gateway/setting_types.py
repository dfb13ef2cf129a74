"""Parses the values of settings: durations, rates, URLs, lists. Used by settings.

Invalid values raise ValueError; its text follows the setting's name in the message and contains no secret.
"""

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from annotated_types import Ge
from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

MAX_DURATION = timedelta(days=3650)  # the sum of a time and a longer one may not fit into a datetime

# Parameters of PostgreSQL's and Redis' URLs that are paths of files.
_FILES = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_SIZES = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Pages and apps: https://shop.example, capacitor://localhost, app://., chrome-extension://abc.
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE
)
_NO_ORIGINS = frozenset({"about", "blob", "data", "file", "ftp", "javascript", "ws", "wss"})  # schemes that have none
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?", re.ASCII)


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value)
        if match is None:
            raise ValueError('not a duration; write it like "15m", "7d", "30s" or "500ms"')
        seconds = float(match[1]) * _UNITS[match[2] or "s"]
        if seconds <= 0:
            raise ValueError("a duration must be longer than nothing")
        if seconds > MAX_DURATION.total_seconds():
            raise ValueError(f"a duration may be {MAX_DURATION.days}d at the most")
        return timedelta(seconds=seconds)
    return value


def _delay(value: object) -> object:
    return (
        timedelta(0)
        if isinstance(value, str) and re.fullmatch(r"\s*0+\s*(ms|s|m|h|d)?\s*", value)
        else _duration(value)
    )


def _rate(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})?\s*(second|minute|hour)s?\s*", value)
        if match is None or 0 in (int(match[1]), int(match[2] or 1)):
            raise ValueError('not a rate; write it like "10/minute" or "100/10 seconds"')
        unit = {"second": 1, "minute": 60, "hour": 3600}[match[3]]
        return (int(match[1]), float(int(match[2] or 1) * unit))
    return value


def _size(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,18})\s*(KiB|MiB|GiB)?\s*", value)
        if match is None or not int(match[1]):
            raise ValueError('not a size; write it like "512MiB" or "1GiB"')
        return int(match[1]) * _SIZES[match[2] or ""]
    return value


def _workers(value: object) -> object:
    if isinstance(value, str):
        if value.strip() == "max":
            return "max"
        if not re.fullmatch(r"\s*[1-9]\d{0,2}\s*", value):
            raise ValueError('not a number of processes; write it like "4", or "max" for one per core')
        return int(value)
    return value


def _url(*schemes: str) -> BeforeValidator:
    def check(value: object) -> object:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or parts.scheme not in schemes or not (parts.netloc or parts.path or parts.query):
            raise ValueError(f"not a URL of the form {schemes[0]}://host:port/name")
        return value

    return BeforeValidator(check)


def _files(url: SecretStr) -> SecretStr:
    for name, path in parse_qsl(urlsplit(url.get_secret_value()).query):
        if name in _FILES and path != "system" and not Path(path).is_file():
            raise ValueError(f"there is no such file as its {name} says")
    return url


def _origins(value: object) -> object:
    if isinstance(value, str):
        value = [item.strip().rstrip("/") for item in value.split(",") if item.strip()]
    if isinstance(value, (list, tuple)):
        for origin in value:
            match = _ORIGIN.fullmatch(origin)
            if origin != "*" and (match is None or match["scheme"].lower() in _NO_ORIGINS):
                raise ValueError(f'"{origin}" is not an origin; write it like "https://shop.example"')
        # As browsers send them: without the default port.
        return tuple(_without_default_port(origin) for origin in value)
    return value


def _without_default_port(origin: str) -> str:
    scheme = origin.partition(":")[0].lower()
    return origin.removesuffix({"http": ":80", "https": ":443"}.get(scheme, "none"))


def _hosts(value: object) -> object:
    if isinstance(value, str):
        value = [item.strip().lower() for item in value.split(",") if item.strip()]
    if isinstance(value, (list, tuple)):
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(f'"{host}" is not a host; write it like "live.shop.example" or "localhost:3001"')
        return tuple(value)
    return value


def _networks(value: object) -> object:
    if isinstance(value, str):
        return tuple(ip_network(item.strip(), strict=False) for item in value.split(",") if item.strip())
    return value


def _words(value: object) -> object:
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


def _secrets(value: object) -> object:
    if isinstance(value, str):
        return tuple(SecretStr(item.strip()) for item in value.split(",") if item.strip())
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(_words), NoDecode]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Delay = Annotated[timedelta, BeforeValidator(_delay), Ge(timedelta(0))]  # a duration that may be 0
Size = Annotated[int, BeforeValidator(_size), Ge(1)]  # bytes
WorkerCount = Annotated[int | Literal["max"], BeforeValidator(_workers)]
Rate = Annotated[tuple[int, float], BeforeValidator(_rate), NoDecode]  # number of requests, s
OptionalRate = Annotated[tuple[int, float] | None, BeforeValidator(_rate), NoDecode]
Origins = Annotated[tuple[str, ...], BeforeValidator(_origins), NoDecode]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_hosts), NoDecode]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks), NoDecode]
SecretList = Annotated[tuple[SecretStr, ...], BeforeValidator(_secrets), NoDecode]
DatabaseUrl = Annotated[SecretStr, _url("postgres", "postgresql"), AfterValidator(_files)]
RedisUrl = Annotated[
    SecretStr, _url("redis", "rediss", "unix", "redis-sentinel", "redis-cluster"), AfterValidator(_files)
]
