"""The message that a sender sent under a client id, found by sixteen bytes."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = False  # CONCURRENTLY: nobody waits


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "messages_by_key" ON "messages"
        (message_key("stream_key", "sender_id", "client_message_id"))"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return 'DROP INDEX CONCURRENTLY IF EXISTS "messages_by_key"'
