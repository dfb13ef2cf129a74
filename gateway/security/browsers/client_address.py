"""The client's address behind proxies, and the units that limits per address count. Used by both edges."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:]*))(?::\d+)?")  # some load balancers add the port

_SAME_MACHINE = "127.0.0.1"
IPV6_CUSTOMER = 64  # bits; one customer has a /64, which is 2^64 addresses
IPV6_SITE = 48  # bits; some customers have a /48, which is 2^16 networks of customers
SITE_TIMES = 16  # the limit of a /48, as a multiple of that of a /64


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address nearest to the client that can be trusted.

    `peer` is the other end of the TCP connection, `forwarded_for` the values of all X-Forwarded-For headers in order.
    The header counts only if the peer is a trusted proxy. It is read from the right, past trusted proxies, up to the
    first address that is not one of them: everything further left was written by the client. A peer on a Unix socket
    has no address and counts as 127.0.0.1; if that is not trusted, or there is no header, the result is "unknown".
    """
    found = _parse(peer or _SAME_MACHINE)
    if found is None or (not peer and not (forwarded_for and any(found in network for network in trusted))):
        return "unknown"
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while hops and any(found in network for network in trusted):
        before = _parse(hops.pop())
        if before is None:  # not written by a trusted proxy, so nothing further left can be trusted
            break
        found = before
    return str(found)


def limit_subject(address: str) -> str:
    """Return the unit that a limit per address counts: the address, for IPv6 its /64, the network of one customer."""
    found = _parse(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, IPV6_CUSTOMER), strict=False))
    return address


def limit_subjects(address: str) -> list[tuple[str, int]]:
    """Return the units that limits per address count, each with a factor of the limit: for IPv6 the /64, then the /48.

    Providers give a /48, which holds 65,536 networks of customers, to companies and on request.
    """
    return subjects_of(limit_subject(address))


@lru_cache(maxsize=4096)
def subjects_of(subject: str) -> list[tuple[str, int]]:
    """Do the same as `limit_subjects`, for a result of `limit_subject`."""
    if not subject.endswith(f"/{IPV6_CUSTOMER}"):
        return [(subject, 1)]
    return [(subject, 1), (str(ip_network(subject).supernet(new_prefix=IPV6_SITE)), SITE_TIMES)]


def direct(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Return whether a peer is a client itself: neither a trusted proxy, which serves many clients, nor unknown."""
    found = _parse(peer or "")
    return found is not None and not any(found in network for network in trusted)


def loopback(address: str | None) -> bool:
    """Return whether a peer is on this machine."""
    found = _parse(address or "")
    return found is not None and found.is_loopback


@lru_cache(maxsize=4096)  # each connection parses its address three times
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    match = _WITH_PORT.fullmatch(text := text.strip())
    try:
        found = ip_address((match["six"] or match["four"] or "" if match else text).partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
