"""Functions for indexes: keys and places of messages, and what names and titles contain."""

from tortoise import BaseDBAsyncClient

from migrations import functions

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return functions.apply("message_key", "message_place", "form_terms", "form_query", "form_matches")


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP FUNCTION "form_matches";
        DROP FUNCTION "form_query";
        DROP FUNCTION "form_terms";
        DROP FUNCTION "message_place";
        DROP FUNCTION "message_key";"""
