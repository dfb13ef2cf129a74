"""Deleted messages by place, which are few."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False  # CONCURRENTLY: nobody waits


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """CREATE INDEX CONCURRENTLY IF NOT EXISTS "messages_deleted" ON "messages" ("stream_key", "seq")
        WHERE "deleted_at" IS NOT NULL"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return 'DROP INDEX CONCURRENTLY IF EXISTS "messages_deleted"'
