"""nginx as deployed: who goes where, what nobody outside reads, and what it says when no node lives."""

from pathlib import Path

import aiohttp

from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.nginx import nginx

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


async def test_a_cookie_keeps_a_client_at_its_node(open_faulty_cluster: OpenFaultyCluster, tmp_path: Path) -> None:
    async with open_faulty_cluster(TRUSTED_PROXIES="127.0.0.1") as cluster:
        for node in cluster.nodes:
            node.keep_port()
        jar = aiohttp.DummyCookieJar()
        async with nginx(cluster.nodes, tmp_path) as url, aiohttp.ClientSession(cookie_jar=jar) as http:
            async with http.get(url + HANDSHAKE) as response:
                first = response.cookies["dorami_node"].value
                assert response.cookies["dorami_node"]["httponly"]
            async with http.get(url + HANDSHAKE, headers={"Cookie": f"dorami_node={first}"}) as response:
                assert response.status == 200
                assert "dorami_node" not in response.cookies

            other = {"1": "2", "2": "1"}[first]  # where no address leads this client
            async with http.get(url + HANDSHAKE, headers={"Cookie": f"dorami_node={other}"}) as response:
                assert "dorami_node" not in response.cookies
            await cluster.nodes[int(other) - 1].kill()
            async with http.get(url + HANDSHAKE, headers={"Cookie": f"dorami_node={other}"}) as response:
                assert response.status == 200
                assert response.cookies["dorami_node"].value == first

            async with http.get(f"{url}/metrics") as response:
                assert response.status == 404
            async with http.get(f"{url}/api/v1/streams/active", headers={"X-Request-Id": "of-a-client"}) as response:
                assert response.headers["X-Request-Id"] == "of-a-client"

            await cluster.nodes[int(first) - 1].kill()
            async with http.get(f"{url}/api/v1/streams/active") as response:
                body = await response.json()
                assert (response.status, response.headers["Retry-After"]) == (503, "2")
                assert (body["errorCode"], body["retryable"]) == ("SERVICE_UNAVAILABLE", True)
