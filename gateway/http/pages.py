"""The shop page: `/` and `/assets/*`, outside production. Mounted by the composition root."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web

from gateway.errors import NotFound

ALL = "*"  # of IMAGE_ORIGINS: every host with https


def content_policy(images: Sequence[str] = ()) -> str:
    """Return the content policy of a page. `images` are the origins of pictures besides its own: IMAGE_ORIGINS.

    All other content must be files of the gateway. ws: and wss: are listed because 'self' does not cover them in every
    browser.
    """
    pictures = ["'self'", "data:", *("https:" if origin == ALL else origin for origin in images)]
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {' '.join(pictures)}",
            "connect-src 'self' ws: wss:",
            "media-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


POLICY = content_policy()
CACHING = "no-cache"  # the page changes during development
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": CACHING}
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".tgz": "application/gzip",
}
VIDEO = "show.mp4"  # in the media folder; `dorami dev` makes it


def mount_pages(app: web.Application, root: Path, media: Path | None, images: Sequence[str] = ()) -> None:
    """Serve the page in `root`: index.html at `/`; stylesheets, scripts and pictures under `/assets/`.

    The routes match only plain names with a known suffix, so no other folder can be reached or listed. A missing file
    raises NotFound. Without a video in the folder `media` the answer is 204: the page has a moving poster instead.
    """
    video = media and media / VIDEO
    headers = {"Content-Security-Policy": content_policy(images), "Cache-Control": CACHING}

    async def index(_request: web.Request) -> web.Response:
        return await page_file(root / "index.html", headers)

    async def show(_request: web.Request) -> web.StreamResponse:
        if video is None or not await asyncio.to_thread(video.is_file):
            return web.Response(status=204, headers=headers)
        return web.FileResponse(video, headers=headers)

    async def asset(request: web.Request) -> web.Response:
        return await page_file(root / request.match_info["name"], headers)

    app.router.add_get("/", index)
    app.router.add_get("/assets/show.mp4", show)
    app.router.add_get(r"/assets/{name:[a-z]+\.(?:css|js|svg)}", asset)


async def page_file(path: Path, headers: Mapping[str, str] = HEADERS) -> web.Response:
    """Return a file of a page, with the content policy of pages unless `headers` has another. Raises NotFound."""
    try:
        body = await asyncio.to_thread(path.read_bytes)
    except OSError:
        raise NotFound from None
    return web.Response(body=body, content_type=TYPES[path.suffix], charset="utf-8", headers=headers)
