"""The address of a client, behind trusted proxies and with forged headers."""

from ipaddress import ip_network

import pytest

from gateway.security.browsers.client_address import SITE_TIMES, client_address, limit_subject, limit_subjects, loopback

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not our proxy: what it says counts for nothing
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # the client wrote the first one itself
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # everybody is trusted: the farthest
        ("10.0.0.1", ["1.1.1.1:80, 198.51.100.1:50123"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, [2001:db8::7]:50123, [fd00::1]"], "2001:db8::7"),
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1:x"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, []"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, "], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("fe80::1%eth0", [], "fe80::1"),
        (None, ["198.51.100.1"], "unknown"),
        ("", ["198.51.100.1"], "unknown"),
    ],
)
def test_the_nearest_trusted_address_is_used(peer: str | None, forwarded: list[str], address: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == address


def test_a_unix_socket_counts_as_this_machine() -> None:
    this_machine = [ip_network("127.0.0.0/8")]
    assert client_address("", ["198.51.100.1"], this_machine) == "198.51.100.1"
    assert client_address(None, ["1.1.1.1, 198.51.100.1"], this_machine) == "198.51.100.1"
    assert client_address("", [], this_machine) == "unknown"


def test_without_trusted_proxies_the_header_is_ignored() -> None:
    assert client_address("10.0.0.1", ["198.51.100.1"], []) == "10.0.0.1"


def test_one_ipv6_customer_is_one_client() -> None:
    assert limit_subject("2001:db8:1:2:3::4") == limit_subject("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert limit_subject("2001:db8:1:3::") != limit_subject("2001:db8:1:2::")
    assert limit_subject("198.51.100.1") == "198.51.100.1"
    assert limit_subject("unknown") == "unknown"


def test_an_ipv6_site_has_a_higher_limit() -> None:
    one, other = limit_subjects("2001:db8:1:2::1"), limit_subjects("2001:db8:1:3::1")
    assert one == [("2001:db8:1:2::/64", 1), ("2001:db8:1::/48", SITE_TIMES)]
    assert one[0] != other[0]
    assert one[1] == other[1]
    assert limit_subjects("198.51.100.1") == [("198.51.100.1", 1)]
    assert limit_subjects("unknown") == [("unknown", 1)]


def test_loopback_addresses() -> None:
    assert all(loopback(address) for address in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"))
    assert not any(loopback(address) for address in (None, "", "10.0.0.1", "::", "localhost"))
