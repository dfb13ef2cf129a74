"""The AsyncAPI document tells of every event, and its examples are what the gateway takes."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from gateway.app import Node
from gateway.protocol import events
from gateway.protocol.answers import ErrorEvent
from gateway.protocol.broadcasts import BROADCASTS
from gateway.protocol.examples import example
from namespaces import asyncapi
from namespaces.namespace import Namespace
from namespaces.routes import Limit
from tests.http_edge import settings
from tests.unit.test_http_table import references

RATES = {
    Limit.MESSAGE: (20, 10.0),
    Limit.EVENT: (100, 10.0),
    Limit.JOIN: (10, 10.0),
    Limit.REPORT: (10, 60.0),
    Limit.REFUSED: (100, 10.0),
}


@pytest.fixture
async def namespaces() -> list[Namespace]:
    """Those of a node that is not open."""
    endpoints: Any = Node(settings())._realtime.server._endpoints
    return list(endpoints.values())


@pytest.fixture
async def document(namespaces: list[Namespace]) -> Any:
    return json.loads(json.dumps(asyncapi.document(namespaces, RATES, "/socket.io/", "1")))


async def test_every_event_name_is_in_a_table(namespaces: list[Namespace]) -> None:
    """One that clients send in a namespace's, one that the gateway sends in gateway/protocol/broadcasts.py."""
    vocabulary = {name for constant, name in vars(events).items() if constant.isupper()}
    taken = {event for namespace in namespaces for event in namespace.table}
    result = {event for broadcasts in BROADCASTS.values() for event in broadcasts}
    assert taken | result == vocabulary
    assert BROADCASTS.keys() == {namespace.name for namespace in namespaces}


async def test_every_request_has_a_valid_example(namespaces: list[Namespace], document: Any) -> None:
    for namespace in namespaces:
        messages = document["channels"][namespace.name.strip("/") or "root"]["messages"]
        for event, route in namespace.table.items():
            [shown] = messages[event]["examples"]
            route.shape.model_validate(shown["payload"])
            ack = messages[f"{event}.ack"]["examples"][0]["payload"]
            TypeAdapter(asyncapi.answer(route)).validate_python(ack["data"])


async def test_every_broadcast_has_an_example_of_its_payload(document: Any) -> None:
    for name, broadcasts in BROADCASTS.items():
        messages = document["channels"][name.strip("/") or "root"]["messages"]
        for event, broadcast in broadcasts.items():
            [shown] = messages[f"{event}.sent"]["examples"]
            payload = shown["payload"]
            if broadcast.typed:
                assert payload["type"] == event
                payload = payload["data"]
            if broadcast.data is not ErrorEvent:
                TypeAdapter(broadcast.data).validate_python(payload)


async def test_all_references_resolve(document: Any) -> None:
    for reference in references(document):
        part = document
        for key in reference.removeprefix("#/").split("/"):
            part = part[key]
        assert part


async def test_an_operation_states_roles_room_and_limit(document: Any) -> None:
    send = document["operations"]["chat.chat:send-message"]
    assert (send["action"], send["channel"]) == ("receive", {"$ref": "#/channels/chat"})
    assert send["x-limit"] == {"name": "chat", "requests": 20, "seconds": 10.0}
    assert send["x-room"]
    assert {"NOT_IN_ROOM", "RATE_LIMIT_EXCEEDED"} <= set(send["x-errors"])
    delete = document["operations"]["chat.chat:delete-message"]
    assert "FORBIDDEN" in delete["x-errors"]
    message = document["operations"]["chat.chat:message.sent"]
    assert (message["action"], message["x-to"], message["x-logged"]) == ("send", "the room", True)
    assert document["servers"]["gateway"]["pathname"] == "/socket.io/"
    assert len(document["x-errors"]) > 20


async def test_a_handler_without_a_return_type_is_rejected(namespaces: list[Namespace]) -> None:
    class Silent:
        async def work(self, _socket: Any, _ask: Any) -> Any: ...

    route: Any = Silent()
    with pytest.raises(TypeError, match="does not say"):
        asyncapi.answer(route)


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"const": 1}, 1),
        ({"enum": ["A", "B"]}, "A"),
        ({"type": "string", "examples": ["x"]}, "x"),
        ({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]}, 3),
        ({"$ref": "#/Name"}, "named"),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}}, {"a": "a"}),
        ({"type": "object", "properties": {"a": {}, "key": {"type": "string"}}, "required": ["key"]}, {"key": "demo"}),
        ({}, {}),
    ],
)
def test_an_example_is_made_from_its_schema(schema: dict[str, Any], shown: Any) -> None:
    assert example(schema, {"Name": {"const": "named"}}, whole=False) == shown
