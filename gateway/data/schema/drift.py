"""Whether a database is what its migrations have made of it. Called by `list`, `status` and before a draft."""

from collections.abc import Sequence
from typing import Any

from gateway.data.schema import catalog, levels
from gateway.data.schema.catalog import Difference
from gateway.data.target import Target


async def drift(
    target: Target, connection: Any, applied: Sequence[str], *, beside: str | None = None
) -> list[Difference]:
    """Each object that differs from what the migrations that were applied make on a scratch database.

    What was pushed is taken as it was pushed.
    """
    have = await catalog.read(connection)
    pushed = [levels.Step(push.name, push.up) for push in await levels.pushed(connection, target.spec.label)]
    async with levels.scratch_at(target, applied, beside=beside) as scratch:
        await levels.take(scratch, pushed)
        return await catalog.differences(await catalog.read(scratch), have, scratch)
