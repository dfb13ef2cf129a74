"""Messages that are shown, by place: one index for what two had."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False  # CONCURRENTLY: nobody waits


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "messages_in_order" ON "messages" ("stream_key", "seq")
        WHERE "deleted_at" IS NULL"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return 'DROP INDEX CONCURRENTLY IF EXISTS "messages_in_order"'
