"""The suite of tests/integration/test_job_queue.py on a Redis Cluster."""

from tests.integration.test_job_queue import *  # noqa: F403
