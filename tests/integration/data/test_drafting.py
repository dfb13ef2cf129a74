"""From models to the database: drafts, pushes, deployments, notes; in a copy of the models and migrations."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

import gateway
import migrations
import models
from gateway.postgres.databases import MAIN
from gateway.postgres.migration_files import read
from tests.integration.data.terminal import Said, at_terminal, dorami, fetchval, interrupt, run

Environment = Callable[..., dict[str, str]]

NUMBER = len(read(MAIN.migrations))
LATEST = "SELECT count(*) FROM aerich"


class Project:
    """A copy of models and migrations, which commands find before ours."""

    def __init__(self, folder: Path, environment: Environment) -> None:
        self.folder = folder
        self._environment = environment
        for package in (models, migrations):
            source = Path(package.__path__[0])
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def migrations(self) -> list[str]:
        """The names of main's."""
        return [migration.name for migration in read(self.folder / "migrations" / MAIN.label)]

    @property
    def files(self) -> list[Path]:
        """The files of main's migrations."""
        return [self.folder / "migrations" / MAIN.label / f"{name}.py" for name in self.migrations]

    @property
    def newest(self) -> Path:
        """The file of the newest of main's migrations."""
        return self.files[-1]

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a model."""
        path = self.folder / "models" / "main" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    async def run(self, *arguments: str, **overrides: str) -> Said:
        """Run a command on it."""
        return await dorami(*arguments, environment=self._environment(**overrides), folder=self.folder)


@pytest.fixture
def project(tmp_path: Path, environment: Environment) -> Project:
    return Project(tmp_path, environment)


NOTE = ("    lost = fields", "    note = fields.TextField(null=True)\n    lost = fields")
DEV = ("migrate", "-t", "dev", "-d", "main", "-n", "notes")


async def test_a_draft_becomes_a_file_and_is_applied(project: Project, database_url: str) -> None:
    nothing = await project.run(*DEV)
    assert nothing == (0, "the models have not changed\n", "")
    project.edit("job.py", *NOTE)
    difference = await project.run("validate")
    assert difference.code == 1
    assert 'ALTER TABLE "jobs" ADD "note" TEXT' in difference.out
    preview = await project.run("migrate", "-t", "diff")
    assert preview.out == 'ALTER TABLE "jobs" ADD "note" TEXT;\n'

    only = await project.run(*DEV, "--create-only")
    assert only.code == 0, only.err
    assert project.newest.name.endswith("_notes.py")
    assert len(project.migrations) == NUMBER + 1
    assert await fetchval(database_url, LATEST) == NUMBER
    pending = await project.run("status", "--json")
    assert (pending.code, json.loads(pending.out)["pending"]) == (1, [project.newest.stem])

    dry = await project.run("migrate", "--dry-run")
    assert dry.out == f"pending {project.newest.stem}\n"
    assert "makes column jobs.note" in dry.err
    assert "keeps others from reading and writing jobs" in dry.err
    applied = await project.run("migrate")
    assert applied.out == f"applied {project.newest.stem}\nup to date\n"
    assert (await project.run("status", "--drift")).code == 0
    assert (await project.run("validate")).code == 0
    undone = await project.run("rollback", "-d", "main", "-t", "1", "--preview")
    assert "drops column jobs.note: 0 values" in undone.out


async def test_what_may_be_a_new_name_is_asked_for(project: Project, database_url: str) -> None:
    """aerich takes a column that goes and one that comes for the same; only the author knows."""
    project.edit("job.py", "detail = fields", "explanation = fields")
    asked = await project.run(*DEV)
    assert asked.code == 2
    assert "--rename detail:explanation or --no-rename" in asked.err
    assert len(project.migrations) == NUMBER
    other = await project.run("migrate", "-t", "diff", "--no-rename")
    assert 'DROP COLUMN "detail"' in other.out
    same = await project.run(*DEV, "--rename", "detail:explanation")
    assert same.code == 0, same.err
    assert 'RENAME COLUMN "detail" TO "explanation"' in same.out
    assert await fetchval(database_url, LATEST) == NUMBER + 1


async def test_a_draft_that_does_not_undo_itself_is_not_applied(project: Project, database_url: str) -> None:
    project.edit("revocation.py", "class Revocation(Model)", "class Revocation")
    said = await project.run(*DEV)
    assert said.code == 1
    assert "its downgrade leaves: missing  table revocations" in said.err
    assert len(project.migrations) == NUMBER + 1
    assert await fetchval(database_url, "SELECT to_regclass('revocations') IS NOT NULL")


async def test_a_database_that_has_drifted_gets_no_draft_and_keeps_its_rows(
    project: Project, database_url: str
) -> None:
    await run(database_url, "CREATE TABLE mine AS SELECT 1 AS id; ALTER TABLE users ALTER username DROP NOT NULL")
    project.edit("job.py", *NOTE)
    said = await project.run(*DEV)
    assert said.code == 1
    assert said.out.splitlines() == ["differs  column users.username", "unknown  table mine"]
    assert len(project.migrations) == NUMBER
    assert await fetchval(database_url, "SELECT count(*) FROM mine") == 1
    named = await project.run(*DEV[:-1], "Not A Name")
    assert named.code == 2


async def test_a_push_is_undone_before_it_becomes_a_migration(project: Project, database_url: str) -> None:
    project.edit("job.py", *NOTE)
    alone = await project.run("push", "-d", "main", "--no-backup")
    assert alone.code == 3
    consent = alone.err.split("--consent ")[1].strip()
    pushed = await project.run("push", "-d", "main", "--no-backup", "--consent", consent)
    assert pushed.code == 0, pushed.err
    assert await fetchval(database_url, "SELECT count(note) FROM jobs") == 0
    assert (await project.run("push", "-d", "main")).out == "the models have not changed\n"

    project.edit("job.py", "note = fields.TextField(null=True)", "memo = fields.TextField(null=True)")
    await run(
        database_url,
        "INSERT INTO users SELECT gen_random_uuid(), 'a@b.kr', 'Mina', 'h', 'USER', 'ACTIVE', NULL, now(), now()",
    )
    await run(
        database_url,
        "INSERT INTO jobs (id, kind, status, progress, detail, request, created_at, user_id, due_at, note)"
        " SELECT gen_random_uuid(), 'k', 'QUEUED', 0, '', '{}', now(), id, now(), 'n' FROM users",
    )
    losing = await project.run("push", "-d", "main", "--no-backup", "--no-rename")
    assert losing.code == 1
    assert "drops column jobs.note: 1 value" in losing.err
    undone = await project.run(*DEV)
    assert undone.code == 1
    assert "drops column jobs.note: 1 value" in undone.err
    accepted = await project.run(*DEV, "--accept-data-loss")
    assert accepted.code == 0, accepted.err
    assert await fetchval(database_url, "SELECT count(memo) FROM jobs") == 0
    assert (await project.run("status", "--drift")).out == "up to date, no drift\n"


async def test_a_database_that_is_ahead_or_edited_is_not_deployed_to(project: Project, database_url: str) -> None:
    newest = project.newest
    text = newest.read_text()
    newest.write_text(f"{text}\n# changed\n")
    edited = await asyncio.gather(project.run("migrate"), project.run("status"))
    newest.unlink()
    ahead = await asyncio.gather(project.run("migrate"), project.run("status"))
    for said in (*edited, *ahead):
        assert said.code == 1
        assert newest.stem in said.out + said.err
    assert await fetchval(database_url, LATEST) == NUMBER


async def test_notes_are_put_right_if_the_database_is_as_they_say(project: Project, database_url: str) -> None:
    """A database that was made in another way gets its baseline; one that is not as it is said to be does not."""
    newest = project.newest.stem
    await run(database_url, "DELETE FROM aerich; DROP TABLE dorami_migrations")
    wrongly = await project.run("migrate", "-t", "resolve", "-d", "main", "--applied", project.migrations[5])
    assert wrongly.code == 1
    assert "unknown  table" in wrongly.out
    said = await project.run("migrate", "-t", "resolve", "-d", "main", "--applied", newest)
    assert said.code == 0, said.err
    assert (await project.run("status", "--drift")).code == 0
    # One that only replaces functions cannot be told from its absence: the migrations before it apply the same files.
    table = next(file.stem for file in reversed(project.files) if "TABLE" in file.read_text())
    back = await project.run("migrate", "-t", "resolve", "-d", "main", "--rolled-back", table)
    assert back.code == 1
    again = await project.run("migrate", "-t", "resolve", "-d", "main", "--applied", newest)
    assert again.code == 1
    assert await fetchval(database_url, LATEST) == NUMBER
    neither = await project.run("migrate", "-t", "resolve", "-d", "main")
    assert neither.code == 2


async def test_a_deployment_that_gets_no_lock_gives_up(project: Project, database_url: str) -> None:
    project.edit("job.py", *NOTE)
    assert (await project.run(*DEV, "--create-only")).code == 0
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("LOCK TABLE jobs IN ACCESS SHARE MODE")
        said = await project.run("migrate", "--lock-wait", "100ms")
    await other.close()
    assert said.code == 4
    assert await fetchval(database_url, LATEST) == NUMBER


async def test_a_deployment_to_production_can_be_stopped_in_its_countdown(
    project: Project, environment: Environment, database_url: str
) -> None:
    project.edit("job.py", *NOTE)
    assert (await project.run(*DEV, "--create-only")).code == 0
    production = environment(APP_ENV="production", JWT_SECRET="a-secret-of-production-that-is-long-enough")
    said = await at_terminal("migrate", environment=production, replies=[interrupt], folder=project.folder)
    assert said.code == 130
    assert "makes column jobs.note" in said.err
    assert await fetchval(database_url, LATEST) == NUMBER
    without = await dorami("migrate", environment=production, folder=project.folder)
    assert without.code == 0, without.err
    assert await fetchval(database_url, LATEST) == NUMBER + 1


async def test_models_and_migrations_are_formatted(project: Project) -> None:
    shutil.copy(Path(gateway.__file__).parents[1] / "pyproject.toml", project.folder)  # which says how
    project.edit("job.py", "detail = fields", "detail   =   fields")
    said = await project.run("format", RDS_MAIN_URL="")
    assert said.code == 0, said.err
    assert said.out.startswith("1 file reformatted")


async def test_the_newest_migration_is_looked_at_for_locks(project: Project) -> None:
    text, upgrade = project.newest.read_text(), "async def upgrade(db: BaseDBAsyncClient) -> str:\n"
    assert upgrade in text
    project.newest.write_text(text.replace(upgrade, f"{upgrade}    return 'CREATE INDEX slow ON users (status)'\n"))
    said = await project.run("validate", "--lint", RDS_MAIN_URL="")
    assert said.code == 1
    assert "require-concurrent-index-creation" in said.out
