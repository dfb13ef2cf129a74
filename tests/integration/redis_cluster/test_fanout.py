"""The suite of tests/integration/test_fanout.py on a Redis Cluster."""

from tests.integration.test_fanout import *  # noqa: F403
