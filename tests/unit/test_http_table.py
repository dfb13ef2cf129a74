"""The declared table of HTTP routes: complete, guarded, and told in the OpenAPI document."""

import json
from itertools import chain
from typing import Any

import pytest

from gateway.http.openapi import document
from gateway.http.resources.analytics import Analytics
from gateway.http.resources.auth import Auth
from gateway.http.resources.cluster import Cluster
from gateway.http.resources.featured import Featured
from gateway.http.resources.health import Health
from gateway.http.resources.jobs import Jobs
from gateway.http.resources.keys import Keys
from gateway.http.resources.members import Members
from gateway.http.resources.messages import Messages
from gateway.http.resources.notifications import Notifications
from gateway.http.resources.orders import Orders
from gateway.http.resources.people import People
from gateway.http.resources.products import Products
from gateway.http.resources.stats import Stats
from gateway.http.resources.streams import Streams
from gateway.http.resources.users import Users
from gateway.http.routes import Route
from gateway.security.browsers.csrf import Csrf
from gateway.security.browsers.origins import Origins
from gateway.security.principal import ADMINS, HOSTS, MEMBERS, Role
from tests.http_edge import settings

NOBODY: Any = None
RESOURCES = (
    Health(NOBODY),
    Auth(NOBODY, NOBODY, NOBODY, Csrf(enabled=True, origins=Origins(settings())), settings()),
    Keys(lambda: {"keys": []}),
    Users(NOBODY, NOBODY, NOBODY),
    Streams(NOBODY, NOBODY, NOBODY, NOBODY),
    Products(NOBODY, NOBODY),
    Featured(NOBODY),
    Orders(NOBODY, NOBODY),
    Notifications(NOBODY),
    Messages(NOBODY),
    Jobs(NOBODY),
    Analytics(NOBODY),
    Stats(NOBODY),
    People(NOBODY),
    Cluster(NOBODY, NOBODY),
    Members(NOBODY),
)
ROUTES = {f"{route.method} {route.template}": route for route in chain(*(part.routes() for part in RESOURCES))}
every_route = pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES.keys())

CONTRACT = """
GET /health/live · GET /health/ready
POST /auth/guest
POST /auth/register · POST /auth/login · POST /auth/refresh · POST /auth/logout · POST /auth/logout-all
GET /auth/keys · GET /users
GET /auth/me · GET /auth/sessions · DELETE /auth/sessions/{id}
GET /users/me · PATCH /users/me · GET /users/{id} · POST /users/{id}/suspend · POST /users/{id}/unsuspend
POST /streams · GET /streams · GET /streams/active · GET /streams/upcoming · GET /streams/{key}
POST /streams/{key}/start · POST /streams/{key}/stop
GET /products · GET /products/{id} · POST /products · PATCH /products/{id} · DELETE /products/{id}
PATCH /products · PATCH /products/{id}/stock · PATCH /products/{id}/sold-out
PUT /streams/{key}/featured-product · DELETE /streams/{key}/featured-product
POST /orders · GET /orders · GET /orders/{id} · DELETE /orders/{id} · POST /orders/{id}/paid
GET /auth/session · PATCH /streams/{key}
GET /streams/{key}/messages · POST /notifications · GET /notifications · POST /notifications/read
GET /notifications/sent · GET /jobs · POST /jobs/{id}/retry · POST /jobs · GET /jobs/{id} · DELETE /jobs/{id}
GET /analytics/streams/{key} · GET /analytics/sales
POST /streams/{key}/duplicate · POST /streams/{key}/ingest-key · GET /streams/{key}/stats · GET /people/{id}
GET /cluster · GET /cluster/connections · DELETE /cluster/connections/{id}
GET /cluster/nodes · POST /cluster/nodes/{id}/drain · DELETE /cluster/nodes/{id}/drain · PATCH /products/order
POST /users · POST /users/{id}/password-reset · POST /users/{id}/logout-all · POST /auth/password
GET /streams/{key}/members
"""
FOR_STRANGERS = {f"POST /auth/{name}" for name in ("register", "login", "guest", "refresh", "password")}


def test_all_routes_of_the_contract_are_served() -> None:
    promised = {route.strip() for line in CONTRACT.splitlines() for route in line.split("·") if route.strip()}
    assert promised <= ROUTES.keys()


@every_route
def test_route_declarations_are_consistent(route: Route) -> None:
    name = f"{route.method} {route.template}"
    assert route.handler.__doc__, "its first line is the route's title in the OpenAPI document"
    assert route.method == "GET" or not route.query
    assert route.method != "GET" or (route.answer and not route.body)
    assert route.method == "GET" or route.who is not None or name in FOR_STRANGERS
    assert route.limit > 0 or route.template.startswith("/health/")
    assert route.template.count("{") == route.path.replace("{1,64}", "").count("{"), "a segment is not KEY or ID"


def test_roles_of_all_routes() -> None:
    for name, route in ROUTES.items():
        if ("/products" in name or "/streams" in name) and route.method != "GET":
            assert route.who == HOSTS, name
        if "/orders" in name:
            assert route.who == (ADMINS if name.endswith("/paid") else MEMBERS), name
        if "/analytics/" in name:
            assert route.who == HOSTS, name
        if "/cluster" in name or "/users/{id}" in name or "/jobs" in name or name == "POST /notifications":
            assert route.who == ADMINS, name
        if "/users/me" in name:
            assert route.who is not None
            assert Role.GUEST not in route.who, name


@every_route
def test_the_openapi_document_has_every_route(route: Route) -> None:
    result = document([route], "1")
    operation = result["paths"][f"/api/v1{route.template}"][route.method.lower()]
    assert operation["summary"]
    assert ("security" in operation) == (route.who is not None)
    assert ("requestBody" in operation) == (route.body is not None)
    assert (str(route.status) if route.answer else "204") in operation["responses"]
    for reference in references(result):
        assert reference.removeprefix("#/components/schemas/") in result["components"]["schemas"]


def references(value: Any) -> set[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_openapi_document_has_query_parameters() -> None:
    operation = document([ROUTES["GET /products"]], "1")["paths"]["/api/v1/products"]["get"]
    names = {parameter["name"]: parameter["in"] for parameter in operation["parameters"]}
    assert names == dict.fromkeys(("cursor", "limit", "streamKey", "status", "search"), "query")


def test_no_query_parameter_is_nullable() -> None:
    """A query holds text: what may be left out is not required, which is something else."""
    paths = document(list(ROUTES.values()), "1")["paths"]
    parameters = [
        (path, parameter)
        for path, operations in paths.items()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    ]
    assert len(parameters) > 60
    for path, parameter in parameters:
        schema = parameter["schema"]
        assert "null" not in json.dumps(schema), (path, parameter["name"])
        assert {"type", "$ref", "enum"} & schema.keys(), (path, parameter["name"])


def test_the_openapi_document_has_the_idempotency_key() -> None:
    result = document(list(ROUTES.values()), "1")["paths"]
    takes = {
        path
        for path, operations in result.items()
        for operation in operations.values()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
    }
    assert takes == {"/api/v1/orders"}
