"""Whether a stream has messages, shown or deleted. Equal entries share their space."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False  # CONCURRENTLY: nobody waits


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """CREATE INDEX CONCURRENTLY IF NOT EXISTS "messages_by_stream" ON "messages" ("stream_key")"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return 'DROP INDEX CONCURRENTLY IF EXISTS "messages_by_stream"'
