"""The watch over file descriptors, with the limit of this process lowered for a moment."""

import resource
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from gateway.metrics import Metrics
from gateway.process import descriptors


@pytest.fixture
def limits() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised_to_the_hard_one(limits: None) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 256), hard))
    assert descriptors.raise_limit() == hard


async def test_running_out_of_descriptors_is_logged_once_per_outage(limits: None) -> None:
    metrics = Metrics()
    watch = descriptors.DescriptorWatch(metrics)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(descriptors.OPEN.iterdir()))
    with capture_logs() as logs:
        await watch.look()
        resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
        await watch.look()
        await watch.look()
        assert metrics.descriptors_low._value.get() == 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (used * 4, hard))
        await watch.look()
        await watch.look()
    assert metrics.descriptors_low._value.get() == 0
    assert [entry["event"] for entry in logs] == ["file descriptors are running out", "file descriptors are free again"]
