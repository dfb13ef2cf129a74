"""Accounts by what their names and addresses contain."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False  # CONCURRENTLY: nobody waits


async def upgrade(db: BaseDBAsyncClient) -> str:
    return (
        """CREATE INDEX CONCURRENTLY IF NOT EXISTS "users_by_form" ON "users" USING gin (form_terms("search_form"))"""
    )


async def downgrade(db: BaseDBAsyncClient) -> str:
    return 'DROP INDEX CONCURRENTLY IF EXISTS "users_by_form"'
