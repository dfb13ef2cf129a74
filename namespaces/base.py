"""The pipeline of all events: table, shape, room, role, rate limit, handler, answer. Called by the Socket.IO server.

The namespaces `/`, `/chat` and `/streaming` are subclasses, which declare the table.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple, TypeVar

import structlog
from pydantic import ValidationError

from gateway.concurrency.timeouts import Deadlines
from gateway.errors import Code, Forbidden, GatewayError, InvalidPayload, NotInRoom, RateLimited, Unavailable
from gateway.instruments import Histogram
from gateway.keys import Room
from gateway.logs import REQUEST, RequestId
from gateway.metrics import Metrics
from gateway.protocol import events
from gateway.protocol.answers import error_event, failure, misfit
from gateway.protocol.bounds import check_event
from gateway.protocol.identity import AuthRefresh, AuthRefreshed, Connected, ConnectionSuccess, Limits, RateLimit
from gateway.protocol.wire import Payload, Request, Typed
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.socketio.socket import Socket
from gateway.security.limits.limits import Limiter
from gateway.security.limits.refusals import Refusals
from gateway.security.principal import EVERYONE, Principal
from gateway.security.tokens.authenticator import Authenticator, authenticate_first, extract_tokens
from namespaces.routes import CREDENTIALS, Limit, Route

log = structlog.get_logger()

RETURNS = 10  # the limit of joins that are not charged to Limit.JOIN, as a multiple of it
G = TypeVar("G", bound=Connected)

INVALID = 400  # the status of requests that are charged as refused


class Allowance(NamedTuple):
    """The rate limit of a scope: a number of requests within a number of seconds."""

    scope: str
    limit: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The dependencies that all namespaces share."""

    authenticator: Authenticator
    limiter: Limiter
    registry: SocketRegistry
    metrics: Metrics
    rates: Mapping[Limit, tuple[int, float]]  # a number of requests, and a number of seconds
    handler_timeout: timedelta


class Namespace:
    """A Socket.IO namespace with its table of events. Handlers take and return typed payloads, and raise errors."""

    name: ClassVar[str]

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._routes: dict[str, Route] = {
            events.AUTH_REFRESH: Route(AuthRefresh, self._refresh, raises=CREDENTIALS | {Code.NOT_FOUND})
        } | self.routes()
        self._allowances = {event: self._allowance(route.limit) for event, route in self._routes.items()}
        count, seconds = pipeline.rates[Limit.JOIN]
        self._returns = Allowance(f"return:{self.name}", count * RETURNS, seconds)
        self._refusals = Refusals(pipeline.limiter, pipeline.rates[Limit.REFUSED])
        rates = {
            str(limit): RateLimit(count=count, seconds=seconds) for limit, (count, seconds) in pipeline.rates.items()
        }
        self._limits = Limits(rates=rates)
        self._deadlines = Deadlines(pipeline.handler_timeout.total_seconds())
        self._undeclared: set[tuple[str, Code]] = set()  # that were logged
        self._timers: dict[tuple[str, str], Histogram] = {}  # by event and outcome, which both have few values

    def _allowance(self, limit: Limit) -> Allowance:
        """Return the allowance of a limit: joins are counted per namespace, everything else together."""
        return Allowance(f"{limit}:{self.name}" if limit is Limit.JOIN else limit, *self._pipeline.rates[limit])

    def routes(self) -> dict[str, Route]:
        """Return the table of events. Other events are refused as unknown."""
        raise NotImplementedError

    @property
    def table(self) -> Mapping[str, Route]:
        """The table of events, with those that every namespace has."""
        return self._routes

    async def welcome(self, socket: Socket) -> None:
        """Greet a socket that was connected."""
        data = self.greeting(socket.principal, ConnectionSuccess)
        socket.send(events.CONNECTION_SUCCESS, Typed(type=events.CONNECTION_SUCCESS, data=data))

    async def farewell(self, socket: Socket) -> None:
        """Stop counting a socket that has ended in the rooms of `socket.attending`."""

    async def check_return(self, principal: Principal, room: Room) -> None:
        """Raise GatewayError if somebody may no longer be in a room that they joined before a recovery."""
        raise NotImplementedError

    async def count(self, socket: Socket, room: Room) -> object:
        """Count a recovered socket in a room. Never raises."""
        raise NotImplementedError

    async def recount(self, socket: Socket, room: Room) -> None:
        """Count a socket in a room as its present principal instead of its former one. Never raises."""
        raise NotImplementedError

    async def renewed(self, socket: Socket) -> None:
        """Handle a new principal of a socket: the same user, perhaps in another role, or a guest who logged in."""

    # --- for the Socket.IO server -------------------------------------------------------------------------------------

    async def authenticate(self, handshake: Handshake, auth: Mapping[str, Any] | None) -> Principal:
        """Return the principal of a CONNECT packet. Raises GatewayError."""
        tokens = extract_tokens(auth, handshake.headers, handshake.cookies)
        with self._deadlines:
            return await authenticate_first(self._pipeline.authenticator, tokens)

    async def opened(self, socket: Socket) -> None:
        """Register and greet a socket that was connected."""
        self._pipeline.registry.add(socket)
        await self.welcome(socket)

    async def resumed(self, socket: Socket) -> None:
        """Register a recovered socket, and count it again in the rooms that it attends."""
        self._pipeline.registry.add(socket)
        async with AsyncExitStack() as returns:  # runs all, even if one fails
            for room in socket.attending:
                returns.push_async_callback(self.count, socket, room)

    async def check_renewal(self, socket: Socket, principal: Principal) -> None:
        """Raise GatewayError if another principal may not be in the rooms of a socket."""
        if principal.user_id != socket.principal.user_id:
            for room in list(socket.attending):
                await self.check_return(principal, room)

    async def renew(self, socket: Socket, principal: Principal) -> None:
        """Replace the principal of a socket: by one of the same user, or of the user as whom a guest logged in."""
        socket.principal = principal
        self._pipeline.registry.add(socket)
        for room, counted in list(socket.attending.items()):
            if counted.user_id != principal.user_id:
                await self.recount(socket, room)
        await self.renewed(socket)

    async def closed(self, socket: Socket) -> None:
        """Clean up after a socket that has ended."""
        self._pipeline.registry.remove(socket)
        await self.farewell(socket)

    async def handle(self, socket: Socket, args: Sequence[Any], ack_id: int | None) -> None:
        """Handle an event and answer it exactly once. Never raises."""
        started = time.perf_counter()
        event = args[0]
        route = self._routes.get(event) if isinstance(event, str) else None
        if route is None:
            event = "unknown"
        outcome = "ok"
        request = RequestId()
        token = REQUEST.set(request)
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
            self._refuse(socket, args[0], ack_id, error, request)
        except Exception as error:
            if isinstance(error, ConnectionResetError) and not socket.live:
                outcome = "gone"  # the client has disconnected
            else:
                outcome = Code.INTERNAL_ERROR
                self._refuse(socket, args[0], ack_id, GatewayError(Code.INTERNAL_ERROR), request)
                log.exception("a handler failed", event_name=event, namespace=self.name)
        finally:
            REQUEST.reset(token)
        timer = self._timers.get((event, outcome)) or self._timer(event, outcome)
        timer.observe(time.perf_counter() - started)

    def _report_undeclared(self, event: str, error: GatewayError) -> None:
        if (event, error.code) not in self._undeclared:
            self._undeclared.add((event, error.code))
            log.error(
                "a code was answered that is not declared", event_name=event, namespace=self.name, code=error.code
            )

    def _timer(self, event: str, outcome: str) -> Histogram:
        timer = self._timers[event, outcome] = self._pipeline.metrics.events.labels(self.name, event, outcome)
        return timer

    # --- steps --------------------------------------------------------------------------------------------------------

    async def _run(self, socket: Socket, event: str, route: Route | None, args: Sequence[Any]) -> Payload:
        self._refusals.check(socket.principal.user_id)
        try:
            route, ask = checked(socket, route, args)
        except GatewayError:
            await self._charge_refusal(socket)
            raise
        limiter, subject = self._pipeline.limiter, socket.principal.user_id
        allowance = self._allowances[event]
        if route.enters is not None and route.enters(ask) in socket.attending:
            allowance = self._returns
        try:
            with self._deadlines:
                try:
                    await limiter.charge(allowance.scope, subject, allowance.limit, allowance.seconds)
                except RateLimited as error:
                    earlier = await self._above_the_limit(subject, socket, route, ask, error)
                    if earlier is not None:
                        return earlier
                    allowance = self._returns
                if route.service is not None:
                    answer = await route.service(socket.principal, ask)
                else:
                    answer = await route.work(socket, ask)
        except TimeoutError:
            raise Unavailable("handler") from None
        except GatewayError as error:
            if error.status == INVALID:  # found by the handler, such as a blocked word
                await limiter.refund(allowance.scope, subject)
                await self._charge_refusal(socket)
            raise
        if route.free is not None and route.free(answer):
            await limiter.refund(allowance.scope, subject)
        return answer

    async def _above_the_limit(
        self, subject: str, socket: Socket, route: Route, ask: Request, error: RateLimited
    ) -> Payload | None:
        """Return the first answer to a repeated request, or None for a join that catches up, which has another limit.

        Raises RateLimited for all other requests.
        """
        earlier = await route.repeated(socket.principal, ask) if route.repeated else None
        if earlier is None:
            if route.resumes is None or not await route.resumes(ask):
                self._pipeline.metrics.limited.labels(route.limit).inc()
                raise error
            await self._pipeline.limiter.charge(
                self._returns.scope, subject, self._returns.limit, self._returns.seconds
            )
        return earlier

    async def _charge_refusal(self, socket: Socket) -> None:
        try:
            await self._refusals.charge(socket.principal.user_id)
        except RateLimited:
            self._pipeline.metrics.limited.labels(Limit.REFUSED).inc()
            raise

    def _send_success(self, socket: Socket, event: str, answer: Payload) -> None:
        aside = self._routes[event].aside
        if aside is not None:
            socket.send(*aside(answer))
        name = events.success(event)
        socket.send(name, Typed(type=name, data=answer))

    def _refuse(
        self, socket: Socket, event: object, ack_id: int | None, error: GatewayError, request: RequestId
    ) -> None:
        if ack_id is not None:
            socket.answer(ack_id, failure(error, str(request)))
        else:
            socket.send(events.ERROR, error_event(error, event, str(request)))

    def greeting(self, who: Principal, shape: type[G]) -> G:
        """Return the greeting of a connected socket."""
        return shape(
            user_id=who.user_id,
            role=who.role,
            authenticated=who.authenticated,
            expires_at=who.expires_at,
            limits=self._limits,
        )

    # --- events of every namespace ------------------------------------------------------------------------------------

    async def _refresh(self, socket: Socket, ask: AuthRefresh) -> AuthRefreshed:
        principal = await self._pipeline.authenticator.authenticate(ask.token)
        before = socket.principal
        # A guest may log in, but not become another guest, which would evade a ban.
        if principal.user_id != before.user_id and (before.authenticated or not principal.authenticated):
            raise Forbidden("The token is of another user")
        await self._pipeline.registry.renew(socket, principal)
        return AuthRefreshed(user_id=principal.user_id, role=principal.role, expires_at=principal.expires_at)


def checked(socket: Socket, route: Route | None, args: Sequence[Any]) -> tuple[Route, Request]:
    """Return a valid request with its route: the event exists, the payload is valid, room and role are checked.

    Raises GatewayError.
    """
    if route is None:
        raise GatewayError(Code.UNKNOWN_EVENT)
    ask = parse(route.shape, args)
    if route.room is not None and route.room(ask) not in socket.joined:
        raise NotInRoom
    if route.who is not EVERYONE and socket.principal.role not in route.who:
        raise Forbidden
    return route, ask


def parse(shape: type[Request], args: Sequence[Any]) -> Request:
    """Parse the payload of an event, the only argument after its name.

    Raises InvalidPayload, or the error that a validator of the shape names.
    """
    if len(args) != 2 or not isinstance(args[1], dict):
        raise InvalidPayload("An event takes exactly one JSON object")
    check_event(args[1])
    try:
        ask: Request = shape.__pydantic_validator__.validate_python(args[1])  # as model_validate does, but faster
    except ValidationError as error:
        raise misfit(error) from None
    return ask
