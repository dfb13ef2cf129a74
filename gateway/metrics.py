"""All metrics of a node, with their labels. `gateway/app.py` creates them once and passes them to the parts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from gateway import __version__
from gateway.instruments import CounterFamily, HistogramFamily, PoolFamily
from gateway.machine import memory_limit

# Event handlers and HTTP routes take from less than a millisecond to the time-out of the database.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one node in their own registry, so that several nodes can run in one test process."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, CPU, file descriptors

        Gauge("dorami_build_info", "1, by version", ["version"], registry=registry).labels(__version__).set(1)
        self.ready = Gauge(
            "dorami_ready",
            "1 while a node should get traffic, degraded or not, or a job worker takes jobs",
            registry=registry,
        )
        self.without_redis = Gauge(
            "dorami_degraded",
            "1 while a node is ready although Redis is unavailable for all nodes, or full",
            registry=registry,
        )
        self.deaf = Gauge("dorami_deaf", "1 while Redis is unavailable for this node alone", registry=registry)
        self.redis_full = Gauge(
            "dorami_redis_full", "1 while Redis takes no writes because it lacks memory or disk", registry=registry
        )
        self.draining = Gauge("dorami_draining", "1 from the signal to stop until the process ends", registry=registry)
        self.loop_lag = Gauge(
            "dorami_loop_lag_seconds", "Longest delay of the event loop in the last 15 to 30 s", registry=registry
        )
        Gauge(
            "dorami_memory_limit_bytes",
            "Memory limit of this process, from its control group or its machine",
            registry=registry,
        ).set_function(memory_limit)
        self.sockets = Gauge("dorami_sockets", "Sockets connected to a namespace", ["namespace"], registry=registry)
        self.connections = Gauge("dorami_connections", "Open Engine.IO connections", ["transport"], registry=registry)
        self.refused = Counter("dorami_connects_refused", "Refused connects", ["namespace", "code"], registry=registry)
        self.closed = Counter("dorami_connections_closed", "Ended Engine.IO connections", ["reason"], registry=registry)
        self.handed_over = Counter(
            "dorami_connections_handed_over",
            "TCP connections passed to the worker that has their session",
            registry=registry,
        )
        self.worker_ends = Counter(
            "dorami_worker_ends",
            "Ended workers of `dorami serve --workers`: crash, hang, memory or reload",
            ["reason"],
            registry=registry,
        )
        self.events = HistogramFamily(
            "dorami_event_seconds",
            "Events from clients: outcome is ok or an error code",
            ["namespace", "event", "outcome"],
            SECONDS,
            registry,
        )
        self.published = CounterFamily("dorami_broadcasts_published", "Broadcasts by event", ["event"], registry)
        self.delivered = CounterFamily(
            "dorami_deliveries", "Packets handed to sockets by broadcasts", [], registry
        ).labels()
        self.left_out = Counter(
            "dorami_messages_left_out", "Messages that the sample of a room on this node left out", registry=registry
        )
        self.degraded = Gauge("dorami_fanout_degraded", "1 while broadcasts reach only this node", registry=registry)
        self.notices_ignored = Counter(
            "dorami_notices_ignored",
            "Notices between nodes that were not handled: unknown, malformed, or overflow",
            ["reason"],
            registry=registry,
        )
        self.gaps = Counter(
            "dorami_room_gaps", "Times that missing events of a room were read from its log", registry=registry
        )
        self.caught_up = Counter(
            "dorami_room_events_caught_up", "Events delivered from a room's log", registry=registry
        )
        self.events_lost = Counter(
            "dorami_room_events_lost", "Missing events that the log no longer has", registry=registry
        )
        self.recoveries = Counter(
            "dorami_recoveries", "Recoveries that clients requested, by outcome", ["outcome"], registry=registry
        )
        self.presence_degraded = Gauge(
            "dorami_presence_degraded", "1 while this node counts only the people on itself", registry=registry
        )
        self.presence_buried = Counter(
            "dorami_presence_names_buried", "Names of dead nodes whose members this node removed", registry=registry
        )
        self.presence_renamed = Counter(
            "dorami_presence_names_taken", "Times that this node announced its members again", registry=registry
        )
        self.http = Histogram(
            "dorami_http_seconds",
            "HTTP requests by route",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=registry,
        )
        self.redis = Histogram(
            "dorami_redis_seconds", "Redis calls", ["call", "outcome"], buckets=SECONDS, registry=registry
        )
        self.descriptors_low = Gauge(
            "dorami_descriptors_low", "1 while less than a tenth of the file descriptors is free", registry=registry
        )
        self.database_writable = Gauge(
            "dorami_database_writable",
            "1 while PostgreSQL accepts writes, by the last probe or call",
            registry=registry,
        )
        self.database_writable.set(1)
        self.database = Histogram(
            "dorami_database_seconds", "Database calls", ["call", "outcome"], buckets=SECONDS, registry=registry
        )
        self.eviction_policy = Gauge(
            "dorami_redis_eviction_policy", "1 for the maxmemory-policy of Redis", ["policy"], registry=registry
        )
        self.redis_pools = PoolFamily("dorami_redis_pool", registry)
        self.outbox_age = Gauge(
            "dorami_outbox_age_seconds",
            "Age of the oldest facts that are not in the analytics database",
            registry=registry,
        )
        self.outbox_relayed = Counter(
            "dorami_outbox_relayed_total", "Rows of facts that were moved to the analytics database", registry=registry
        )
        self.outbox_dropped = Counter(
            "dorami_outbox_dropped_total",
            "Rows of facts that were dropped because the analytics database refused them",
            registry=registry,
        )
        self.database_probes = Counter(
            "dorami_database_probes_total",
            "Probes of a database: every DATABASE_CHECK_INTERVAL while idle, and during an outage",
            ["database"],
            registry=registry,
        )
        self.database_pools = PoolFamily("dorami_database_pool", registry)
        self.orders = Counter(
            "dorami_orders",
            "Orders: placed, repeated, paid, cancelled, or the error code",
            ["outcome"],
            registry=registry,
        )
        self.notifications = Counter(
            "dorami_notifications",
            "Notifications: delivered to a socket, or undelivered because the socket was dead",
            ["what"],
            registry=registry,
        )
        self.cache = Counter(
            "dorami_cache_reads",
            "Cached reads: hit, or loaded on a miss, as a refresh, or to bypass the cache",
            ["cache", "outcome"],
            registry=registry,
        )
        self.sanctions = Counter("dorami_sanctions", "Mutes and bans, imposed or lifted", ["kind"], registry=registry)
        self.jobs = Histogram(
            "dorami_job_seconds",
            "Runs of jobs: done, failed, returned by a job worker that stopped, or withdrawn",
            ["kind", "outcome"],
            buckets=(1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
            registry=registry,
        )
        self.jobs_lost = Counter("dorami_jobs_lost", "Runs of jobs whose job worker died", registry=registry)
        self.messages_erased = Counter(
            "dorami_messages_erased", "Messages whose text was removed, by cause", ["how"], registry=registry
        )
        self.reports = Counter(
            "dorami_reports",
            "Reports of messages: made, repeated; reported messages: hidden, kept, deleted",
            ["outcome"],
            registry=registry,
        )
        self.messages_restored = Counter(
            "dorami_messages_restored", "Messages restored by undoing a clear or by a review", registry=registry
        )
        self.retention_deleted = Counter(
            "dorami_retention_deleted",
            "Rows deleted at the end of their retention, by kind",
            ["kind"],
            registry=registry,
        )
        self.table_rows = Gauge(
            "dorami_table_rows", "Rows of a table, estimated by PostgreSQL", ["table"], registry=registry
        )
        self.table_bytes = Gauge(
            "dorami_table_bytes", "Bytes of a table on the disk, with its indexes", ["table"], registry=registry
        )
        self.words = Counter(
            "dorami_words_found", "Messages with a listed word, by action", ["action"], registry=registry
        )
        self.clock_offset = Gauge(
            "dorami_clock_offset_seconds",
            "Offset of this machine's clock from a server's; positive: ahead",
            ["server"],
            registry=registry,
        )
        self.limited = Counter("dorami_rate_limited", "Requests over a limit", ["scope"], registry=registry)
        self.limits_degraded = Counter(
            "dorami_rate_limit_fallbacks", "Limit checks made by this node without Redis", registry=registry
        )

    def render(self) -> bytes:
        """Return the metrics in the Prometheus text format."""
        return generate_latest(self.registry)
