"""Makes examples from JSON schemas. Used by the OpenAPI and the AsyncAPI document."""

from collections.abc import Mapping
from typing import Any, Final

_FORMATS: Final = {
    "date-time": "2026-11-21T12:00:00.000Z",
    "uuid": "0d9c1f4e-6f0a-4c55-9a57-3d1d1f0b6c11",
}
_NAMES: Final = {
    "key": "demo",
    "liveId": "demo",
    "streamId": "demo",
    "streamKey": "demo",
    "room": "stream:demo",
    "roomName": "live:demo",
    "username": "mina",
    "displayName": "mina",
    "role": "USER",
    "email": "mina@example.com",
    "message": "Hello!",
    "epoch": "b1f0c4d29a7e4f61",
    "event": "chat:message",
    "clearId": "7",
}


def example(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, whole: bool) -> Any:
    """Return a value that is valid for `schema`.

    If `whole`, it has all properties; else the required ones, or the first if none is required. `definitions` are the
    targets of `#/…/Name`. A type can give an example of its own: `Field(examples=[…])`.
    """

    def of(part: Mapping[str, Any], name: str) -> Any:
        if "$ref" in part:
            return of(definitions[part["$ref"].rpartition("/")[2]], name)
        for key in ("const", "enum", "examples"):
            if key in part:
                return part[key] if key == "const" else part[key][0]
        if "allOf" in part:
            made: dict[str, Any] = {}
            for each in part["allOf"]:
                made |= of(each, name)
            return made
        for key in ("anyOf", "oneOf"):
            if key in part:
                return of(next(choice for choice in part[key] if choice.get("type") != "null"), name)
        return _made(part, name, of, whole=whole)

    return of(schema, "")


def _made(part: Mapping[str, Any], name: str, of: Any, *, whole: bool) -> Any:
    match part.get("type"):
        case "object":
            properties = part.get("properties", {})
            shown = properties if whole else part.get("required") or list(properties)[:1]
            return {key: of(properties[key], key) for key in shown}
        case "array":
            return [of(part["items"], name)] if part.get("items") else []
        case "string":
            return _FORMATS.get(part.get("format", "")) or _text(name).ljust(part.get("minLength", 0), "x")
        case "integer" | "number":
            return part.get("minimum", 1)
        case "boolean":
            return True
    return {}


def _text(name: str) -> str:
    return _NAMES.get(name) or (_FORMATS["uuid"] if name == "id" or name.endswith("Id") else name)
