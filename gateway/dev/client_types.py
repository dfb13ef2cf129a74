"""`clients/js/src/protocol.ts`, made from the documents of the API. Run as `python -m gateway.dev.client_types`.

Needs Node, and the npm packages of `clients/js`.
"""

import asyncio
import json
import subprocess
import tempfile
from pathlib import Path

from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Response

from gateway.app import Node
from gateway.http.docs import DOCS
from gateway.settings import DEVELOPMENT_SECRET, Environment, Settings

PACKAGE = Path(__file__).parents[2] / "clients" / "js"
TYPES = PACKAGE / "src" / "protocol.ts"
NAMES = ("asyncapi", "openapi")


async def documents() -> dict[str, str]:
    """Return the JSON text of each document, as a node serves it."""
    settings = Settings(
        app_env=Environment.DEVELOPMENT,
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        redis_url="redis://127.0.0.1:1/0",
        jwt_secret=DEVELOPMENT_SECRET,
    )
    resources = {resource.canonical: resource for resource in Node(settings).application.router.resources()}
    found = {}
    for name in NAMES:
        [route, *_] = resources[f"{DOCS}/{name}.json"]
        response = await route.handler(make_mocked_request("GET", "/"))
        if not isinstance(response, Response) or response.text is None:
            raise TypeError(f"{name}.json is no text")
        found[name] = response.text
    return found


def types(texts: dict[str, str], node: str = "node") -> str:
    """Return the text of `protocol.ts` for documents."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.json" for name in NAMES]
        for name, path in zip(NAMES, paths, strict=True):
            path.write_text(json.dumps(json.loads(texts[name])))
        command = [node, "scripts/types.mjs", *map(str, paths)]
        made = subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True, text=True)  # noqa: S603
    return made.stdout


def main() -> None:
    """Write the file."""
    TYPES.write_text(types(asyncio.run(documents())))


if __name__ == "__main__":
    main()
