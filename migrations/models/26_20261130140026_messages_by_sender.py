"""The messages of one sender, by room. Equal entries share their space."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False  # CONCURRENTLY: nobody waits


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """CREATE INDEX CONCURRENTLY IF NOT EXISTS "messages_by_sender" ON "messages" ("sender_id", "stream_key")"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return 'DROP INDEX CONCURRENTLY IF EXISTS "messages_by_sender"'
