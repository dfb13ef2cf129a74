"""The console at `/console`: the page of administrators, moderators and hosts. Mounted by the composition root.

`make console` builds it into `gateway/console/`. Without it, its addresses are NOT_FOUND.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from gateway.errors import NotFound
from gateway.http.pages import TYPES, content_policy

PATH = "/console"
# Browsers revalidate the page each time; the names of assets change with their content.
PAGE_CACHING = "no-cache"
ASSET_CACHING = "public, max-age=31536000, immutable"


def mount_console(app: web.Application, root: Path, images: Sequence[str] = ()) -> None:
    """Serve the console in `root`: its page at all paths below PATH, its scripts and styles below `assets/`.

    The routes match only plain names, so no other folder can be reached or listed. A missing asset raises NotFound:
    a browser with an old page must not get the page instead of a script. `images` are the origins of pictures as
    IMAGE_ORIGINS has them.
    """

    policy = content_policy(images)

    async def page(_request: web.Request) -> web.StreamResponse:
        return await _file(root / "index.html", PAGE_CACHING, policy)

    async def asset(request: web.Request) -> web.StreamResponse:
        return await _file(root / "assets" / request.match_info["name"], ASSET_CACHING, policy)

    async def missing(_request: web.Request) -> web.StreamResponse:
        raise NotFound

    app.router.add_get(PATH, page)
    app.router.add_get(PATH + r"/assets/{name:[A-Za-z0-9_-]+\.(?:css|js|svg)}", asset)
    app.router.add_get(PATH + r"/assets{tail:(?:/.*)?}", missing)
    app.router.add_get(PATH + r"/{tail:[A-Za-z0-9_/-]*}", page)


async def _file(path: Path, caching: str, policy: str) -> web.StreamResponse:
    """Return a file; compressed, if there is a compressed one beside it and the browser accepts that."""
    if not await asyncio.to_thread(path.is_file):
        raise NotFound
    kind = f"{TYPES[path.suffix]}; charset=utf-8"
    headers = {"Content-Type": kind, "Content-Security-Policy": policy, "Cache-Control": caching}
    headers["Vary"] = "Accept-Encoding"
    return web.FileResponse(path, headers=headers)
