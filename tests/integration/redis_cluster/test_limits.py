"""The suite of tests/integration/test_limits.py on a Redis Cluster."""

from tests.integration.test_limits import *  # noqa: F403
