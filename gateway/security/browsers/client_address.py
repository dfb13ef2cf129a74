"""The client's address behind proxies, and what limits per address count. Used by both edges and for devices."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:]*))(?::\d+)?")  # as some load balancers write them

_SAME_MACHINE = "127.0.0.1"
IPV6_CUSTOMER = 64  # bits; one customer has a whole /64 and could send from 2^64 addresses
IPV6_SITE = 48  # bits; some customers have a whole /48 and could send from 2^16 networks
SITE_TIMES = 16  # times the limit of a customer's network


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address nearest to the client that can be believed.

    `peer` is the other end of the TCP connection, `forwarded_for` the values of all X-Forwarded-For headers in order.
    The header counts only when the peer is a trusted proxy; then it is read from the right, past trusted proxies, up to
    the first address that is not one of them: whatever stands further left was written by the client. What is behind a
    Unix socket has no address and counts as 127.0.0.1 among the trusted proxies; if that is none, or has not said who
    asked, the answer is "unknown".
    """
    found = _parse(peer or _SAME_MACHINE)
    if found is None or (not peer and not (forwarded_for and any(found in network for network in trusted))):
        return "unknown"
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while hops and any(found in network for network in trusted):
        before = _parse(hops.pop())
        if before is None:  # a proxy of ours wrote no nonsense; believe nothing that is left of it
            break
        found = before
    return str(found)


def limit_subject(address: str) -> str:
    """Return what a limit per address counts: the address, for IPv6 its /64, the network of one customer."""
    found = _parse(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, IPV6_CUSTOMER), strict=False))
    return address


def limit_subjects(address: str) -> list[tuple[str, int]]:
    """Return what limits per address count, each with a factor for the limit: for IPv6 the /64 and then the /48.

    A /48, as providers give it to companies and to customers who ask, holds 65,536 networks of customers.
    """
    return subjects_of(limit_subject(address))


@lru_cache(maxsize=4096)
def subjects_of(subject: str) -> list[tuple[str, int]]:
    """Return the same for the result of `limit_subject`."""
    if not subject.endswith(f"/{IPV6_CUSTOMER}"):
        return [(subject, 1)]
    return [(subject, 1), (str(ip_network(subject).supernet(new_prefix=IPV6_SITE)), SITE_TIMES)]


def direct(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Whether a peer is a client itself: neither a trusted proxy, which has everybody's connections, nor unknown."""
    found = _parse(peer or "")
    return found is not None and not any(found in network for network in trusted)


def loopback(address: str | None) -> bool:
    """Return whether a peer is on this machine."""
    found = _parse(address or "")
    return found is not None and found.is_loopback


@lru_cache(maxsize=4096)  # a connection asks three times for the same one, a proxy's is that of all of its clients
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    match = _WITH_PORT.fullmatch(text := text.strip())
    try:
        found = ip_address((match["six"] or match["four"] or "" if match else text).partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
