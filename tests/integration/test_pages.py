"""The shop page: its types, texts and size, and what the gateway serves of it, as what and under which policy."""

import json
import re
import subprocess
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiohttp import web

from gateway.http.cors import Cors
from gateway.http.middlewares import Edge
from gateway.http.pages import VIDEO, mount_pages
from gateway.metrics import Metrics
from gateway.security.browsers.origins import Origins
from tests import shop_page
from tests.client_package import PACKAGE, node
from tests.http_edge import Client, refused, serving, settings

BUDGET = 16_000  # bytes gzip of scripts and styles beside @dorami/client


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
    mount_pages(app, root, root.parent / "media")
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


async def test_the_video_is_served_in_parts_and_may_be_missing(client: Client, root: Path) -> None:
    without = await client.get("/assets/show.mp4")
    assert (without.status, await without.read()) == (204, b"")
    (root.parent / "media").mkdir()
    (root.parent / "media" / VIDEO).write_bytes(b"0123456789")
    part = await client.get("/assets/show.mp4", headers={"Range": "bytes=2-4"})
    assert (part.status, part.content_type, await part.read()) == (206, "video/mp4", b"234")
    assert part.headers["X-Content-Type-Options"] == "nosniff"


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


def test_the_page_has_nothing_inline_and_its_files_exist() -> None:
    built = shop_page.build()
    page = Inline()
    page.feed((built / "index.html").read_text())
    assert page.refused == []
    assert {"/assets/shop.js", "/assets/style.css"} <= set(page.loaded)
    for url in page.loaded:
        assert (built / url.removeprefix("/assets/")).is_file(), url


def test_the_page_has_no_type_errors() -> None:
    compiler = PACKAGE / "node_modules" / "typescript" / "bin" / "tsc"
    found = subprocess.run([node(), compiler, "-p", shop_page.SOURCES], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_page_is_small() -> None:
    printed = subprocess.run(
        [node(), "build.mjs", "--size"], cwd=shop_page.SOURCES, check=True, capture_output=True, text=True
    )
    sizes = json.loads(printed.stdout)
    assert sizes["shop.js"] + sizes["style.css"] <= BUDGET, sizes


def test_every_text_is_used_and_every_used_text_exists() -> None:
    words = (shop_page.SOURCES / "src" / "words.ts").read_text()
    korean = words[words.index("const ko = {") : words.index("export type Word")]
    texts = set(re.findall(r"^  (\w+):", korean, re.MULTILINE))
    page = (shop_page.SOURCES / "index.html").read_text()
    in_page = set(re.findall(r'data-(?:t|label|region|hint)="(\w+)"', page))
    code = "".join(path.read_text() for path in (shop_page.SOURCES / "src").glob("*.ts") if path.name != "words.ts")
    code += words[words.index("const REASONS") :]
    unused = {text for text in texts - in_page if not re.search(rf'"{text}"', code)}
    assert (in_page - texts, unused) == (set(), set())
