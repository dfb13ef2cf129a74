"""Compares a database with what its migrations create. Called by `list`, `status` and before a draft."""

from collections.abc import Sequence
from typing import Any

from gateway.data.schema import catalog, known, levels
from gateway.data.schema.catalog import Difference
from gateway.data.schema.scratch import scratch
from gateway.data.target import Target
from gateway.postgres.migration_files import read


async def drift(
    target: Target, connection: Any, applied: Sequence[str], *, beside: str | None = None
) -> list[Difference]:
    """Return each object that differs from what the applied migrations, and then the pushed drafts, create."""
    have = await catalog.read(connection)
    steps = await levels.ups(one for one in read(target.spec.migrations) if one.name in applied)
    steps += [levels.Step(push.name, push.up) for push in await levels.pushed(connection, target.spec.label)]
    key = await known.key_of(connection, steps)
    expected = known.load(key)
    if expected is not None and not any(catalog.compare(expected, have)):
        return []
    async with scratch(target.url, beside=beside) as empty:
        await levels.take(empty, steps)
        want = await catalog.read(empty)
        known.store(key, want)
        return await catalog.differences(want, have, empty)
