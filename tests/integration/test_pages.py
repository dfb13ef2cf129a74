"""The demo page as the gateway serves it: what can be fetched, as what, under which policy, and what can't."""

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiohttp import web

from gateway.http.cors import Cors
from gateway.http.middlewares import Edge
from gateway.http.pages import CLIENT_LIBRARY, mount_pages
from gateway.metrics import Metrics
from gateway.security.browsers.origins import Origins
from tests.http_edge import Client, refused, serving, settings

WEB = Path(__file__).parents[2] / "gateway" / "web"
LIBRARY = "/assets/vendor/socket.io.js"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a web folder with a file of each kind that a page is made of, and what is nobody's business."""
    folder = tmp_path / "web"
    for name in (
        "index.html",
        "main.js",
        "style.css",
        "icon.svg",
        "package.json",
        ".hidden.js",
        "notes.html",
        "deep/main.js",
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"this is {name}")
    (tmp_path / "outside.js").write_text("this is outside")
    return folder


@pytest.fixture
async def client(root: Path) -> AsyncIterator[Client]:
    """Return the page behind the edge."""
    app = web.Application()
    Edge(Cors(Origins(settings())), Metrics(), production=False).mount(app)
    mount_pages(app, root)
    async with serving(app) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "kind", "file"),
    [
        ("/", "text/html", "index.html"),
        ("/assets/main.js", "text/javascript", "main.js"),
        ("/assets/style.css", "text/css", "style.css"),
        ("/assets/icon.svg", "image/svg+xml", "icon.svg"),
    ],
)
async def test_files_are_served_with_their_content_type(client: Client, path: str, kind: str, file: str) -> None:
    response = await client.get(path)
    assert (response.status, response.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    assert await response.text() == f"this is {file}"
    policy = dict(line.split(" ", 1) for line in response.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/assets",
        "/assets/",
        "/assets/vendor/",
        "/assets/deep/main.js",
        "/assets/missing.js",
        "/assets/package.json",
        "/assets/notes.html",
        "/assets/.hidden.js",
        "/assets/..%2Foutside.js",
        "/assets/%2e%2e/outside.js",
        "/assets/main.js%00.css",
        "/assets/main.js/",
        "/index.html",
    ],
)
async def test_no_other_file_is_served_and_no_folder_listed(client: Client, path: str) -> None:
    await refused(await client.get(path), 404, "NOT_FOUND")


async def test_the_client_library_is_served_if_installed(client: Client, root: Path) -> None:
    await refused(await client.get(LIBRARY), 404, "NOT_FOUND")
    (root / CLIENT_LIBRARY).parent.mkdir(parents=True)
    (root / CLIENT_LIBRARY).write_text("this is the library")
    response = await client.get(LIBRARY)
    assert response.content_type == "text/javascript"
    assert await response.text() == "this is the library"


class Inline(HTMLParser):
    """Collects what the page's policy would refuse, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.refused.append(tag)
        self.refused += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        url = given.get("href" if tag == "link" else "src")
        if url and tag in ("script", "link", "img"):
            self.loaded.append(url)


async def test_the_page_has_nothing_inline_and_its_files_exist() -> None:
    page = Inline()
    page.feed((WEB / "index.html").read_text())
    assert page.refused == []
    assert {"/assets/main.js", "/assets/style.css"} <= set(page.loaded)
    for url in page.loaded:
        assert (WEB / url.removeprefix("/assets/")).is_file(), url
