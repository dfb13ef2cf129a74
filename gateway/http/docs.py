"""`/api/docs`: the documents of the API and of the events, and a page that shows both. Mounted by api."""

import json
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.http.pages import page_file

DOCS = "/api/docs"
Document = Callable[[str], dict[str, Any]]  # of a version of the gateway


def mount_docs(app: web.Application, root: Path, version: str, *, openapi: Document, asyncapi: Document) -> None:
    """Serve the page in `root` at /api/docs, and beside it what it reads. A document is made when it is asked for."""

    async def page(_request: web.Request) -> web.Response:
        return await page_file(root / "index.html")

    async def asset(request: web.Request) -> web.Response:
        return await page_file(root / request.match_info["name"])

    app.router.add_get(DOCS, page)
    app.router.add_get(DOCS + r"/{name:[a-z]+\.(?:css|js)}", asset)
    for name, made in (("openapi", openapi), ("asyncapi", asyncapi)):
        app.router.add_get(f"{DOCS}/{name}.json", _answering(made, version))


def _answering(made: Document, version: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    text = cache(lambda: json.dumps(made(version), ensure_ascii=False))

    async def get(_request: web.Request) -> web.Response:
        return web.json_response(text=text())

    return get
