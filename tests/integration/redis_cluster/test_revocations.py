"""The suite of tests/integration/test_revocations.py on a Redis Cluster."""

from tests.integration.test_revocations import *  # noqa: F403
