"""Parses REDIS_URL: one server, a master that sentinels watch, or a cluster. Used by client.py and the command line."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from gateway.settings import SettingsError

SENTINEL = "redis-sentinel"
CLUSTER = "redis-cluster"
SERVICE = "mymaster"  # the default name of a master in Sentinel's configuration
PORTS = {SENTINEL: 26379, CLUSTER: 6379}

_EXAMPLES = {SENTINEL: f"{SENTINEL}://host:26379,host:26379/{SERVICE}", CLUSTER: f"{CLUSTER}://host:6379,host:6379"}
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:\[\]@]+))(?::(?P<port>\d{1,5}))?")


class Address(NamedTuple):
    """The address of a server."""

    host: str
    port: int


class ServerList(NamedTuple):
    """The servers of a URL, with user and password. The repr does not show the password."""

    form: str
    addresses: tuple[Address, ...]
    service: str
    username: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"ServerList({describe_server_list(self)})"


def server_list(url: str) -> ServerList | None:
    """Parse a URL that lists several servers; return None for the forms with one server.

    Raises SettingsError with one line, which contains no part of the URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS:
        return None
    access, _, hosts = parts.netloc.rpartition("@")
    username, _, password = access.partition(":")
    addresses = []
    for text in hosts.split(","):
        match = _HOST.fullmatch(text.strip())
        port = int(match["port"] or PORTS[parts.scheme]) if match else 0
        if match is None or not 0 < port < 65536:
            raise SettingsError([f"REDIS_URL: one of its hosts is wrong; write it like {_EXAMPLES[parts.scheme]}"])
        addresses.append(Address(match["six"] or match["name"], port))
    service = unquote(parts.path.strip("/"))
    if parts.query or parts.fragment or (service and parts.scheme == CLUSTER):
        raise SettingsError([f"REDIS_URL: has parts too many; write it like {_EXAMPLES[parts.scheme]}"])
    names = (unquote(username) or None, unquote(password) or None)
    return ServerList(parts.scheme, tuple(addresses), service or SERVICE, *names)


def describe(url: str) -> str:
    """Return the form of a URL in words for operators, without secrets."""
    found = server_list(url)
    return describe_server_list(found) if found else "one server"


def describe_server_list(found: ServerList) -> str:
    """Do the same for a parsed URL."""
    if found.form == CLUSTER:
        return f"cluster, found by {len(found.addresses)} of its servers"
    return f"master {found.service} of {len(found.addresses)} sentinels"
