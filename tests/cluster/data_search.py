"""Looks for a text in everything that the servers of a shop hold. Used by the tests of deleting."""

import redis.asyncio

from tests.cluster.shop import Shop

AUDIT = "message_deletions"  # where the originals are kept

COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND data_type IN ('text', 'character varying', 'jsonb', 'json')
"""


async def tables_with(shop: Shop, text: str) -> set[str]:
    """Return the tables that have it in any column."""
    found = set()
    for table, column in await shop._database.fetch(COLUMNS):
        count = await shop._database.fetchval(
            f'SELECT count(*) FROM "{table}" WHERE strpos("{column}"::text, $1) > 0', text
        )
        if count:
            found.add(table)
    return found


async def keys_with(url: str, text: str) -> list[bytes]:
    """Return the keys of Redis whose value has it."""
    client = redis.asyncio.Redis.from_url(url)
    wanted = text.encode()
    found = [
        key async for key in client.scan_iter(count=1000) if wanted in key or wanted in (await client.dump(key) or b"")
    ]
    await client.aclose()
    return found
