"""`/api/docs`: the documents of the API and of the events, guides, and pages to read and try them. Mounted by api."""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.http.pages import page_file

DOCS = "/api/docs"
Document = Callable[[str], dict[str, Any]]  # of a version of the gateway
PAGES = {"": "index.html", "/console": "console.html", "/http": "http.html"}
CLIENT_LIBRARY = "node_modules/socket.io-client/dist/socket.io.esm.min.js"
SWAGGER = ("swagger-ui.css", "swagger-ui-bundle.js")
SWAGGER_FOLDER = "node_modules/swagger-ui-dist"
CLIENT_PACKAGE = "dorami-client.tgz"  # @dorami/client, packed by `make`; NOT_FOUND without that


def mount_docs(
    app: web.Application, web_folder: Path, version: str, documents: Mapping[str, Document], config: dict[str, Any]
) -> None:
    """Serve the pages of `web_folder` and their files at /api/docs. A document is made at its first request.

    `config` is for the pages: whether requests can be tried, and with which accounts.
    """
    root = web_folder / "docs"

    def file(path: Path) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def get(_request: web.Request) -> web.Response:
            return await page_file(path)

        return get

    def named(folder: Path, suffix: str = "") -> Callable[[web.Request], Awaitable[web.Response]]:
        async def get(request: web.Request) -> web.Response:
            return await page_file(folder / f"{request.match_info['name']}{suffix}")

        return get

    add = app.router.add_get
    for path, name in PAGES.items():
        add(DOCS + path, file(root / name))
    add(f"{DOCS}/guide/", file(root / "guide" / "index.html"))
    add(DOCS + r"/guide/{name:[a-z-]+(?:\.[a-z]{2})?}", named(root / "guide", ".html"))
    add(f"{DOCS}/socket.io.js", file(web_folder / CLIENT_LIBRARY))
    for name in SWAGGER:
        add(f"{DOCS}/{name}", file(web_folder / SWAGGER_FOLDER / name))
    add(DOCS + r"/{name:[a-z]+\.(?:css|js)}", named(root))
    add(f"{DOCS}/{CLIENT_PACKAGE}", file(web_folder / CLIENT_PACKAGE))
    for name, document in documents.items():
        add(f"{DOCS}/{name}.json", _serve(document, version))
    add(f"{DOCS}/config.json", _serve(lambda _: config, version))


def _serve(document: Document, version: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    text = cache(lambda: json.dumps(document(version), ensure_ascii=False))

    async def get(_request: web.Request) -> web.Response:
        return web.json_response(text=text())

    return get
