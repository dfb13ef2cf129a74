"""What a client's JSON may hold: counted before its shape is looked at."""

import gc
import json
import time
from typing import Any

import pytest

from gateway.errors import InvalidPayload
from gateway.http.dispatch import parse_body
from gateway.protocol.bounds import MAX_DEPTH, MAX_FIELDS, check_event, check_values
from gateway.protocol.payloads.accounts import Login


def nested(depth: int, inner: Any = 1) -> Any:
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize("value", [1, None, "x", [], {}, [1] * 100, nested(MAX_DEPTH - 1), {"a": {"b": [1, {"c": 2}]}}])
def test_payloads_within_the_bounds_pass(value: Any) -> None:
    check_values(value, 256)


@pytest.mark.parametrize(
    "value",
    [
        [1] * 256,
        [[1] * 16] * 16,
        {f"f{number}": 1 for number in range(MAX_FIELDS + 1)},
        [{f"f{number}": 1 for number in range(MAX_FIELDS + 1)}],
        nested(MAX_DEPTH),
        nested(500),
    ],
)
def test_payloads_beyond_the_bounds_are_refused(value: Any) -> None:
    with pytest.raises(InvalidPayload):
        check_values(value, 256)


def test_payloads_of_events_are_walked_only_if_nested() -> None:
    check_event({"liveId": "a", "message": "x" * 60_000})
    check_event({"since": {"epoch": "a", "seq": 1}})
    with pytest.raises(InvalidPayload):
        check_event({"since": nested(MAX_DEPTH)})


LARGE = [
    json.dumps({f"f{number}": 1 for number in range(11_000)}),
    json.dumps([{}] * 30_000),
    json.dumps({"email": [{f"f{number}": 1 for number in range(30)}] * 400}),
    '{"email":' + "[" * 60_000 + "]" * 60_000 + "}",
    '{"email":' + "9" * 120_000 + "}",
    '{"email":' + "1" * 120_000 + ".5}",
    '{"email":1e400}',
    '{"email":"' + "\\u0000" * 20_000 + '"}',
    '{"email":"' + "\\ud800" * 20_000 + '"}',
    '{"' + "x" * 120_000 + '":1}',
    "{" + "," * 120_000,
]


@pytest.mark.parametrize("body", LARGE, ids=range(len(LARGE)))
def test_an_invalid_body_is_refused_fast_and_briefly(body: str) -> None:
    raw = body.encode()
    gc.disable()  # what it takes depends on the heap of the tests; a node freezes its own
    try:
        started = time.process_time()
        with pytest.raises(InvalidPayload) as refused:
            parse_body(Login, raw)
        spent = time.process_time() - started
    finally:
        gc.enable()
    assert spent < 0.03  # s; 11,000 unknown fields took 67 ms
    assert len(refused.value.details or []) <= 10
    assert len(json.dumps(refused.value.details)) < 4_000
