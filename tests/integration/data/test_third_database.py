"""docs/databases.md, "Add a database": its steps are followed in a copy of the project."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg

from tests.integration.data.terminal import Said

PROJECT = Path(__file__).parents[3]
MODEL = '''"""What was paid."""

from tortoise import fields
from tortoise.models import Model


class Entry(Model):
    """One payment."""

    id = fields.BigIntField(primary_key=True)
    note = fields.CharField(max_length=100)

    class Meta:
        """Written once."""

        table = "entries"
'''


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{old} is not in {file.name} any more: docs/databases.md may be wrong, too"
    file.write_text(text.replace(old, new, 1))


async def dorami(project: Path, *arguments: str, environment: dict[str, str]) -> Said:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "db", *arguments),
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


async def test_a_third_database_is_a_folder_a_label_and_a_variable(
    tmp_path: Path, empty_database_url: str, environment: Callable[..., dict[str, str]]
) -> None:
    for package in ("gateway", "migrations", "models", "namespaces"):
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        await asyncio.to_thread(shutil.copytree, PROJECT / package, tmp_path / package, ignore=ignored)
    registry = tmp_path / "gateway" / "postgres" / "databases.py"
    replace(registry, "DATABASES: Final = (", 'LEDGER: Final = DatabaseSpec("ledger", "ledger")\nDATABASES: Final = (')
    replace(registry, "(MAIN, ANALYTICS)", "(MAIN, ANALYTICS, LEDGER)")
    settings = tmp_path / "gateway" / "settings.py"
    field = "    rds_analytics_url: DatabaseUrl | None = None\n"
    replace(settings, field, f'    rds_ledger_url: DatabaseUrl | None = None\n    """What was paid."""\n{field}')
    for folder in (tmp_path / "models" / "ledger", tmp_path / "migrations" / "ledger"):
        folder.mkdir()
        (folder / "__init__.py").write_text('"""The ledger."""\n')
    (tmp_path / "models" / "ledger" / "entry.py").write_text(MODEL)

    servers = environment(RDS_LEDGER_URL=empty_database_url)
    said = await dorami(tmp_path, "migrate", "-t", "dev", "-n", "init", "-d", "ledger", environment=servers)
    assert said.code == 0, said
    [file] = (tmp_path / "migrations" / "ledger").glob("0_*.py")
    assert "CREATE TABLE" in file.read_text()
    database = await asyncpg.connect(empty_database_url)
    try:
        await database.execute("INSERT INTO entries (id, note) VALUES (1, '입금')")
    finally:
        await database.close()
    said = await dorami(tmp_path, "migrate", "-t", "status", "-d", "ledger", "--drift", environment=servers)
    assert said.code == 0, said
    said = await dorami(tmp_path, "list", environment=servers)
    [line] = [line.split() for line in said.out.splitlines() if line.startswith("ledger")]
    assert line[-3:] == ["1", "none", "none"], "one is applied, none is missing, nothing has drifted"
