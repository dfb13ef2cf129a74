"""The suite of tests/integration/test_presence.py on a Redis Cluster."""

from tests.integration.test_presence import *  # noqa: F403
