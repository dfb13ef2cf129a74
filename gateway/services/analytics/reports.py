"""Answers graphs and reports from the analytics database. Called by the HTTP edge."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.clocks import now
from gateway.errors import InvalidPayload, UnknownStream
from gateway.postgres.connections import Databases
from gateway.postgres.databases import ANALYTICS
from gateway.protocol.payloads.analytics import (
    Bucket,
    ProductSales,
    SalesPoint,
    SalesReport,
    StreamPoint,
    StreamReport,
    StreamSales,
)
from gateway.protocol.queries import AnalyticsQuery
from gateway.security.principal import Principal, Role
from models.main.stream import Stream

POINTS: Final = 1500  # of one report: a day in minutes
TOP: Final = 50  # products of a stream, or streams: those with the largest sales
MONTH: Final = timedelta(days=30)
LENGTHS: Final[dict[Bucket, timedelta]] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}

SALES = """
    coalesce(sum(orders) FILTER (WHERE status = 'PLACED'), 0)::int AS orders,
    coalesce(sum(units) FILTER (WHERE status = 'PLACED'), 0)::int AS units,
    coalesce(sum(amount) FILTER (WHERE status = 'PLACED'), 0) AS amount,
    coalesce(sum(orders) FILTER (WHERE status = 'PAID'), 0)::int AS paid_orders,
    coalesce(sum(amount) FILTER (WHERE status = 'PAID'), 0) AS paid_amount,
    coalesce(sum(orders) FILTER (WHERE status = 'CANCELLED'), 0)::int AS cancelled_orders,
    coalesce(sum(orders) FILTER (WHERE status = 'EXPIRED'), 0)::int AS expired_orders
"""

# Product 0 is a stream as a whole.
STREAM = f"""
    WITH watched AS (
        SELECT date_trunc($4, at, $5) AS at, round(avg(viewers))::int AS viewers, max(viewers) AS peak_viewers
        FROM viewer_samples WHERE stream_key = $1 AND at >= $2 AND at < $3 GROUP BY 1
    ), said AS (
        SELECT date_trunc($4, minute, $5) AS at, sum(messages)::int AS messages,
            sum(guest_messages)::int AS guest_messages
        FROM chat_minutes WHERE stream_key = $1 AND minute >= $2 AND minute < $3 GROUP BY 1
    ), sold AS (
        SELECT date_trunc($4, minute, $5) AS at, {SALES}
        FROM sales_minutes WHERE stream_key = $1 AND product_id = 0 AND minute >= $2 AND minute < $3 GROUP BY 1
    )
    SELECT * FROM watched FULL JOIN said USING (at) FULL JOIN sold USING (at) ORDER BY at
"""  # noqa: S608  no values of clients

PRODUCTS = f"""
    SELECT product_id, {SALES} FROM sales_minutes
    WHERE stream_key = $1 AND product_id <> 0 AND minute >= $2 AND minute < $3
    GROUP BY 1 ORDER BY amount DESC, product_id LIMIT $4
"""  # noqa: S608

OVER_TIME = f"""
    SELECT date_trunc($3, minute, $4) AS at, {SALES} FROM sales_minutes
    WHERE product_id = 0 AND minute >= $1 AND minute < $2 AND ($5::text[] IS NULL OR stream_key = ANY ($5))
    GROUP BY 1 ORDER BY 1
"""  # noqa: S608

BY_STREAM = f"""
    SELECT stream_key, {SALES} FROM sales_minutes
    WHERE product_id = 0 AND minute >= $1 AND minute < $2 AND ($3::text[] IS NULL OR stream_key = ANY ($3))
    GROUP BY 1 ORDER BY amount DESC, stream_key LIMIT $4
"""  # noqa: S608


class Reports:
    """Reports on all streams for administrators, and on their own streams for hosts. Raises Unavailable."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def stream(self, principal: Principal, key: str, request: AnalyticsQuery) -> StreamReport:
        """Return the numbers of a stream, by default since it began.

        Raises NotFound for an unknown stream and for another host's.
        """
        async with self._databases.main.guard("reports.stream"):
            stream = await Stream.get_or_none(key=key)
        if stream is None or not (principal.role is Role.ADMIN or principal.hosts(stream.host_id)):
            raise UnknownStream
        begin, end, bucket = _period(
            request, stream.started_at or stream.created_at, (stream.ended_at or now()) + LENGTHS["minute"]
        )
        analytics = self._databases.client_sync(ANALYTICS.name)
        async with analytics.guard("analytics.stream"):
            points = await analytics.query(STREAM, key, begin, end, bucket, request.time_zone)
            products = await analytics.query(PRODUCTS, key, begin, end, TOP)
        return StreamReport(
            stream_key=key,
            from_=begin,
            to=end,
            bucket=bucket,
            points=[StreamPoint(**{name: value for name, value in row.items() if value is not None}) for row in points],
            products=[ProductSales(**row | {"product_id": str(row["product_id"])}) for row in products],
        )

    async def sales(self, principal: Principal, request: AnalyticsQuery) -> SalesReport:
        """Return sales over time and by stream, by default of the last thirty days."""
        begin, end, bucket = _period(request, now() - MONTH, now() + LENGTHS["minute"])
        keys = None if principal.role is Role.ADMIN else await self._own(principal)
        analytics = self._databases.client_sync(ANALYTICS.name)
        async with analytics.guard("analytics.sales"):
            points = await analytics.query(OVER_TIME, begin, end, bucket, request.time_zone, keys)
            streams = await analytics.query(BY_STREAM, begin, end, keys, TOP)
        return SalesReport(
            from_=begin,
            to=end,
            bucket=bucket,
            points=[SalesPoint(**row) for row in points],
            streams=[StreamSales(**row) for row in streams],
        )

    async def _own(self, principal: Principal) -> list[str]:
        async with self._databases.main.guard("reports.streams"):
            return [
                str(key) for key in await Stream.filter(host_id=UUID(principal.user_id)).values_list("key", flat=True)
            ]


def _period(request: AnalyticsQuery, begin: datetime, end: datetime) -> tuple[datetime, datetime, Bucket]:
    """Return the begin, the end and the bucket of a report. Raises InvalidPayload for more than POINTS points."""
    begin, end = request.from_ or begin, request.to or end
    begin = begin.replace(second=0, microsecond=0)  # minutes are counted whole
    if begin >= end:
        raise InvalidPayload("`to` must be later than `from`")
    fitting: list[Bucket] = [bucket for bucket, length in LENGTHS.items() if (end - begin) / length <= POINTS]
    if not fitting or (request.bucket is not None and request.bucket not in fitting):
        raise InvalidPayload(f"That would be more than {POINTS} points: choose a shorter time or a larger bucket")
    return begin, end, request.bucket or fitting[0]
