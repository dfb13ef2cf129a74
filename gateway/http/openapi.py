"""The OpenAPI document, made from the declared routes. Served below /api/docs."""

from collections.abc import Sequence
from itertools import groupby

from pydantic.alias_generators import to_camel

from gateway.errors import CATALOGUE, Code, GatewayError
from gateway.http.routes import API, IDEMPOTENCY, IDEMPOTENCY_KEY, LINES, Route
from gateway.protocol.answers import HttpError, http_error
from gateway.protocol.examples import example
from gateway.protocol.schemas import References, Schema, Shape, first_line, make_schemas, referred, without_null

_PARTS = (("{key}", "key"), ("{id}", "id"))
_NAME = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}  # a segment of a path; others are NOT_FOUND
_REQUEST_ID = "3f9a1c2b7d4e5f60"
_UNSUPPORTED, _TIMEOUT = 415, 408  # for bodies that are not JSON, or arrive too slowly
_RETRY_AFTER: Schema = {"description": "In so many seconds", "schema": {"type": "integer", "minimum": 1}}

_DESCRIPTION = (
    "The HTTP side of the gateway. Times are UTC, in RFC 3339 with milliseconds. All errors have the same body: "
    "`errorCode` says what it is, `retryable` whether the same request may succeed later. Lists have cursors: pass "
    "`nextCursor` as `cursor`. Unknown fields and parameters are refused."
)


def document(routes: Sequence[Route], version: str) -> Schema:
    """Return OpenAPI 3.1 for all routes."""
    shapes: list[Shape] = [(HttpError, "serialization")]
    for route in routes:
        shapes += [(shape, "validation") for shape in (route.body, route.query) if shape]
        shapes += [(shape, "serialization") for shape in (route.answer, route.lines) if shape]
    references, schemas = make_schemas(shapes)
    paths: dict[str, Schema] = {}
    for route in routes:
        operation = _operation(route, references, schemas)
        paths.setdefault(API + route.template, {})[route.method.lower()] = operation
    tags = {_tag(route): first_line(_resource(route)) for route in reversed(routes)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dorami Gateway", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/", "description": "The gateway that serves this document"}],
        "tags": [{"name": name, "description": text} for name, text in reversed(tags.items())],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}, "cookie": _cookie_scheme()},
        },
    }


def _operation(route: Route, references: References, schemas: Schema) -> Schema:
    resource = type(_resource(route)).__name__
    operation: Schema = {
        "operationId": to_camel(f"{resource.lower()}_{route.handler.__name__}"),
        "tags": [_tag(route)],
        "summary": first_line(route.handler),
        "responses": _responses(route, references, schemas),
    }
    if parameters := _parameters(route, references, schemas):
        operation["parameters"] = parameters
    if route.body:
        content = _json(references[route.body, "validation"], schemas, whole=False)
        operation["requestBody"] = {"required": True, "content": content}
    if route.who is not None:
        operation["security"] = [{"bearer": []}, {"cookie": []}] + ([{}] if route.lenient else [])
        operation["description"] = f"For {', '.join(sorted(route.who))}."
    return operation


def _parameters(route: Route, references: References, schemas: Schema) -> list[Schema]:
    parameters: list[Schema] = [
        {"name": name, "in": "path", "required": True, "schema": _NAME}
        for part, name in _PARTS
        if part in route.template
    ]
    if route.query:
        shape = referred(references[route.query, "validation"], schemas)
        parameters += [
            {"name": name, "in": "query", "required": name in shape.get("required", ()), "schema": without_null(schema)}
            for name, schema in shape["properties"].items()
        ]
    if route.idempotent:
        schema = {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY}$"}
        parameters.append({"name": IDEMPOTENCY, "in": "header", "required": False, "schema": schema})
    return parameters


def _responses(route: Route, references: References, schemas: Schema) -> Schema:
    done: Schema = {"description": "Done"}
    if route.answer:
        done["content"] = _json(references[route.answer, "serialization"], schemas)
    if route.lines:
        description = f"A {route.lines.__name__} in each line"
        done["content"][LINES] = {"schema": {"type": "string", "description": description}}
    responses = {str(route.status) if route.answer else "204": done}
    failure = references[HttpError, "serialization"]
    for status, codes in groupby(sorted(route.errors, key=_status), _status):
        responses[str(status)] = _failure(sorted(codes), status, failure)
    if route.body:
        responses[str(_TIMEOUT)] = _failure([Code.INVALID_PAYLOAD], _TIMEOUT, failure)
        responses[str(_UNSUPPORTED)] = _failure([Code.INVALID_PAYLOAD], _UNSUPPORTED, failure)
    if route.answer:
        for status in route.statuses:
            content = responses[str(status)]["content"]["application/json"]
            content["schema"] = {"anyOf": [references[route.answer, "serialization"], content["schema"]]}
    return dict(sorted(responses.items()))


def _failure(codes: Sequence[Code], status: int, failure: Schema) -> Schema:
    error = GatewayError(codes[0], retry_after_ms=1000 if CATALOGUE[codes[0]].retryable else None)
    named = {"type": "object", "properties": {"errorCode": {"enum": list(codes)}}}
    response: Schema = {
        "description": "; ".join(f"`{code}`: {CATALOGUE[code].message}" for code in codes),
        "content": {
            "application/json": {
                "schema": {"allOf": [failure, named]},
                "example": http_error(error, _REQUEST_ID, status).model_dump(mode="json")
                | {"timestamp": "2026-11-21T12:00:00.000Z"},
            }
        },
    }
    if any(CATALOGUE[code].retryable for code in codes):
        response["headers"] = {"Retry-After": _RETRY_AFTER}
    return response


def _json(schema: Schema, schemas: Schema, *, whole: bool = True) -> Schema:
    return {"application/json": {"schema": schema, "example": example(schema, schemas, whole=whole)}}


def _resource(route: Route) -> object:
    return getattr(route.handler, "__self__", route.handler)


def _tag(route: Route) -> str:
    return route.template.split("/")[1]


def _status(code: Code) -> int:
    return CATALOGUE[code].status


def _cookie_scheme() -> dict[str, str]:
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": "accessToken",
        "description": "Unsafe requests also need X-CSRF-Token, equal to the csrf-token cookie.",
    }
