"""The effects of SQL on a database: tried on a scratch database, with losses counted in the live one. Called by deploy,
rollback and push before they change anything."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from gateway.data.schema import catalog, levels
from gateway.data.schema.catalog import Catalog, Key
from gateway.data.schema.levels import Step
from gateway.data.statement import without_texts
from gateway.data.target import Target

COUNT = 5.0  # s for counting one table exactly
FILES = "SELECT c.oid, c.oid::regclass::text AS name, c.relfilenode FROM pg_class c WHERE c.relkind IN ('r', 'm', 'p') AND c.relnamespace = 'public'::regnamespace"  # fmt: skip  # noqa: E501
LOCKS = """
    SELECT relation, mode FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# The lock modes that block others, the strongest first, and what they block.
KEPT_FROM = {
    "AccessExclusiveLock": "reading and writing",
    "ExclusiveLock": "writing",
    "ShareRowExclusiveLock": "writing",
    "ShareLock": "writing",
}
ROWS = re.compile(
    r"(?:^|;)\s*(UPDATE|DELETE FROM|INSERT INTO|TRUNCATE(?: TABLE)?)\s+(?:ONLY\s+)?(\"?\w+\"?)", re.IGNORECASE
)


@dataclass(frozen=True)
class Loss:
    """Rows of a table, or values of a column, that would be lost; not `exact` if counting took too long."""

    kind: str
    name: str
    count: int
    exact: bool = True

    def __str__(self) -> str:
        unit = "row" if self.kind == "table" else "value"
        return f"drops {self.kind} {self.name}: {'' if self.exact else 'about '}{amount(self.count, unit)}"


@dataclass(frozen=True)
class Effects:
    """The effects of steps of SQL."""

    losses: Sequence[Loss] = ()
    made: Sequence[Key] = ()
    changed: Sequence[Key] = ()
    dropped: Sequence[Key] = ()  # their rows and values are in `losses`
    locks: Mapping[str, str] = field(default_factory=dict)  # by table, what it blocks, as in KEPT_FROM
    rewrites: Sequence[str] = ()
    rows: Sequence[str] = ()  # statements that change rows
    unlocked: Sequence[str] = ()  # steps outside of a transaction

    @property
    def lost_rows(self) -> int:
        """The number of rows of tables that would be lost."""
        return sum(loss.count for loss in self.losses if loss.kind == "table")

    @property
    def losing(self) -> bool:
        """Whether any row or value would be lost."""
        return any(loss.count for loss in self.losses)

    @property
    def loss_phrase(self) -> str:
        """The part of a sentence that names the losses; empty without any."""
        tables = [loss for loss in self.losses if loss.kind == "table"]
        values = sum(loss.count for loss in self.losses if loss.kind == "column")
        parts = []
        if tables:
            parts.append(f"{amount(self.lost_rows, 'row')} in {amount(len(tables), 'table')}")
        if values:
            parts.append(f"{amount(values, 'value')} of columns")
        return f" and deletes {' and '.join(parts)}" if parts else ""

    def lines(self) -> Iterator[str]:
        """Yield a line for each effect."""
        lost = {(loss.kind, loss.name) for loss in self.losses}
        yield from (str(loss) for loss in self.losses)
        yield from (f"drops {key.kind} {key.name}" for key in self.dropped if (key.kind, key.name) not in lost)
        yield from (f"makes {key.kind} {key.name}" for key in self.made)
        yield from (f"changes {key.kind} {key.name}" for key in self.changed)
        yield from (f"changes rows: {statement}" for statement in self.rows)
        yield from (f"rewrites table {name}" for name in self.rewrites)
        yield from (f"keeps others from {what} {name}" for name, what in self.locks.items())
        yield from (f"runs outside of a transaction: {name}" for name in self.unlocked)

    def describe(self) -> dict[str, Any]:
        """Return the effects for JSON."""
        return {
            "losses": [vars(loss) for loss in self.losses],
            "makes": [" ".join(key) for key in self.made],
            "changes": [" ".join(key) for key in self.changed],
            "drops": [" ".join(key) for key in self.dropped],
            "changesRows": list(self.rows),
            "rewrites": list(self.rewrites),
            "locks": dict(self.locks),
            "outsideOfTransactions": list(self.unlocked),
        }


async def effects(
    target: Target, live: Any, applied: Sequence[str], chosen: Sequence[Step], *, beside: str | None = None
) -> Effects:
    """Return the effects of `chosen` on a database, `live`, with these migrations and its pushed drafts."""
    before = [levels.Step(push.name, push.up) for push in await levels.pushed(live, target.spec.label)]
    locks: dict[str, str] = {}
    rewrites: set[str] = set()
    async with levels.scratch_at(target, applied, beside=beside) as scratch:
        await levels.take(scratch, before)
        start = await catalog.read(scratch)
        for one in chosen:
            if not one.in_transaction:
                await levels.take(scratch, [one])
                continue
            files = {row["oid"]: (row["name"], row["relfilenode"]) for row in await scratch.fetch(FILES)}
            async with scratch.transaction():
                await scratch.execute(one.sql)
                for row in await scratch.fetch(LOCKS):
                    if row["relation"] in files and row["mode"] in KEPT_FROM:
                        name = files[row["relation"]][0]
                        locks[name] = max(locks.get(name, ""), row["mode"], key=_strength)
                after = {row["oid"]: row["relfilenode"] for row in await scratch.fetch(FILES)}
                rewrites |= {name for oid, (name, file) in files.items() if after.get(oid, file) != file}
        end = await catalog.read(scratch)
    found = list(catalog.compare(start, end))
    dropped = [item.key for item in found if item.verdict == "missing"]
    return Effects(
        losses=await losses(live, dropped, start),
        made=[item.key for item in found if item.verdict == "unknown"],
        changed=[item.key for item in found if item.verdict == "differs"],
        dropped=dropped,
        locks={name: KEPT_FROM[mode] for name, mode in sorted(locks.items()) if Key("table", name) not in dropped},
        rewrites=sorted(rewrites),
        rows=[statement for one in chosen for statement in changing_rows(one.sql)],
        unlocked=[one.name for one in chosen if not one.in_transaction],
    )


async def losses(live: Any, dropped: Iterable[Key], start: Catalog) -> list[Loss]:
    """Return the rows and values of the live database that would be lost."""
    found = []
    for key in dropped:
        if key.kind == "table":
            loss = await count(live, key.name)
        elif key.kind == "column":
            owner = start[key].owner or ""
            loss = await count(live, owner, key.name.removeprefix(f"{owner}."))
        else:
            continue
        found += [loss] if loss is not None else []
    return found


async def count(live: Any, table: str, column: str | None = None) -> Loss | None:
    """Return the number of rows of a table, or of values of a column; None if the live database lacks it."""
    what, name = ("column", f"{table}.{column}") if column else ("table", table)
    try:
        async with live.transaction():
            await live.execute(f"SET LOCAL statement_timeout = {round(COUNT * 1000)}")
            number = await live.fetchval(f"SELECT count({column or '*'}) FROM {table}")  # noqa: S608  names of the catalog
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return None
    except asyncpg.QueryCanceledError:
        estimate = await live.fetchval(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = $1::text::regclass", table
        )
        return Loss(what, name, int(estimate), exact=False)
    return Loss(what, name, int(number))


def changing_rows(sql: str) -> list[str]:
    """Return the statements of a migration that change rows, except those inside functions."""
    return [f"{' '.join(found[0].split()).upper()} {found[1]}" for found in ROWS.findall(without_texts(sql))]


def amount(number: int, unit: str) -> str:
    """Return a number with its unit: `1 row`, `12,431 rows`."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _strength(mode: str) -> int:
    order = list(KEPT_FROM)
    return len(order) - order.index(mode) if mode in order else 0
