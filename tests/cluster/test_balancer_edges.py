"""HAProxy and nginx as deployed, with TLS and behind a balancer of TCP connections that speaks the PROXY protocol."""

import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import pytest

from tests.certificates import certificate
from tests.client.client import Client, Transport
from tests.cluster import haproxy, nginx
from tests.cluster.haproxy import free_port
from tests.cluster.shop import Shop, open_shop
from tests.support import Node
from tests.timing import until

BEHIND = """
defaults
    mode tcp
    timeout connect 2s
    timeout client 90s
    timeout server 90s
frontend public
    bind 127.0.0.1:{port}
    default_backend balancer
backend balancer
    server balancer 127.0.0.1:{inner} send-proxy-v2
"""


def haproxy_edge(node: Node, port: int, folder: Path) -> AbstractAsyncContextManager[None]:
    """HAProxy with what its configuration says of TLS and of the PROXY protocol."""
    deployed = haproxy.CONFIG.read_text()
    assert "bind :443 ssl crt /etc/haproxy/shop.pem alpn http/1.1`" in deployed
    assert "`accept-proxy` at the end of the line" in deployed
    pem = folder / "shop.pem"
    pem.write_text((folder / "server.crt").read_text() + (folder / "server.key").read_text())
    line = f"bind 127.0.0.1:{port}"
    text = haproxy.configuration([node, node], port).replace(line, f"{line} ssl crt {pem} alpn http/1.1 accept-proxy")
    return haproxy.running(text, folder / "haproxy.cfg")


def nginx_edge(node: Node, port: int, folder: Path) -> AbstractAsyncContextManager[None]:
    """nginx with the same."""
    deployed = nginx.CONFIG.read_text()
    assert "`listen 443 ssl backlog=4096;` with `ssl_certificate` and `ssl_certificate_key`" in deployed
    assert "`real_ip_header proxy_protocol;` with `set_real_ip_from`" in deployed
    line = f"listen 127.0.0.1:{port} backlog=4096;"
    text = nginx.configuration([node, node], port, folder)
    assert line in text
    text = text.replace(
        line,
        f"listen 127.0.0.1:{port} ssl proxy_protocol backlog=4096;\n"
        f"ssl_certificate {folder}/server.crt;\nssl_certificate_key {folder}/server.key;\n"
        "real_ip_header proxy_protocol;\nset_real_ip_from 127.0.0.1;\n",
    )
    return nginx.running(text, folder / "nginx.conf")


@pytest.mark.parametrize("edge", [haproxy_edge, nginx_edge], ids=["haproxy", "nginx"])
async def test_the_clients_address_comes_through_tls_and_the_proxy_protocol(
    edge: Callable[[Node, int, Path], AbstractAsyncContextManager[None]],
    client: Client,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate(tmp_path, "127.0.0.1")))
    trusting = {"TRUSTED_PROXIES": "127.0.0.1"}
    port, inner = free_port(), free_port()
    url = f"https://127.0.0.1:{port}"
    async with (
        open_shop(client, tmp_path, database_url, redis_url, size=1, each=(), **trusting) as shop,
        edge(shop.nodes[0], inner, tmp_path),
        haproxy.running(BEHIND.format(port=port, inner=inner), tmp_path / "tcp.cfg"),
    ):

        async def left(address: str, count: int) -> list[int]:
            """Send so many requests; return the rest of the address' limit after each."""
            connector = aiohttp.TCPConnector(local_addr=(address, 0), ssl=trusted)
            async with aiohttp.ClientSession(connector=connector) as http:
                found = []
                for number in range(count):
                    forged = {"X-Forwarded-For": f"10.0.0.{number}"}
                    async with http.get(f"{url}/api/v1/streams/active", headers=forged) as response:
                        assert response.status == 200
                        found.append(int(response.headers["RateLimit-Remaining"]))
                return found

        async def serves() -> bool:
            try:
                return bool(await left("127.0.0.9", 1))
            except aiohttp.ClientError:
                return False

        await until(serves, within=10, pause=0.1)
        first, *others = await left("127.0.0.2", 4)
        assert others == [first - 1, first - 2, first - 3], "whatever a client says of itself"
        assert await left("127.0.0.3", 1) == [first], "it is another client"
        await chat(shop, url)


async def chat(shop: Shop, url: str) -> None:
    """Official clients of all transports talk over TLS."""
    key = await shop.stream()
    transports: tuple[Transport, ...] = ("websocket", "polling", "upgrade")
    sockets = []
    for transport in transports:
        person = await shop.person()
        sockets.append(
            await shop.client.connect(
                url, "/chat", token=person.token, transport=transport, rejectUnauthorized=False, forceNew=True
            )
        )
        await sockets[-1].call("chat:join-room", {"liveId": key})
    await sockets[0].call("chat:send-message", {"liveId": key, "message": "over TLS"})
    for socket in sockets:
        await socket.expect("chat:message", message="over TLS")
