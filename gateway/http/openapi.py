"""The OpenAPI document, made from the declared routes. Served below /api/docs outside production."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic.json_schema import models_json_schema

from gateway.http.routes import API, IDEMPOTENCY, IDEMPOTENCY_KEY, LINES, Route
from gateway.protocol.answers import HttpError
from gateway.protocol.examples import example

_REF = "#/components/schemas/{model}"
_PARTS = (("{key}", "key"), ("{id}", "id"))
_NAME = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}  # a path segment; others are answered NOT_FOUND
Mode = Literal["validation", "serialization"]


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of some routes."""
    shapes: list[tuple[Any, Mode]] = [(HttpError, "serialization")]
    for route in routes:
        shapes += [(shape, "validation") for shape in (route.body, route.query) if shape]
        shapes += [(shape, "serialization") for shape in (route.answer,) if shape]
    references, schemas = models_json_schema(list(dict.fromkeys(shapes)), ref_template=_REF)
    schemes = {"bearer": {"type": "http", "scheme": "bearer"}, "cookie": _cookie_scheme()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, references, schemas["$defs"])
        paths.setdefault(API + route.template, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dorami Gateway", "version": version},
        "paths": paths,
        "components": {"schemas": schemas["$defs"], "securitySchemes": schemes},
    }


def _operation(route: Route, references: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    summary = (route.handler.__doc__ or "").strip().splitlines()[0]
    done: dict[str, Any] = {"description": "Done"}
    if route.answer:
        done["content"] = _json(references[route.answer, "serialization"], schemas)
    if route.lines:
        done["content"][LINES] = {"schema": {"type": "string", "description": f"A {route.lines.__name__} in each line"}}
    failed = {"description": "Refused", "content": _json(references[HttpError, "serialization"], schemas)}
    status = str(route.status) if route.answer else "204"
    operation: dict[str, Any] = {"summary": summary, "responses": {status: done, "default": failed}}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _NAME}
        for part, name in _PARTS
        if part in route.template
    ]
    if route.query:
        shape = schemas[references[route.query, "validation"]["$ref"].rpartition("/")[2]]
        parameters += [
            {"name": name, "in": "query", "required": name in shape.get("required", ()), "schema": _given(schema)}
            for name, schema in shape["properties"].items()
        ]
    if route.idempotent:
        schema = {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY}$"}
        parameters.append({"name": IDEMPOTENCY, "in": "header", "required": False, "schema": schema})
    if parameters:
        operation["parameters"] = parameters
    if route.body:
        content = _json(references[route.body, "validation"], schemas, whole=False)
        operation["requestBody"] = {"required": True, "content": content}
    if route.who is not None:
        operation["security"] = [{"bearer": []}, {"cookie": []}]
        operation["description"] = f"For {', '.join(sorted(route.who))}."
    return operation


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a query parameter: optional ones are not nullable, since a query has no null."""
    if "anyOf" not in schema:
        return schema
    outer = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    return outer | (choices[0] if len(choices) == 1 else {"anyOf": choices})


def _json(schema: dict[str, Any], schemas: dict[str, Any], *, whole: bool = True) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "example": example(schema, schemas, whole=whole)}}


def _cookie_scheme() -> dict[str, str]:
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": "accessToken",
        "description": "Unsafe requests also need X-CSRF-Token, equal to the csrf-token cookie.",
    }
