"""Products by what their names and descriptions contain."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False  # CONCURRENTLY: nobody waits


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """CREATE INDEX CONCURRENTLY IF NOT EXISTS "products_by_form" ON "products" USING gin (form_terms("search_form"))"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return 'DROP INDEX CONCURRENTLY IF EXISTS "products_by_form"'
