"""The demo page: `/` and `/assets/*` from the web folder, outside production. Mounted by the composition root."""

import asyncio
from pathlib import Path

from aiohttp import web

from gateway.errors import NotFound

# Nothing is inline or from elsewhere. ws: and wss: because 'self' does not cover them in every browser.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self' ws: wss:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # the page changes during development
}
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".tgz": "application/gzip",
}
CLIENT_LIBRARY = "node_modules/socket.io-client/dist/socket.io.esm.min.js"


def mount_pages(app: web.Application, root: Path) -> None:
    """Serve the page in `root`: index.html at `/`; stylesheets, scripts and pictures under `/assets/`.

    The routes match only plain names with a known suffix, so no other folder can be reached or listed. A missing file
    raises NotFound.
    """

    async def index(_request: web.Request) -> web.Response:
        return await page_file(root / "index.html")

    async def client_library(_request: web.Request) -> web.Response:
        return await page_file(root / CLIENT_LIBRARY)

    async def asset(request: web.Request) -> web.Response:
        return await page_file(root / request.match_info["name"])

    app.router.add_get("/", index)
    app.router.add_get("/assets/vendor/socket.io.js", client_library)
    app.router.add_get(r"/assets/{name:[a-z]+\.(?:css|js|svg)}", asset)


async def page_file(path: Path) -> web.Response:
    """Return a file of a page, with the content policy of pages. Raises NotFound."""
    try:
        body = await asyncio.to_thread(path.read_bytes)
    except OSError:
        raise NotFound from None
    return web.Response(body=body, content_type=TYPES[path.suffix], charset="utf-8", headers=HEADERS)
