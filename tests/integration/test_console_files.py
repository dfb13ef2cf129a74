"""The files of the console as the gateway serves them: at which addresses, cached how, compressed how."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from gateway.http.console import mount_console
from gateway.http.cors import Cors
from gateway.http.middlewares import Edge
from gateway.http.pages import POLICY, content_policy
from gateway.metrics import Metrics
from gateway.security.browsers.origins import Origins
from tests.http_edge import Client, refused, serving, settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a built console: its page, an asset with a compressed copy, and what must not be served."""
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (folder / "assets" / "index-A_b-1.js").write_text("the script")
    (folder / "assets" / "index-A_b-1.js.gz").write_bytes(gzip.compress(b"the script"))
    (folder / "assets" / "index.css").write_text("the style")
    (folder / "assets" / "notes.txt").write_text("notes")
    (tmp_path / "outside.js").write_text("outside")
    return folder


@pytest.fixture
async def client(root: Path) -> AsyncIterator[Client]:
    """Return the console behind the edge."""
    app = web.Application()
    Edge(Cors(Origins(settings())), Metrics(), production=True).mount(app)
    mount_console(app, root)
    async with serving(app) as client:
        yield client


@pytest.mark.parametrize("path", ["", "/", "/streams", "/streams/spring_sale-2026", "/people/12/"])
async def test_all_addresses_of_the_console_are_its_page(client: Client, path: str) -> None:
    response = await client.get(f"/console{path}")
    assert (response.status, await response.text()) == (200, "the page")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Content-Security-Policy"] == POLICY
    again = await client.get(f"/console{path}", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304


async def test_pictures_are_allowed_from_listed_origins_alone(root: Path) -> None:
    app = web.Application()
    mount_console(app, root, ("https://images.shop.example",))
    async with serving(app) as client:
        page = await client.get("/console")
    policy = dict(line.split(" ", 1) for line in page.headers["Content-Security-Policy"].split("; "))
    assert policy["img-src"] == "'self' data: https://images.shop.example"
    assert (policy["script-src"], policy["default-src"]) == ("'self'", "'none'")
    assert "img-src 'self' data: https:;" in content_policy(["*"])
    assert "img-src 'self' data:;" in POLICY


async def test_assets_are_kept_for_good_and_sent_compressed(client: Client) -> None:
    plain = await client.get("/console/assets/index-A_b-1.js", headers={"Accept-Encoding": "identity"})
    compressed = await client.get("/console/assets/index-A_b-1.js", headers={"Accept-Encoding": "gzip"})
    assert (await plain.text(), await compressed.text()) == ("the script", "the script")
    assert ("Content-Encoding" in plain.headers, compressed.headers["Content-Encoding"]) == (False, "gzip")
    for response in (plain, compressed):
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Accept-Encoding" in response.headers.getall("Vary")
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/console/assets",
        "/console/assets/",
        "/console/assets/index-old.js",
        "/console/assets/notes.txt",
        "/console/assets/deep/index.js",
        "/console/assets/index-A_b-1.js.gz",
        "/console/assets/..%2F..%2Foutside.js",
        "/console/index.html",
        "/console/favicon.ico",
        "/consoles",
    ],
)
async def test_nothing_else_is_served(client: Client, path: str) -> None:
    await refused(await client.get(path), 404, "NOT_FOUND")


async def test_a_gateway_whose_console_was_not_built_has_none(client: Client, root: Path) -> None:
    (root / "index.html").unlink()
    await refused(await client.get("/console"), 404, "NOT_FOUND")
