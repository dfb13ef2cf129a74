"""Finds the places of a room that belong to a time. Used by searches, clears and stats, within `database.guard`."""

from datetime import datetime, timedelta

from gateway.postgres.database import Database

SKEW = timedelta(minutes=1)  # by which the clocks of nodes may differ: a message has the time of its node
NO_END = 2**63 - 1

BETWEEN = "SELECT message_place($1, $2) AS first, message_place($1, $3) AS past"


async def places_between(
    database: Database, live_id: str, since: datetime | None, until: datetime | None = None
) -> tuple[int, int]:
    """Return a range of places that contains all messages with `since` <= time < `until`: its first place, and its end.

    The range may contain messages of other times, too: compare their times.
    """
    if since is None and until is None:
        return 0, NO_END
    start, end = None if since is None else since - SKEW, None if until is None else until + SKEW
    [row] = await database.query(BETWEEN, live_id, start, end)
    return 0 if since is None else row["first"], NO_END if until is None else row["past"]
