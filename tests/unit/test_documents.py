"""The OpenAPI and the AsyncAPI document are complete and true to their schemas: every example, limit and name."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.errors import Code
from gateway.http.openapi import document
from gateway.protocol.broadcasts import BROADCASTS
from gateway.protocol.wire import Payload
from namespaces import asyncapi
from namespaces.namespace import Namespace
from tests.unit.test_asyncapi import RATES, namespaces
from tests.unit.test_http_table import ROUTES

__all__ = ["namespaces"]  # the fixture

# What regular expressions are the same in, from ECMAScript over Java, Python and Rust to RE2.
PORTABLE = re.compile(r"(?:[^\\(]|\\[\\/dsw.^$*+?()\[\]{}|-]|\\x[0-9a-f]{2}|\((?!\?(?!:)))*")
BOUNDS = ("maxLength", "enum", "const", "format")
CLASS = re.compile(r"\[[^\]]*\]")


@pytest.fixture
def openapi() -> Any:
    return json.loads(json.dumps(document(list(ROUTES.values()), "1")))


@pytest.fixture(params=["openapi", "asyncapi"])
def told(request: pytest.FixtureRequest, openapi: Any, events: Any) -> Any:
    """Each of the documents."""
    return openapi if request.param == "openapi" else events


@pytest.fixture
async def events(namespaces: list[Namespace]) -> Any:
    return json.loads(json.dumps(asyncapi.document(namespaces, RATES, "/socket.io/", "1")))


def parts(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All objects in a document, with their places."""
    if isinstance(value, dict):
        yield place, value
        for name, part in value.items():
            yield from parts(part, f"{place}/{name}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from parts(part, f"{place}/{number}")


def bounded(pattern: str) -> bool:
    """Whether a pattern limits the length of what matches it."""
    return bool(pattern) and not re.search(r"[*+]", CLASS.sub("", pattern))


def examples(told: Any) -> Iterator[tuple[str, Any, Any]]:
    """All examples in a document with the schemas that they are of."""
    for place, part in parts(told):
        if "schema" in part and "example" in part:  # OpenAPI
            yield place, part["schema"], part["example"]
        if "payload" in part and "examples" in part:  # AsyncAPI
            for example in part["examples"]:
                yield place, part["payload"], example["payload"]
        if "type" in part and isinstance(part.get("examples"), list):  # of a field
            for example in part["examples"]:
                yield place, part, example


def check_examples(told: Any, least: int) -> None:
    checked, formats = 0, Draft202012Validator.FORMAT_CHECKER
    for place, schema, example in examples(told):
        Draft202012Validator.check_schema(schema)
        within = schema | {"components": told["components"]}  # to which it refers
        problems = Draft202012Validator(within, format_checker=formats).iter_errors(example)
        assert [f"{problem.json_path}: {problem.message}" for problem in problems] == [], f"{place}: {example}"
        checked += 1
    assert checked > least


def test_every_example_of_the_openapi_document_fits_its_schema(openapi: Any) -> None:
    check_examples(openapi, 300)


async def test_every_example_of_the_asyncapi_document_fits_its_schema(events: Any) -> None:
    check_examples(events, 100)


def test_the_openapi_document_is_one(openapi: Any) -> None:
    assert list(OpenAPIV31SpecValidator(openapi).iter_errors()) == []


def test_every_operation_has_a_name_a_tag_and_the_errors_of_its_route(openapi: Any) -> None:
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names) == len(ROUTES)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    tags = {tag["name"]: tag["description"] for tag in openapi["tags"]}
    assert {tag for operation in operations.values() for tag in operation["tags"]} == set(tags)
    assert all(tags.values())
    for name, route in ROUTES.items():
        enums = [part["enum"] for place, part in parts(operations[name]["responses"]) if place.endswith("/errorCode")]
        assert {Code(code) for codes in enums for code in codes} == route.errors, name
    assert openapi["servers"]


async def test_patterns_mean_the_same_in_every_language(told: Any) -> None:
    found = {part["pattern"] for _, part in parts(told) if isinstance(part.get("pattern"), str)}
    assert found
    for pattern in found:
        assert PORTABLE.fullmatch(pattern), pattern
        assert pattern.startswith("^"), pattern
        assert pattern.endswith("$"), pattern


async def test_everything_that_a_client_sends_has_a_limit(told: Any) -> None:
    asked = []
    if "openapi" in told:
        for _, operation in parts(told["paths"]):
            asked += (
                [operation["requestBody"]["content"]["application/json"]["schema"]]
                if "requestBody" in operation
                else []
            )
            asked += [parameter["schema"] for parameter in operation.get("parameters", ()) if "schema" in parameter]
    else:
        for operation in told["operations"].values():
            if operation["action"] == "receive":
                [message] = operation["messages"]
                asked.append(resolved(message, told)["payload"])
    checked = 0
    for schema in asked:
        for place, part in parts(whole(schema, told)):
            if part.get("type") == "string" and not bounded(part.get("pattern", "")):
                assert set(BOUNDS) & part.keys(), (place, part)
            if part.get("type") == "array":
                assert "maxItems" in part, (place, part)
            if part.get("type") in ("integer", "number") and not place.endswith("/seq"):
                assert {"minimum", "maximum"} <= part.keys(), (place, part)
            checked += 1
    assert checked > 60


def resolved(reference: dict[str, Any], told: Any) -> Any:
    part = told
    for key in reference["$ref"].removeprefix("#/").split("/"):
        part = part[key]
    return part


def whole(schema: Any, told: Any) -> Any:
    """Return a schema with what it refers to in it."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return whole(resolved(schema, told), told)
        return {name: whole(part, told) for name, part in schema.items()}
    return [whole(part, told) for part in schema] if isinstance(schema, list) else schema


async def test_what_is_always_sent_is_told_to_be(events: Any, openapi: Any) -> None:
    """Only fields that are left out when they would be null are optional."""
    sent = {broadcast.data.__name__: broadcast.data for told in BROADCASTS.values() for broadcast in told.values()}
    sent |= {route.answer.__name__: route.answer for route in ROUTES.values() if route.answer}
    checked = 0
    for name, shape in sent.items():
        schema = (events["components"]["schemas"] | openapi["components"]["schemas"]).get(name)
        if schema is None or "properties" not in schema or not issubclass(shape, Payload):
            continue
        left_out = {
            field.serialization_alias or field.alias
            for field in shape.model_fields.values()
            if field.exclude_if is not None
        }
        assert set(schema["properties"]) - set(schema["required"]) == left_out, name
        checked += 1
    assert checked > 50
