"""The suite of tests/integration/test_refresh_tokens.py on a Redis Cluster."""

from tests.integration.test_refresh_tokens import *  # noqa: F403
