"""Between which places of a room the messages of a time are. Used by searches and clears, within `database.guard`."""

from datetime import datetime, timedelta

from gateway.postgres.database import Database

SKEW = timedelta(minutes=1)  # by which the clocks of two nodes may differ: a message has the time of its node
NO_END = 2**63 - 1

BETWEEN = "SELECT message_place($1, $2) AS first, message_place($1, $3) AS past"


async def places_between(
    database: Database, live_id: str, since: datetime | None, until: datetime | None = None
) -> tuple[int, int]:
    """Return the first place that a message from `since` on can have, and one that none before `until` has.

    Messages of other times are between them, too: their times must be compared.
    """
    if since is None and until is None:
        return 0, NO_END
    start, end = None if since is None else since - SKEW, None if until is None else until + SKEW
    [row] = await database.query(BETWEEN, live_id, start, end)
    return 0 if since is None else row["first"], NO_END if until is None else row["past"]
