"""The staff and suspended accounts, newest first."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False  # CONCURRENTLY: nobody waits


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """CREATE INDEX CONCURRENTLY IF NOT EXISTS "users_set_apart" ON "users" ("created_at", "id")
        WHERE "role" <> 'USER' OR "status" <> 'ACTIVE'"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return 'DROP INDEX CONCURRENTLY IF EXISTS "users_set_apart"'
