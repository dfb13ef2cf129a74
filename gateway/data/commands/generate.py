"""`dorami db generate`: writes the schema that the migrations create, as SQL and as a diagram."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.data.programs import schema
from gateway.data.report import Report
from gateway.data.schema import levels
from gateway.data.schema.scratch import on
from gateway.data.stops import Code, Stop
from gateway.data.studio.tables import MIGRATIONS, Table, tables
from gateway.data.target import Target
from gateway.postgres.migration_files import read


async def generate(report: Report, target: Target, out: Path, *, beside: str | None) -> None:
    """Write the schema of a database into a folder, created on a scratch database by all migrations."""
    applied = [migration.name for migration in read(target.spec.migrations)]
    async with levels.scratch_at(target, applied, beside=beside) as scratch:
        found = {name: table for name, table in (await tables(scratch)).items() if name not in MIGRATIONS}
        name, server = await scratch.fetchrow(
            "SELECT current_database()::text, current_setting('server_version_num')::int / 10000"
        )
        sql = await asyncio.to_thread(schema, on(beside or target.url, name), server)
    files = {f"{target.name}.sql": sql, f"{target.name}.md": "\n".join(_document(target.name, found)) + "\n"}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (out / file).write_text(text, encoding="utf-8")
            report.line(f"wrote {out / file}")
    except OSError as error:
        raise Stop(f"{out}: {error.strerror}", code=Code.USAGE) from None
    report.facts["files"] = [str(out / file) for file in files]


def _document(name: str, found: Mapping[str, Table]) -> Iterator[str]:
    yield f"# The tables of {name}\n"
    yield f"Written by `dorami db generate -d {name}`.\n"
    yield "```mermaid\nerDiagram"
    for table in found.values():
        for referrer, by, _ in table.referrers:
            yield f'    {_word(table.name)} ||--o{{ {_word(referrer)} : "{by}"'
    for table in found.values():
        yield f"    {_word(table.name)} {{"
        for column in table.columns:
            keys = ", ".join(mark for mark, set_ in (("PK", column.key), ("FK", column.target is not None)) if set_)
            yield f"        {_word(column.type)} {_word(column.name)}{' ' + keys if keys else ''}"
        yield "    }"
    yield "```\n"
    for table in found.values():
        yield f"- `{table.name}`{': ' + table.comment if table.comment else ''}"


def _word(text: str) -> str:
    """Return a name in the form that Mermaid accepts."""
    return re.sub(r"\W+", "_", text.replace("[]", "_list")).strip("_")
