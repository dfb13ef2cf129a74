"""The reference parser of AsyncAPI, an npm package, accepts our document."""

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

from namespaces import asyncapi
from namespaces.namespace import Namespace
from tests.programs import program
from tests.timing import allowed
from tests.unit.test_asyncapi import RATES, namespaces

__all__ = ["namespaces"]  # the fixture

FOLDER = Path(__file__).parent.parent / "documents"


async def problems(document: Any) -> list[dict[str, Any]]:
    """Return the messages of the parser about a document."""
    process = await asyncio.create_subprocess_exec(
        program("node", package="nodejs"),
        "parse.mjs",
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(allowed(60)):
        output, _ = await process.communicate(json.dumps(document).encode())
    assert process.returncode == 0
    found: list[dict[str, Any]] = json.loads(output)
    return found


async def test_the_asyncapi_document_is_one(namespaces: list[Namespace]) -> None:
    document = json.loads(json.dumps(asyncapi.document(namespaces, RATES, "/socket.io/", "1")))
    broken = copy.deepcopy(document)
    broken["operations"]["chat.chat:message.sent"]["action"] = "shout"
    broken["components"]["schemas"]["Message"]["properties"]["id"]["pattern"] = "[z-a]"
    told, wrong = await asyncio.gather(problems(document), problems(broken))
    assert told == []
    assert {problem["path"] for problem in wrong} >= {"[z-a]", "operations/chat.chat:message.sent/action"}
