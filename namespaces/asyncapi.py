"""The AsyncAPI document, made from the tables of events and broadcasts. Built by the composition root."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_type_hints

from pydantic.json_schema import models_json_schema

from gateway.errors import CATALOGUE, Code
from gateway.protocol import events
from gateway.protocol.answers import Failure
from gateway.protocol.broadcasts import BROADCASTS, Broadcast, To
from gateway.protocol.examples import example
from gateway.protocol.wire import Payload, Stamp
from gateway.security.principal import EVERYONE
from namespaces.base import Namespace
from namespaces.routes import Limit, Route

Schema = dict[str, Any]
_MOMENT: Schema = {"type": "integer", "description": "ms since 1970", "examples": [1_795_262_400_000]}
Mode = Literal["validation", "serialization"]

# The errors of all requests; a route adds those of its own checks.
ALWAYS = (Code.INVALID_PAYLOAD, Code.RATE_LIMIT_EXCEEDED, Code.INTERNAL_ERROR, Code.SERVICE_UNAVAILABLE)

INTRODUCTION = (
    "Socket.IO 5 over Engine.IO 4. A channel is a namespace. Every event takes one JSON object and is answered exactly "
    "once: with its ack if the client asked for one, else with the event `<event>:success {type, data}` or `error`. A "
    "logged event has `room`, `seq`, `epoch` and `at`, and an offset as its last argument; official clients send the "
    "last one back to recover."
)


def answer(route: Route) -> type[Payload]:
    """Return the payload type that a route answers, from the return annotation of its handler."""
    returned = get_type_hints(route.work)["return"]
    if not (isinstance(returned, type) and issubclass(returned, Payload)):
        raise TypeError(f"{route.work} does not say which payload it returns")
    return returned


def document(
    namespaces: Iterable[Namespace], rates: Mapping[Limit, tuple[int, float]], path: str, version: str
) -> Schema:
    """AsyncAPI 3.0 of all events, of a gateway whose engine is at `path`. The gateway `receives` what clients send."""
    namespaces = list(namespaces)
    schemas = _Schemas(namespaces)
    channels, operations = {}, {}
    for namespace in namespaces:
        channel = _Channel(namespace.name, schemas)
        for event, route in namespace.table.items():
            operations[f"{channel.id}.{event}"] = channel.request(event, route, rates[route.limit])
        for event, broadcast in BROADCASTS[namespace.name].items():
            operations[f"{channel.id}.{event}.sent"] = channel.broadcast(event, broadcast)
        channels[channel.id] = channel.described(namespace)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Dorami Gateway", "version": version, "description": INTRODUCTION},
        "servers": {
            "gateway": {
                "host": "{host}",
                "pathname": path,
                "protocol": "wss",
                "description": "Socket.IO",
                "variables": {"host": {"default": "localhost:3001", "description": "where the gateway is"}},
            }
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas.definitions},
        "x-errors": [{"code": code, **entry._asdict()} for code, entry in CATALOGUE.items()],
    }


class _Schemas:
    """The schemas of all payloads, under distinct names."""

    def __init__(self, namespaces: Iterable[Namespace]) -> None:
        shapes: list[tuple[type[Any], Mode]] = [(Failure, "serialization"), (Stamp, "serialization")]
        for namespace in namespaces:
            for route in namespace.table.values():
                shapes += [(route.shape, "validation"), (answer(route), "serialization")]
            shapes += [(broadcast.data, "serialization") for broadcast in BROADCASTS[namespace.name].values()]
        self._references, schemas = models_json_schema(
            list(dict.fromkeys(shapes)), ref_template="#/components/schemas/{model}"
        )
        self.definitions: Schema = schemas["$defs"]

    def of(self, shape: type[Any], mode: Mode = "serialization") -> Schema:
        return self._references[shape, mode]

    def stamped(self, payload: Schema, *, always: bool) -> Schema:
        """Return the schema of a payload with a stamp, which is `always` there or only for some receivers."""
        whole = self.definitions[payload["$ref"].rpartition("/")[2]] if "$ref" in payload else payload
        stamp = self.definitions[self.of(Stamp)["$ref"].rpartition("/")[2]]
        required = [*whole["required"], *(stamp["required"] if always else [])]
        return whole | {"properties": whole["properties"] | stamp["properties"], "required": required}

    def message(self, name: str, payload: Schema, summary: str, *, whole: bool = True) -> Schema:
        shown = example(payload, self.definitions, whole=whole)
        return {"name": name, "summary": summary, "payload": payload, "examples": [{"payload": shown}]}


class _Channel:
    """One namespace; collects its messages as operations refer to them."""

    def __init__(self, name: str, schemas: _Schemas) -> None:
        self.id = name.strip("/") or "root"
        self._name = name
        self._schemas = schemas
        self._messages: dict[str, Schema] = {
            "failure": schemas.message("failure", schemas.of(Failure), "The ack of a failed request")
        }

    def request(self, event: str, route: Route, rate: tuple[int, float]) -> Schema:
        data = self._schemas.of(answer(route))
        ack = _object({"ok": {"const": True}, "data": data, "ts": _MOMENT})
        made = self._schemas.message
        asked = self._schemas.of(route.shape, "validation")
        summary = _summary(event, route)
        roles = {} if route.who == EVERYONE else {"x-roles": sorted(route.who)}
        return {
            "action": "receive",
            "channel": self._channel,
            "title": event,
            "summary": summary,
            "messages": [self._message(event, made(event, asked, summary, whole=False))],
            "reply": {
                "channel": self._channel,
                "messages": [
                    self._message(f"{event}.ack", made(event, ack, _first_line(answer(route)))),
                    self._reference("failure"),
                ],
            },
            **roles,
            "x-limit": {"name": route.limit, "requests": rate[0], "seconds": rate[1]},
            "x-room": route.room is not None,
            "x-errors": _errors(route),
            "x-success-event": events.success(event),
        }

    def broadcast(self, event: str, broadcast: Broadcast) -> Schema:
        data = self._schemas.of(broadcast.data)
        payload = _object({"type": {"const": event}, "data": data}) if broadcast.typed else data
        if broadcast.logged:
            payload = self._schemas.stamped(payload, always=broadcast.to is not To.BUYER_AND_ADMINS)
        return {
            "action": "send",
            "channel": self._channel,
            "title": event,
            "summary": f"{broadcast.when}.",
            "messages": [self._message(f"{event}.sent", self._schemas.message(event, payload, broadcast.when))],
            "x-to": broadcast.to,
            "x-logged": broadcast.logged,
        }

    def described(self, namespace: Namespace) -> Schema:
        """Return the channel with all messages that were referred to."""
        return {"address": self._name, "description": _first_line(type(namespace)), "messages": self._messages}

    @property
    def _channel(self) -> Schema:
        return {"$ref": f"#/channels/{self.id}"}

    def _message(self, key: str, message: Schema) -> Schema:
        self._messages[key] = message
        return self._reference(key)

    def _reference(self, key: str) -> Schema:
        return {"$ref": f"#/channels/{self.id}/messages/{key}"}


def _errors(route: Route) -> list[Code]:
    """Return the errors that the pipeline raises for a route. Handlers may raise others of the catalogue."""
    own = []
    if route.room is not None:
        own.append(Code.NOT_IN_ROOM)
    if route.who != EVERYONE:
        own.append(Code.FORBIDDEN)
    return [*own, *ALWAYS]


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _summary(event: str, route: Route) -> str:
    """Return the first line of the handler's docstring without the event's name, else that of the shape."""
    for line in map(_first_line, (route.work, route.shape)):
        said = line.removeprefix(f"`{event}`").lstrip(":,. ")
        if said:
            return said[0].upper() + said[1:]
    return ""


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]
