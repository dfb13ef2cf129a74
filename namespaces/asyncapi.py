"""The AsyncAPI document, made from the tables of events and broadcasts. Built by the composition root."""

from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from gateway.errors import CATALOGUE, Code, GatewayError
from gateway.protocol import events
from gateway.protocol.answers import Failure, Refusal, failure, refusal
from gateway.protocol.broadcasts import BROADCASTS, Broadcast, To
from gateway.protocol.examples import example
from gateway.protocol.schemas import Mode, Schema, Shape, first_line, make_schemas, referred
from gateway.protocol.wire import Payload, Stamp, StreamTime
from gateway.security.principal import EVERYONE
from namespaces.namespace import Namespace
from namespaces.routes import Limit, Route

_MOMENT: Schema = {"type": "integer", "description": "ms since 1970", "examples": [1_795_262_400_000]}
_REQUEST_ID = "3f9a1c2b7d4e5f60"

INTRODUCTION = (
    "Socket.IO 5 over Engine.IO 4. A channel is a namespace. Every event takes one JSON object and is answered exactly "
    "once: with its ack if the client asked for one, else with the event `<event>:success {type, data}` or `error`. A "
    "logged event has `room`, `seq`, `epoch` and `at`, and an offset as its last argument; official clients send the "
    "last one back to recover."
)

# The permanent refusals of a connection: the texts of `connect_error`.
REFUSALS = (
    GatewayError(Code.AUTH_REQUIRED, "No token provided"),
    GatewayError(Code.AUTH_REQUIRED, "Invalid token"),
    GatewayError(Code.TOKEN_EXPIRED),
    GatewayError(Code.TOKEN_REVOKED),
    GatewayError(Code.FORBIDDEN, "Account is suspended"),
    GatewayError(Code.BANNED),
    GatewayError(Code.NOT_FOUND, "Invalid namespace"),
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
    """Return AsyncAPI 3.1 for all events of a gateway with its engine at `path`; it `receives` what clients send."""
    namespaces = list(namespaces)
    schemas = _Schemas(namespaces)
    channels, operations = {}, {}
    for namespace in namespaces:
        channel = _Channel(namespace.name, schemas)
        for event, route in namespace.table.items():
            operations[f"{channel.id}.{event}"] = channel.request(event, route, rates[route.limit])
            operations[f"{channel.id}.{events.success(event)}.sent"] = channel.success(event, route)
        for event, broadcast in BROADCASTS[namespace.name].items():
            operations[f"{channel.id}.{event}.sent"] = channel.broadcast(event, broadcast)
        operations[f"{channel.id}.connect_error.sent"] = channel.refusals()
        channels[channel.id] = channel.described(namespace)
    return {
        "asyncapi": "3.1.0",
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
        shapes: list[Shape] = [(shape, "serialization") for shape in (Failure, Refusal, Stamp, StreamTime)]
        for namespace in namespaces:
            for route in namespace.table.values():
                shapes += [(route.shape, "validation"), (answer(route), "serialization")]
            shapes += [(broadcast.data, "serialization") for broadcast in BROADCASTS[namespace.name].values()]
        self._references, self.definitions = make_schemas(shapes)

    def of(self, shape: type[Any], mode: Mode = "serialization") -> Schema:
        return self._references[shape, mode]

    def extended(self, payload: Schema, by: type[Payload], *, always: bool = True) -> Schema:
        """Return the schema of a payload with the fields of another one; these are optional unless `always`."""
        whole = referred(payload, self.definitions) if "$ref" in payload else payload
        more = referred(self.of(by), self.definitions)
        required = [*whole["required"], *(more.get("required", []) if always else [])]
        return whole | {"properties": whole["properties"] | more["properties"], "required": required}

    def message(self, name: str, payload: Schema, summary: str, *, whole: bool = True) -> Schema:
        shown = example(payload, self.definitions, whole=whole)
        return {"name": name, "summary": summary, "payload": payload, "examples": [{"payload": shown}]}


class _Channel:
    """One namespace; collects its messages as operations refer to them."""

    def __init__(self, name: str, schemas: _Schemas) -> None:
        self.id = name.strip("/") or "root"
        self._name = name
        self._schemas = schemas
        self._messages: dict[str, Schema] = {}

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
                    self._message(f"{event}.ack", made(event, ack, first_line(answer(route)))),
                    self._message(f"{event}.failure", self._failure(event, route)),
                ],
            },
            **roles,
            "x-limit": {"name": route.limit, "requests": rate[0], "seconds": rate[1]},
            "x-room": route.room is not None,
            "x-errors": sorted(route.errors),
            "x-success-event": events.success(event),
        }

    def success(self, event: str, route: Route) -> Schema:
        """Return the operation of the answer without an ack."""
        name, when = events.success(event), f"`{event}` succeeded without an ack"
        payload = _object({"type": {"const": name}, "data": self._schemas.of(answer(route))})
        return self._sent(name, self._schemas.message(name, payload, when), when, To.SOCKET) | {"x-success-of": event}

    def broadcast(self, event: str, broadcast: Broadcast) -> Schema:
        data = self._schemas.of(broadcast.data)
        if broadcast.typed:
            time = self._schemas.of(StreamTime)
            payload = _object({"type": {"const": event}, "data": {"allOf": [data, time]} if broadcast.timed else data})
        else:
            payload = self._schemas.extended(data, StreamTime) if broadcast.timed else data
        if broadcast.logged:
            payload = self._schemas.extended(payload, Stamp, always=broadcast.to is not To.BUYER_AND_ADMINS)
        message = self._schemas.message(event, payload, broadcast.when)
        return self._sent(event, message, broadcast.when, broadcast.to) | {"x-logged": broadcast.logged}

    def refusals(self) -> Schema:
        """Return the operation of `connect_error`, after which official clients do not reconnect."""
        texts: Schema = {"type": "string", "enum": sorted(error.message for error in REFUSALS)}
        payload = _object({"message": texts, "data": self._schemas.of(Refusal)})
        when = "The connection is refused for good; passing errors are HTTP 503 or a closed transport"
        message = self._schemas.message("connect_error", payload, when)
        text, data = refusal(REFUSALS[0])
        message["examples"] = [{"payload": {"message": text, "data": data.model_dump(mode="json")}}]
        return self._sent("connect_error", message, when, To.SOCKET)

    def described(self, namespace: Namespace) -> Schema:
        """Return the channel with all messages of its operations."""
        return {"address": self._name, "description": first_line(type(namespace)), "messages": self._messages}

    def _failure(self, event: str, route: Route) -> Schema:
        """Return the message of the ack of a failed request, with the codes that it may have."""
        codes = sorted(route.errors)
        error = {"type": "object", "properties": {"code": {"enum": codes}}}
        payload = {"allOf": [self._schemas.of(Failure), {"type": "object", "properties": {"error": error}}]}
        shown = failure(GatewayError(codes[0]), _REQUEST_ID).model_dump(mode="json") | {"ts": _MOMENT["examples"][0]}
        return {
            "name": event,
            "summary": f"The ack of a failed `{event}`",
            "payload": payload,
            "examples": [{"payload": shown}],
        }

    def _sent(self, event: str, message: Schema, when: str, to: To) -> Schema:
        return {
            "action": "send",
            "channel": self._channel,
            "title": event,
            "summary": f"{when}.",
            "messages": [self._message(f"{event}.sent", message)],
            "x-to": to,
            "x-logged": False,
        }

    @property
    def _channel(self) -> Schema:
        return {"$ref": f"#/channels/{self.id}"}

    def _message(self, key: str, message: Schema) -> Schema:
        self._messages[key] = message
        return {"$ref": f"#/channels/{self.id}/messages/{key}"}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _summary(event: str, route: Route) -> str:
    """Return the first line of the handler's docstring without the event's name, else that of the shape."""
    for line in map(first_line, (route.work, route.shape)):
        text = line.removeprefix(f"`{event}`").lstrip(":,. ")
        if text:
            return text[0].upper() + text[1:]
    return ""
