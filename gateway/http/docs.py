"""`/api/docs`: the OpenAPI and AsyncAPI documents, and a page that shows both. Mounted by api.py."""

import json
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.http.pages import page_file

DOCS = "/api/docs"
Document = Callable[[str], dict[str, Any]]  # takes the version of the gateway


def mount_docs(app: web.Application, root: Path, version: str, *, openapi: Document, asyncapi: Document) -> None:
    """Serve the page in `root` at /api/docs, and the documents below it. A document is made at its first request."""

    async def page(_request: web.Request) -> web.Response:
        return await page_file(root / "index.html")

    async def asset(request: web.Request) -> web.Response:
        return await page_file(root / request.match_info["name"])

    app.router.add_get(DOCS, page)
    app.router.add_get(DOCS + r"/{name:[a-z]+\.(?:css|js)}", asset)
    for name, document in (("openapi", openapi), ("asyncapi", asyncapi)):
        app.router.add_get(f"{DOCS}/{name}.json", _handler(document, version))


def _handler(document: Document, version: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    text = cache(lambda: json.dumps(document(version), ensure_ascii=False))

    async def get(_request: web.Request) -> web.Response:
        return web.json_response(text=text())

    return get
