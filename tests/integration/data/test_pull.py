"""`dorami db pull`: models of a live schema make that schema again, apart from what the command says they cannot."""

import asyncio
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from tortoise.context import TortoiseContext

import models
from gateway.data.schema import catalog
from gateway.data.schema.catalog import Catalog
from gateway.data.schema.models_from_schema import pull
from gateway.data.schema.scratch import scratch
from gateway.data.target import Target
from tests.integration.data.terminal import at_terminal, dorami, right, wrong

Environment = Callable[..., dict[str, str]]
KEY = re.compile(
    r'"(?P<column>\w+)" (?P<type>[^,\n]*?) (?P<reference>REFERENCES "\w+" \("\w+"\) ON DELETE [A-Z ]+[A-Z])'
)


async def create(module: str) -> str:
    """Return the statements that make the tables of a module of models, foreign keys last."""
    async with TortoiseContext() as context:
        await context.init(
            {
                "connections": {"none": "postgresql://nobody@127.0.0.1:1/none"},
                "apps": {"models": {"models": [module], "default_connection": "none"}},
            }
        )
        client = context.db()
        generator = client.schema_generator(client)
        tables, keys = [], []
        assert context.apps is not None
        for model in context.apps["models"].values():
            table = model._meta.db_table
            made = generator._get_table_sql(model, safe=False)["table_creation_string"]
            keys += [
                f'ALTER TABLE "{table}" ADD FOREIGN KEY ("{key["column"]}") {key["reference"]};'
                for key in KEY.finditer(made)
            ]
            tables.append(KEY.sub(r'"\g<column>" \g<type>', made))
    return "\n".join([*tables, *keys])


def without_names(parts: Catalog) -> Counter[tuple[str, ...]]:
    """Return the schema, with constraints and indexes by their definitions, since their names are Tortoise's."""
    found: Counter[tuple[str, ...]] = Counter()
    for key, part in parts.items():
        if key.kind in ("constraint", "index"):
            found[key.kind, part.owner or "", re.sub(r"^(CREATE (?:UNIQUE )?INDEX) \S+", r"\1", part.text)] += 1
        else:
            found[key.kind, key.name, re.sub(r" WITH \(.*?\)", "", part.text)] += 1
    return found


async def test_pulled_models_make_the_same_schema(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with target.connect() as live:
        await live.execute(
            'CREATE TABLE "주문 메모" (id int PRIMARY KEY, "내용" text, class text, price int DEFAULT 3)'
        )
        pulled = await pull(live, "models")
        have = await catalog.read(live)
    (tmp_path / "pulled_models.py").write_text(pulled.text)
    monkeypatch.syspath_prepend(str(tmp_path))
    statements = await create("pulled_models")
    async with scratch(target.url) as connection:
        await connection.execute(statements)
        made = await catalog.read(connection)

    tables = {key.name for key in have if key.kind == "table"}
    without_model = {thing.split()[1].rstrip(":") for thing in pulled.omitted if thing.startswith("table ")}
    assert without_model == {"chat_turns", "stream_viewers"}
    assert {key.name for key in made if key.kind == "table"} == tables - without_model

    omitted = {thing.partition(":")[0] for thing in pulled.omitted}
    sayable = {
        key: part
        for key, part in have.items()
        if not without_model & {part.owner, key.name} and " ".join(key) not in omitted
    }
    more, less = without_names(made) - without_names(sayable), without_names(sayable) - without_names(made)
    assert (list(more), list(less)) == ([], [])


async def test_it_prints_or_writes_and_says_what_is_missing(environment: Environment, tmp_path: Path) -> None:
    printed = await dorami("pull", "-d", "main", "--print", environment=environment())
    assert printed.code == 0
    assert "class Users(Model):" in printed.out
    assert "models cannot express: function search_form(text)" in printed.err
    file = tmp_path / "models.py"
    published = await dorami("pull", "-d", "main", "--out", str(file), "--json", environment=environment())
    assert json.loads(published.out)["models"] >= 20
    assert file.read_text() == printed.out
    neither = await dorami("pull", "-d", "main", environment=environment())
    assert neither.code == 2


async def test_it_overwrites_nothing_without_consent(environment: Environment, tmp_path: Path) -> None:
    file = tmp_path / "models.py"
    file.write_text("mine = 1\n")
    command = ("pull", "-d", "main", "--out", str(file))
    alone = await dorami(*command, environment=environment())
    assert alone.code == 3
    assert (await at_terminal(*command, environment=environment(), replies=[right, wrong])).code == 3
    assert file.read_text() == "mine = 1\n"
    (consent,) = re.findall(r"--consent (\S+)", alone.err)
    stale = await dorami(*command, "--consent", consent, environment=environment(APP_ENV="development"))
    assert stale.code == 0
    assert "class Users" in file.read_text()


async def test_models_that_are_not_committed_are_kept(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over models/ it needs a clean git tree besides."""
    from gateway.data.commands import pull
    from gateway.data.report import Report
    from gateway.data.stops import Stop

    monkeypatch.setattr(models, "__path__", [str(tmp_path)])
    await asyncio.to_thread(subprocess.run, ["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "mine.py").write_text("mine = 1\n")
    with pytest.raises(Stop, match="not committed"):
        await pull.run(Report("pull", "main"), target, tmp_path / "user.py", consent=None)
    assert not (tmp_path / "user.py").exists()


async def test_the_schema_is_generated_as_sql_and_as_a_diagram(
    environment: Environment, database_url: str, tmp_path: Path
) -> None:
    said = await dorami("generate", "--out", str(tmp_path / "schema"), environment=environment())
    assert said.code == 0, said.err
    sql, diagram = ((tmp_path / "schema" / f"main.{kind}").read_text() for kind in ("sql", "md"))
    assert 'users ||--o{ orders : "user_id"' in diagram
    assert "aerich" not in sql + diagram
    async with scratch(database_url) as made:
        await made.execute(sql)
        again = await catalog.read(made)
    live = await asyncpg.connect(database_url)
    assert await catalog.differences(await catalog.read(live), again, live) == []
    await live.close()
