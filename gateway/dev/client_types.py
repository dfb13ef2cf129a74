"""Generates the types of the client packages from the API documents. Run as `python -m gateway.dev.client_types`.

Writes `protocol.ts` of `clients/js`, for which it needs Node and the npm packages there, and `protocol.py` of
`clients/python`.
"""

import asyncio
import json
import keyword
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Response

from gateway.app import Node
from gateway.http.docs import DOCS
from gateway.settings import DEVELOPMENT_SECRET, Environment, Settings

CLIENTS = Path(__file__).parents[2] / "clients"
PACKAGE = CLIENTS / "js"
TYPES = PACKAGE / "src" / "protocol.ts"
TYPED_DICTS = CLIENTS / "python" / "src" / "dorami_client" / "protocol.py"
HEAD = """# Made by `python -m gateway.dev.client_types` from the documents of the API. Do not edit.
# ruff: noqa
# fmt: off

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict
"""
SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
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


def typed_dicts(texts: dict[str, str]) -> str:
    """Return the text of `protocol.py` for documents."""
    schemas: dict[str, Any] = {}
    for name in reversed(NAMES):
        schemas |= json.loads(texts[name])["components"]["schemas"]
    parts = [_enumeration(name, schema) for name, schema in sorted(schemas.items()) if "enum" in schema]
    parts += [_typed_dict(name, schema) for name, schema in sorted(schemas.items()) if "enum" not in schema]
    return HEAD + "\n" + "\n".join(parts)


def _enumeration(name: str, schema: dict[str, Any]) -> str:
    return f"{name} = {_hint(schema)}\n"


def _typed_dict(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    hints = {
        field: _hint(part) if field in required else f"NotRequired[{_hint(part)}]"
        for field, part in schema.get("properties", {}).items()
    }
    if any(keyword.iskeyword(field) or not field.isidentifier() for field in hints):
        return f"{name} = TypedDict({name!r}, {hints!r})\n"
    text = schema.get("description", name).partition("\n")[0]
    fields = "".join(f"    {field}: {hint}\n" for field, hint in hints.items())
    return f'\nclass {name}(TypedDict):\n    """{text}"""\n\n{fields}'


def _hint(schema: dict[str, Any]) -> str:
    match schema:
        case {"$ref": reference}:
            return str(reference).rpartition("/")[2]
        case {"const": value}:
            return f"Literal[{value!r}]"
        case {"enum": values}:
            return f"Literal[{', '.join(map(repr, values))}]"
        case {"anyOf": parts} | {"oneOf": parts}:
            return " | ".join(dict.fromkeys(map(_hint, parts)))
        case {"type": "array", "items": items}:
            return f"list[{_hint(items)}]"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"dict[str, {_hint(values)}]"
        case {"type": str(kind)} if kind in SIMPLE:
            return SIMPLE[kind]
        case {"type": "object"}:
            return "dict[str, Any]"
    return "Any"


def main() -> None:
    """Write the files."""
    texts = asyncio.run(documents())
    TYPES.write_text(types(texts))
    TYPED_DICTS.write_text(typed_dicts(texts))


if __name__ == "__main__":
    main()
