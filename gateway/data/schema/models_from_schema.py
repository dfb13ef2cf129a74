"""Writes models from a live schema: a class for each table, and a list of what models cannot express. Called by `pull`.

aerich's own inspection does not support arrays, loses foreign keys and fails with our client, so it is not used.
"""

import keyword
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tortoise.models import Model

TABLES = """
    SELECT c.oid, c.relname::text AS name, obj_description(c.oid, 'pg_class') AS comment, c.relkind::text AS kind,
        array_to_string(c.reloptions, ', ') AS options
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
        AND c.relname NOT IN ('aerich', 'dorami_migrations', 'dorami_pushed')
    ORDER BY c.relname
"""
COLUMNS = """
    SELECT a.attrelid AS oid, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
        NOT a.attnotnull AS null, a.attidentity::text AS identity, a.attgenerated::text AS generated,
        pg_get_expr(d.adbin, d.adrelid) AS default, col_description(a.attrelid, a.attnum) AS comment
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""
CONSTRAINTS = """
    SELECT k.conrelid AS oid, k.conname::text AS name, k.contype::text AS type, k.confrelid AS target,
        k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update, k.condeferrable AS deferrable,
        ARRAY(
            SELECT attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (number, ordinal)
            JOIN pg_attribute ON attrelid = k.conrelid AND attnum = u.number ORDER BY u.ordinal
        ) AS columns,
        ARRAY(
            SELECT attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (number, ordinal)
            JOIN pg_attribute ON attrelid = k.confrelid AND attnum = u.number ORDER BY u.ordinal
        ) AS targets
    FROM pg_constraint k WHERE k.conrelid = ANY ($1::oid[]) AND k.contype <> 'n' ORDER BY k.conrelid, k.conname
"""
INDEXES = """
    SELECT i.indrelid AS oid, i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS text,
        i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree' AND NOT i.indisunique
            AND i.indnatts = i.indnkeyatts
            AND NOT EXISTS (SELECT FROM unnest(i.indoption::int2[]) AS o WHERE o <> 0) AS plain,
        ARRAY(
            SELECT attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u (number, ordinal)
            JOIN pg_attribute ON attrelid = i.indrelid AND attnum = u.number ORDER BY u.ordinal
        ) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = ANY ($1::oid[])
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
    ORDER BY i.indrelid, i.indexrelid::regclass::text
"""
OTHERS = """
    SELECT 'function ' || p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
        AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        )
    UNION ALL SELECT 'type ' || t.oid::regtype FROM pg_type t
    WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd')
    UNION ALL SELECT 'trigger ' || tgrelid::regclass || '.' || tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
    ORDER BY 1
"""

FIELDS = {
    "uuid": "UUIDField",
    "text": "TextField",
    "boolean": "BooleanField",
    "smallint": "SmallIntField",
    "integer": "IntField",
    "bigint": "BigIntField",
    "jsonb": "JSONField",
    "timestamp with time zone": "DatetimeField",
    "time with time zone": "TimeField",
    "date": "DateField",
    "double precision": "FloatField",
    "bytea": "BinaryField",
}
ELEMENTS = {
    "text": "text",
    "uuid": "uuid",
    "integer": "int",
    "bigint": "bigint",
    "smallint": "smallint",
    "boolean": "boolean",
}
ON_DELETE = {"c": "CASCADE", "r": "RESTRICT", "n": "SET_NULL", "a": "NO_ACTION", "d": "SET_DEFAULT"}
INTEGERS = ("smallint", "integer", "bigint")


@dataclass
class Table:
    """One table with its parts."""

    name: str
    kind: str
    comment: str | None
    options: str | None
    columns: list[Any] = field(default_factory=list)
    constraints: list[Any] = field(default_factory=list)
    indexes: list[Any] = field(default_factory=list)

    @property
    def primary_key(self) -> list[str]:
        """The columns of its primary key."""
        return next((list(one["columns"]) for one in self.constraints if one["type"] == "p"), [])

    @property
    def model(self) -> str:
        """The name of its class."""
        name = "".join(word[:1].upper() + word[1:] for word in re.split(r"\W|_", self.name) if word)
        return name if name.isidentifier() and not keyword.iskeyword(name) else f"Table{name}"


@dataclass(frozen=True)
class Pulled:
    """The text of a module, its number of models, and the objects that models cannot express."""

    text: str
    models: int
    omitted: Sequence[str]


async def pull(connection: Any, label: str) -> Pulled:
    """Return models of all tables of a database, whose label in Tortoise is `label`."""
    tables = await read_tables(connection)
    others = [row[0] for row in await connection.fetch(OTHERS)]
    omitted: list[str] = []
    classes = []
    for table in tables.values():
        if table.kind in "vm":
            omitted.append(f"view {table.name}")
        elif len(table.primary_key) != 1:
            omitted.append(f"table {table.name}: a primary key of {len(table.primary_key)} columns")
        else:
            omitted += [f"options of {table.name}: {table.options}"] if table.options else []
            classes.append("\n".join(_model(table, tables, label, omitted)))
    body = "\n\n\n".join(classes)
    imports = ["from tortoise import fields"]
    imports += ["from tortoise.contrib.postgres.fields import ArrayField"] if "ArrayField(" in body else []
    imports += ["from tortoise.fields.db_defaults import SqlDefault"] if "SqlDefault(" in body else []
    imports += ["from tortoise.models import Model"]
    head = '"""The tables of a live database, as `dorami db pull` has read them."""\n\n' + "\n".join(imports)
    return Pulled(f"{head}\n\n\n{body}\n", len(classes), sorted(omitted) + others)


async def read_tables(connection: Any) -> Mapping[int, Table]:
    """Return all tables and views with their parts, by oid."""
    tables = {
        row["oid"]: Table(row["name"], row["kind"], row["comment"], row["options"])
        for row in await connection.fetch(TABLES)
    }
    for statement, part in ((COLUMNS, "columns"), (CONSTRAINTS, "constraints"), (INDEXES, "indexes")):
        for row in await connection.fetch(statement, list(tables)):
            getattr(tables[row["oid"]], part).append(row)
    return tables


def _model(table: Table, tables: Mapping[int, Table], label: str, omitted: list[str]) -> Iterator[str]:
    yield f"class {table.model}(Model):"
    if table.comment:
        yield f"    {_docstring(table.comment)}\n"
    names: dict[str, str] = {}  # of fields, by column
    keys = {one["columns"][0]: one for one in table.constraints if one["type"] == "f" and len(one["columns"]) == 1}
    for column in table.columns:
        name = column["name"]
        key = keys.get(name)
        target = tables.get(key["target"]) if key is not None else None
        if key is not None and target is not None and _expressible(key, target):
            attribute = _attribute(name.removesuffix("_id"), set(names.values()))
            names[name] = f"{attribute}_id"
            yield f"    {attribute} = {_foreign_key(table, column, key, target, label)}"
        elif (call := _column(table, column, omitted)) is not None:
            names[name] = attribute = _attribute(name, set(names.values()))
            yield f"    {attribute} = {_with_source(call, attribute, name)}"
    yield from _meta(table, names, omitted)


def _expressible(key: Any, target: Table) -> bool:
    return len(target.primary_key) == 1 and key["on_update"] == "a" and not key["deferrable"]


def _foreign_key(table: Table, column: Any, key: Any, target: Table, label: str) -> str:
    name = column["name"]
    single = [name] == table.primary_key or any(
        one["type"] == "u" and list(one["columns"]) == [name] for one in table.constraints
    )
    options = [
        f'"{label}.{target.model}"',
        f'source_field="{name}"',
        f"on_delete=fields.{ON_DELETE[key['on_delete']]}",
        f'related_name="{table.name}_{name}"',
    ]
    if list(key["targets"]) != target.primary_key:
        options.append(f'to_field="{key["targets"][0]}"')
    return _call(
        f"fields.{'OneToOneField' if single else 'ForeignKeyField'}", [*options, *_common(table, column, unique=False)]
    )


def _column(table: Table, column: Any, omitted: list[str]) -> str | None:
    name, kind, where = column["name"], column["type"], f"{table.name}.{column['name']}"
    if column["generated"]:
        omitted.append(f"column {where}: generated")
        return None
    options: list[str] = []
    if kind.endswith("[]") and kind[:-2] in ELEMENTS:
        call, options = "ArrayField", [f'element_type="{ELEMENTS[kind[:-2]]}"']
    elif match := re.fullmatch(r"character varying\((\d+)\)", kind):
        call, options = "fields.CharField", [f"max_length={match[1]}"]
    elif match := re.fullmatch(r"numeric\((\d+),(\d+)\)", kind):
        call, options = "fields.DecimalField", [f"max_digits={match[1]}", f"decimal_places={match[2]}"]
    elif kind in FIELDS:
        call = f"fields.{FIELDS[kind]}"
    else:
        omitted.append(f"column {where}: type {kind}")
        return None
    default, serial = column["default"], (column["default"] or "").startswith("nextval(")
    if [name] == table.primary_key and kind in INTEGERS and not serial:
        options.append("generated=False")
    if column["identity"] or (serial and [name] != table.primary_key):
        omitted.append(f"column {where}: numbered by the database")
    elif default is not None and not serial:
        options.append(f"db_default=SqlDefault({default!r})")
    unique = any(one["type"] == "u" and list(one["columns"]) == [name] for one in table.constraints)
    return _call(call, [*options, *_common(table, column, unique=unique)])


def _common(table: Table, column: Any, *, unique: bool) -> Iterator[str]:
    if [column["name"]] == table.primary_key:
        yield "primary_key=True"
    elif column["null"]:
        yield "null=True"
    if unique and [column["name"]] != table.primary_key:
        yield "unique=True"
    if column["comment"]:
        yield f"description={column['comment']!r}"


def _meta(table: Table, names: Mapping[str, str], omitted: list[str]) -> Iterator[str]:
    yield "\n    class Meta:"
    yield f'        table = "{table.name}"'
    parts: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for one in table.constraints:
        columns = tuple(names.get(column, "") for column in one["columns"])
        if one["type"] == "u" and len(columns) > 1 and all(columns):
            parts["unique_together"].append(columns)
        elif (
            one["type"] in "cx"
            or not all(columns)
            or (one["type"] == "f" and (len(columns) > 1 or one["on_update"] != "a" or one["deferrable"]))
        ):
            omitted.append(f"constraint {table.name}.{one['name']}")
    for index in table.indexes:
        columns = tuple(names.get(column, "") for column in index["columns"])
        if index["plain"] and all(columns):
            parts["indexes"].append(columns)
        else:
            omitted.append(f"index {index['name']}")
    for name, values in parts.items():
        yield f"        {name} = ({', '.join(_tuple(value) for value in values)},)"


def _tuple(values: tuple[str, ...]) -> str:
    return "(" + ", ".join(f'"{value}"' for value in values) + (",)" if len(values) == 1 else ")")


def _call(name: str, options: list[str]) -> str:
    return f"{name}({', '.join(options)})"


def _with_source(call: str, attribute: str, column: str) -> str:
    if attribute == column or "source_field=" in call:
        return call
    name, _, rest = call.partition("(")
    return f'{name}(source_field="{column}", {rest}'.replace(", )", ")")


def _attribute(name: str, taken: set[str]) -> str:
    """Return a name that is valid in Python and Tortoise."""
    name = re.sub(r"\W", "_", name)
    name = name if name.isidentifier() else f"field_{name}"
    while keyword.iskeyword(name) or hasattr(Model, name) or name in taken:
        name += "_"
    return name


def _docstring(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped}"""' if not escaped.endswith('"') else f'"""{escaped} """'
