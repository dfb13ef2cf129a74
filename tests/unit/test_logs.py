"""What the logs say of a failure, and what they never say."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from gateway import logs
from tests.http_edge import settings


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave logging as other tests expect it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def log_in(password: str) -> None:
    raise RuntimeError("the account is broken")


@pytest.mark.parametrize("app_env", ["production", "development"])
def test_tracebacks_have_places_but_no_values(app_env: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(app_env=app_env))
    for log in (structlog.get_logger(), logging.getLogger("library")):
        try:
            log_in("open sesame")
        except RuntimeError:
            log.exception("a request failed")
    result = capsys.readouterr().err
    assert result.count("the account is broken") >= 2
    assert "log_in" in result
    assert "sesame" not in result.replace('log_in("open sesame")', "")


def test_production_logs_only_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(settings(app_env="production"))
    structlog.get_logger().info("a request was served")
    structlog.get_logger().warning("a limit is near")
    result = capsys.readouterr().err
    assert "served" not in result
    assert '"a limit is near"' in result


def test_production_logs_json_with_the_documented_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(settings(app_env="production"))
    with bound_contextvars(request_id="r1"):
        structlog.get_logger().warning("a limit is near", used=9)
        logging.getLogger("library.part").warning("it is late")
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert datetime.fromisoformat(ours.pop("timestamp")).tzinfo is not None
    assert ours == {"level": "warning", "event": "a limit is near", "used": 9, "request_id": "r1"}
    del theirs["timestamp"]
    assert theirs == {"level": "warning", "event": "it is late", "logger": "library.part", "request_id": "r1"}
