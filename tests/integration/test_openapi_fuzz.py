"""What the OpenAPI document says is tried on a real node with generated requests: no 500, and answers as declared."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.security.principal import Role
from gateway.security.tokens.tokens import Tokens
from gateway.seeds import main as seeds
from gateway.settings import Settings
from tests.conftest import StartNode
from tests.support import make_settings

Case = schemathesis.Case[Any]
Operation = schemathesis.APIOperation[Any, Any, Any, Any]


def wrong_data_is_refused(context: CheckContext, response: Any, case: Case) -> bool | None:
    """`negative_data_rejection`, but for empty query parameters: they are as if they were not given."""
    if any(value in ("", [""]) for value in (case.query or {}).values()):
        return None
    return negative_data_rejection(context, response, case)


EXAMPLES = 12  # requests of each operation and kind: right ones, and wrong ones
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    wrong_data_is_refused,
]
bounded = hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Target:
    """A node with the seeds in it, and an admin who may do everything."""

    def __init__(self, url: str, admin_id: str, known: dict[str, str]) -> None:
        self.url = url
        self._tokens = Tokens(make_settings())
        self._admin_id = admin_id
        self._known = known  # one id or key that is there, by the resource's name in the path

    def right(self, operation: Operation) -> st.SearchStrategy[Case]:
        """Yield valid requests about existing and missing things."""
        return operation.as_strategy(path_parameters=self._there(operation)) | operation.as_strategy()

    def wrong(self, operation: Operation) -> st.SearchStrategy[Case]:
        """Yield requests with an invalid body or query about existing things."""
        return operation.as_strategy(
            GenerationMode.NEGATIVE, path_parameters=self._there(operation), headers={}, cookies={}
        )

    def _there(self, operation: Operation) -> dict[str, str]:
        there = self._known.get(operation.path.split("/")[3], "none")
        return {parameter.name: there for parameter in operation.path_parameters}

    def ask(self, case: Case) -> None:
        """Send a request and check its answer."""
        # A token of a session of its own, since what is tried logs the admin out, too.
        token = self._tokens.issue_access(self._admin_id, Role.ADMIN, secrets.token_hex(8))
        response = case.call(headers={"Authorization": f"Bearer {token}"}, base_url=self.url)
        case.validate_response(response, checks=CHECKS)
        assert response.status_code != 401 or "/auth/" in case.path, response.text


@pytest.fixture
async def target(start_node: StartNode, settings: Callable[..., Settings], database_url: str) -> AsyncIterator[Target]:
    await seeds.sow(settings())
    connection = await asyncpg.connect(database_url)
    people = dict(await connection.fetch("SELECT email, id::text FROM users"))
    product = await connection.fetchval("SELECT min(id)::text FROM products")
    order = await connection.fetchval(
        "INSERT INTO orders (id, user_id, status, total, created_at) "
        "VALUES (gen_random_uuid(), $1::text::uuid, 'PENDING', 10, now()) RETURNING id::text",
        people["viewer3@example.com"],
    )
    await connection.close()
    node = await start_node()
    known = {"streams": seeds.STREAM, "products": product, "users": people["viewer3@example.com"], "orders": order}
    yield Target(node.url, people["admin@example.com"], known)
    assert "Traceback" not in node.logs


async def document(url: str) -> dict[str, Any]:
    """Return the document, without the patterns that are right in JSON Schema but nothing to Python's `re`."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/api/docs/openapi.json") as response:

        def readable(part: dict[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in part.items() if name != "pattern" or r"\p{" not in value}

        reported: dict[str, Any] = json.loads(await response.text(), object_hook=readable)
        return reported


async def ask_all(target: Target, requests: Callable[[Operation], st.SearchStrategy[Case]], *, shapes: bool) -> int:
    """Ask every operation, or only those that have a shape; how many there are."""
    schema = schemathesis.openapi.from_dict(await document(target.url))
    refusals = schema.config.checks.negative_data_rejection
    refusals.expected_statuses = [*refusals.expected_statuses, "413"]  # before a body that is too large is looked at
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    if shapes:
        operations = [operation for operation in operations if operation.body or operation.query]
    operations.sort(key=lambda operation: operation.method == "delete")  # what is there stays to the end
    for operation in operations:
        await asyncio.to_thread(bounded(given(requests(operation))(target.ask)))
    return len(operations)


async def test_valid_requests_are_answered_as_documented(target: Target) -> None:
    assert await ask_all(target, target.right, shapes=False) > 30


async def test_invalid_requests_are_refused(target: Target) -> None:
    assert await ask_all(target, target.wrong, shapes=True) > 10
