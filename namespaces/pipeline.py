"""The pipeline of all events: table, shape, room, role, rate limit, handler, answer. Created by each namespace."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError

from gateway.concurrency.timeouts import Deadlines
from gateway.errors import Code, Forbidden, GatewayError, InvalidPayload, NotInRoom, RateLimited, Unavailable
from gateway.instruments import Histogram
from gateway.keys import Room
from gateway.logs import REQUEST, RequestId
from gateway.metrics import Metrics
from gateway.protocol import events
from gateway.protocol.answers import error_event, failure, payload_error
from gateway.protocol.bounds import check_event
from gateway.protocol.wire import Payload, Request, Typed
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.socketio.socket import Socket
from gateway.security.limits.limits import Limiter
from gateway.security.limits.refused_requests import RefusedRequests
from gateway.security.principal import EVERYONE, Principal
from gateway.security.tokens.authenticator import Authenticator
from namespaces.routes import Limit, Route

log = structlog.get_logger()

RETURNS = 10  # the limit of joins that are not charged to Limit.JOIN, as a multiple of it
INVALID = 400  # the status of requests that are charged as refused


@dataclass(frozen=True, slots=True)
class Shared:
    """What all namespaces of a node use."""

    authenticator: Authenticator
    limiter: Limiter
    registry: SocketRegistry
    metrics: Metrics
    rates: Mapping[Limit, tuple[int, float]]  # a number of requests, and a number of seconds
    handler_timeout: timedelta


class ScopeLimit(NamedTuple):
    """The rate limit of a scope: a number of requests within a number of seconds."""

    scope: str
    limit: int
    seconds: float


class Pipeline:
    """Handles the events of one namespace. Handlers take and return typed payloads, and raise errors."""

    def __init__(self, name: str, routes: Mapping[str, Route], room: Callable[[str], Room], shared: Shared) -> None:
        """Args:
        name: Of the namespace.
        routes: The table of events. Other events are refused as unknown.
        room: Returns the namespace's room of a stream key.
        shared: See Shared.
        """
        self._name = name
        self._routes = routes
        self._room = room
        self._shared = shared
        self._limiter = shared.limiter
        self._scope_limits = {event: self._scope_limit(route.limit) for event, route in routes.items()}
        count, seconds = shared.rates[Limit.JOIN]
        self._returns = ScopeLimit(f"return:{name}", count * RETURNS, seconds)
        self._refusals = RefusedRequests(shared.limiter, shared.rates[Limit.REFUSED])
        self._undeclared: set[tuple[str, Code]] = set()  # already logged
        self._timers: dict[tuple[str, str], Histogram] = {}  # by event and outcome, which both have few values
        self.deadlines = Deadlines(shared.handler_timeout.total_seconds())

    def _scope_limit(self, limit: Limit) -> ScopeLimit:
        """Return a limit with its scope: joins are counted per namespace, everything else together."""
        return ScopeLimit(f"{limit}:{self._name}" if limit is Limit.JOIN else limit, *self._shared.rates[limit])

    async def handle(self, socket: Socket, args: Sequence[Any], ack_id: int | None) -> None:
        """Handle an event and answer it exactly once. Never raises."""
        started = time.perf_counter()
        event = args[0]
        route = self._routes.get(event) if isinstance(event, str) else None
        if route is None:
            event = "unknown"
        outcome = "ok"
        request_id = RequestId()
        token = REQUEST.set(request_id)
        try:
            answer = await self._run(socket, event, route, args)
            if ack_id is not None:
                socket.succeed(ack_id, answer)
            else:
                self._send_success(socket, event, answer)
        except GatewayError as error:
            outcome = error.code
            if route is not None and error.code not in route.errors:
                self._report_undeclared(event, error)
            self._refuse(socket, args[0], ack_id, error, request_id)
        except Exception as error:
            if isinstance(error, ConnectionResetError) and not socket.live:
                outcome = "gone"  # the client has disconnected
            else:
                outcome = Code.INTERNAL_ERROR
                self._refuse(socket, args[0], ack_id, GatewayError(Code.INTERNAL_ERROR), request_id)
                log.exception("a handler failed", event_name=event, namespace=self._name)
        finally:
            REQUEST.reset(token)
        timer = self._timers.get((event, outcome)) or self._timer(event, outcome)
        timer.observe(time.perf_counter() - started)

    def _report_undeclared(self, event: str, error: GatewayError) -> None:
        if (event, error.code) not in self._undeclared:
            self._undeclared.add((event, error.code))
            log.error(
                "a code was answered that is not declared", event_name=event, namespace=self._name, code=error.code
            )

    def _timer(self, event: str, outcome: str) -> Histogram:
        timer = self._timers[event, outcome] = self._shared.metrics.events.labels(self._name, event, outcome)
        return timer

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _run(self, socket: Socket, event: str, route: Route | None, args: Sequence[Any]) -> Payload:
        principal = socket.principal
        user_id = principal.user_id
        self._refusals.check(user_id)
        try:
            route, request = self._check(socket, route, args)
        except GatewayError:
            await self._charge_refusal(user_id)
            raise
        charged = self._scope_limits[event]
        if route.enters is not None and self._room(route.enters(request)) in socket.attending:
            charged = self._returns
        try:
            with self.deadlines:
                try:
                    await self._limiter.charge(charged.scope, user_id, charged.limit, charged.seconds)
                except RateLimited as error:
                    earlier = await self._above_the_limit(principal, route, request, error)
                    if earlier is not None:
                        return earlier
                    charged = self._returns
                if route.service is not None:
                    answer = await route.service(principal, request)
                else:
                    answer = await route.handler(socket, request)
        except TimeoutError:
            raise Unavailable("handler") from None
        except GatewayError as error:
            if error.status == INVALID:  # found by the handler, such as a blocked word
                await self._limiter.refund(charged.scope, user_id)
                await self._charge_refusal(user_id)
            raise
        if _free(route, answer):
            await self._limiter.refund(charged.scope, user_id)
        return answer

    def _check(self, socket: Socket, route: Route | None, args: Sequence[Any]) -> tuple[Route, Request]:
        """Return a valid request with its route: the event exists, the payload is valid, room and role are checked.

        Raises GatewayError.
        """
        if route is None:
            raise GatewayError(Code.UNKNOWN_EVENT)
        request = parse(route.shape, args)
        if route.room is not None and self._room(route.room(request)) not in socket.joined:
            raise NotInRoom
        if route.who is not EVERYONE and socket.principal.role not in route.who:
            raise Forbidden
        return route, request

    async def _above_the_limit(
        self, principal: Principal, route: Route, request: Request, error: RateLimited
    ) -> Payload | None:
        """Return the first answer to a repeated request, or None for a join that catches up, which has another limit.

        Raises RateLimited for all other requests.
        """
        earlier = await route.repeated(principal, request) if route.repeated else None
        if earlier is None:
            if route.resumes is None or not await route.resumes(request):
                self._shared.metrics.limited.labels(route.limit).inc()
                raise error
            scope, limit, seconds = self._returns
            await self._limiter.charge(scope, principal.user_id, limit, seconds)
        return earlier

    async def _charge_refusal(self, user_id: str) -> None:
        try:
            await self._refusals.charge(user_id)
        except RateLimited:
            self._shared.metrics.limited.labels(Limit.REFUSED).inc()
            raise

    def _send_success(self, socket: Socket, event: str, answer: Payload) -> None:
        aside = self._routes[event].aside
        if aside is not None:
            socket.send(*aside(answer))
        name = events.success(event)
        socket.send(name, Typed(type=name, data=answer))

    def _refuse(
        self, socket: Socket, event: object, ack_id: int | None, error: GatewayError, request_id: RequestId
    ) -> None:
        if ack_id is not None:
            socket.answer(ack_id, failure(error, str(request_id)))
        else:
            socket.send(events.ERROR, error_event(error, event, str(request_id)))


def _free(route: Route, answer: Payload) -> bool:
    """Return whether an answer is not charged: one to a repetition, or to a join that caught up."""
    if route.repeated is not None:
        return bool(getattr(answer, "duplicate", False))
    return route.resumes is not None and bool(getattr(answer, "recovered", False))


def parse(shape: type[Request], args: Sequence[Any]) -> Request:
    """Parse the payload of an event, the only argument after its name.

    Raises InvalidPayload, or the error that a validator of the shape names.
    """
    if len(args) != 2 or not isinstance(args[1], dict):
        raise InvalidPayload("An event takes exactly one JSON object")
    check_event(args[1])
    try:
        request: Request = shape.__pydantic_validator__.validate_python(args[1])  # as model_validate does, but faster
    except ValidationError as error:
        raise payload_error(error) from None
    return request
