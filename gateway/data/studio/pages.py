"""The pages of the data browser as HTML, without scripts or external resources. Called by server.py."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from urllib.parse import quote, urlencode

from gateway.data.studio.edits import editable, state_of
from gateway.data.studio.tables import (
    COMPARISONS,
    COUNTED,
    FIRST,
    PAGE,
    Answer,
    Column,
    Filter,
    Question,
    Table,
)

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d7dce2, #373e47); --soft: light-dark(#f4f6f8, #22272e);
  --accent: light-dark(#1257b0, #7ab4ff); --faint: light-dark(#68727d, #93a1b0); }
* { box-sizing: border-box; }
body { margin: 0; display: grid; grid-template-columns: 15rem minmax(0, 1fr); min-height: 100vh;
  font: 14px/1.5 system-ui, "Apple SD Gothic Neo", "Noto Sans KR", "Malgun Gothic", sans-serif; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
nav { background: var(--soft); border-right: 1px solid var(--line); padding: 1rem; overflow-y: auto; height: 100vh;
  position: sticky; top: 0; }
nav h1 { font-size: 1rem; margin: 0 0 .75rem; } nav h2 { font-size: .75rem; margin: 1rem 0 .25rem; color: var(--faint);
  text-transform: uppercase; letter-spacing: .06em; }
nav a { display: flex; justify-content: space-between; gap: .5rem; padding: .1rem .4rem; border-radius: 4px; }
nav a[aria-current] { background: var(--accent); color: Canvas; } nav small { color: inherit; opacity: .7; }
main { padding: 1.25rem 1.5rem 3rem; }
h2 { margin: 0; font-size: 1.3rem; } p { margin: .25rem 0 1rem; color: var(--faint); }
form { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .75rem; align-items: center; }
input, select, button, textarea { font: inherit; padding: .25rem .5rem; border: 1px solid var(--line);
  border-radius: 5px; }
.chip { background: var(--soft); border: 1px solid var(--line); border-radius: 99px; padding: .1rem .6rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .35rem .7rem; vertical-align: top;
  border-bottom: 1px solid var(--line); } thead th { background: var(--soft); white-space: nowrap; }
td { max-width: 26rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
tr:last-child > * { border-bottom: 0; } th small { display: block; font-weight: 400; color: var(--faint); }
.row td { white-space: pre-wrap; overflow-wrap: anywhere; max-width: none; } .row th { width: 14rem; }
.null { color: var(--faint); font-style: italic; } .pages { display: flex; gap: 1rem; margin-top: .75rem; }
code { font-size: .85em; color: var(--faint); overflow-wrap: anywhere; }
"""

Databases = Mapping[str, Mapping[str, Table] | str]  # tables by name, or the problem of the database


def home(databases: Databases, nonce: str) -> str:
    """Return the page with all tables of all databases."""
    parts = []
    for name, tables in databases.items():
        parts.append(f"<h2>{escape(name)}</h2>")
        if isinstance(tables, str):
            parts.append(f"<p>{escape(tables)}</p>")
            continue
        lines = [
            f"<tr><td><a href='{_table_url(name, table.name)}'>{escape(table.name)}</a></td>"
            f"<td>{table.rows:,}</td><td>{_bytes(table.bytes)}</td><td>{escape(table.comment or '')}</td></tr>"
            for table in tables.values()
        ]
        head = "<thead><tr><th>table</th><th>rows, about</th><th>size, about</th><th>what it is</th></tr></thead>"
        parts.append(f"<p>{len(tables)} tables</p><div class=scroll><table>{head}{''.join(lines)}</table></div><br>")
    return _page("all tables", databases, nonce, "".join(parts))


def listing(databases: Databases, nonce: str, database: str, table: Table, question: Question, answer: Answer) -> str:
    """Return a page of rows."""
    found = f"{answer.count:,}" if answer.count <= COUNTED else f"more than {COUNTED:,}"
    comment = f" · {escape(table.comment)}" if table.comment else ""
    body = f"<h2>{escape(table.name)}</h2><p>{found} {'row' if answer.count == 1 else 'rows'}{comment}</p>"
    body += _question_form(database, table, question)
    head = "".join(_head(database, table, column, question) for column in table.columns)
    lines = "".join(_line(database, table, row) for row in answer.rows)
    empty = "" if answer.rows else f"<tr><td colspan={len(table.columns) + 1} class=null>no rows</td></tr>"
    body += f"<div class=scroll><table><thead><tr><th></th>{head}</tr></thead>{lines}{empty}</table></div>"
    body += f"<div class=pages>{''.join(_page_links(database, table, question, answer))}</div>"
    body += f"<p><code>{escape(answer.statement)}</code></p>"
    return _page(table.name, databases, nonce, body, current=(database, table.name))


def detail(
    databases: Databases,
    nonce: str,
    database: str,
    table: Table,
    row: Mapping[str, str | None],
    referrers: Sequence[tuple[str, str, str, int]],
    token: str | None = None,
) -> str:
    """Return one row with all its values, and the rows that refer to it: table, column, value and number.

    `token` is for the forms that change values; without it there are none.
    """
    key = " ".join(row[column.name] or "" for column in table.key)
    lines = "".join(
        f"<tr><th>{escape(column.name)}<small>{escape(column.type)}</small></th>"
        f"<td>{_value(database, column, row[column.name], whole=True)}</td>{_form(token, table, column, row)}</tr>"
        for column in table.columns
    )
    body = f"<h2><a href='{_table_url(database, table.name)}'>{escape(table.name)}</a> {escape(key)}</h2><p></p>"
    body += f"<div class='scroll row'><table>{lines}</table></div>"
    if referrers:
        links = "".join(
            f"<tr><td><a href='{_table_url(database, name, Question((Filter(column, 'is', value),)))}'>"
            f"{escape(name)}</a></td><td>by {escape(column)}</td><td>{count:,}</td></tr>"
            for name, column, value, count in referrers
        )
        body += f"<br><h2>refer to it</h2><p></p><div class=scroll><table>{links}</table></div>"
    return _page(f"{table.name} {key}", databases, nonce, body, current=(database, table.name))


def problem(databases: Databases, nonce: str, text: str) -> str:
    """Return the page with an error."""
    return _page("that did not work", databases, nonce, f"<h2>That did not work</h2><p>{escape(text)}</p>")


def _page(title: str, databases: Databases, nonce: str, body: str, current: tuple[str, str] | None = None) -> str:
    parts = []
    for name, tables in databases.items():
        parts.append(f"<h2>{escape(name)}</h2>")
        if isinstance(tables, str):
            parts.append(f"<small>{escape(tables)}</small>")
            continue
        for table in tables.values():
            here = " aria-current=page" if current == (name, table.name) else ""
            link = f"<a href='{_table_url(name, table.name)}'{here}>"
            parts.append(f"{link}{escape(table.name)}<small>{table.rows:,}</small></a>")
    nav = f"<nav><h1><a href='/'>Dorami studio</a></h1>{''.join(parts)}</nav>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} · Dorami studio</title>"
        f"<meta name=viewport content='width=device-width'><style nonce='{nonce}'>{STYLE}</style>"
        f"{nav}<main>{body}</main>"
    )


def _form(token: str | None, table: Table, column: Column, row: Mapping[str, str | None]) -> str:
    """Return the cell with the form that changes a value; it posts to the page's own address."""
    if token is None:
        return ""
    if not editable(table, column):
        return "<td></td>"
    value = row[column.name]
    checked = " checked" if value is None else ""
    return (
        f"<td><form method=post><input type=hidden name=token value='{token}'>"
        f"<input type=hidden name=column value='{escape(column.name)}'>"
        f"<input type=hidden name=state value='{state_of(value)}'>"
        f"<textarea name=value rows=1 aria-label='{escape(column.name)}'>\n{escape(value or '')}</textarea>"
        f"<label><input type=checkbox name=null value=1{checked}> NULL</label><button>change</button></form></td>"
    )


def _question_form(database: str, table: Table, question: Question) -> str:
    columns = "".join(f"<option>{escape(column.name)}" for column in table.columns if not column.secret)
    comparisons = "".join(f"<option>{name}" for name in COMPARISONS)
    kept = "".join(
        f"<input type=hidden name={name} value='{escape(value)}'>"
        for name, value in _parameters(question, page=1)
        if name != "q"
    )
    chips = "".join(
        f"<span class=chip>{escape(' '.join(one))} "
        f"<a href='{_table_url(database, table.name, _without(question, one))}' title='take it away'>×</a></span>"
        for one in question.filters
    )
    return (
        f"<form action='{_table_url(database, table.name)}' role=search>"
        f"<input type=search name=q value='{escape(question.search)}'"
        " placeholder='search in all texts' aria-label=search>"
        f"<select name=column aria-label=column>{columns}</select>"
        f"<select name=comparison aria-label=comparison>{comparisons}</select>"
        f"<input name=value placeholder=value aria-label=value>{kept}<button>find</button>{chips}</form>"
    )


def _head(database: str, table: Table, column: Column, question: Question) -> str:
    kind = f"<small>{escape(column.type)}</small>"
    if column.secret:
        return f"<th>{escape(column.name)}{kind}</th>"
    sorted_by = question.order == column.name
    reordered = Question(question.filters, question.search, column.name, sorted_by and not question.descending)
    sign = (" ↓" if question.descending else " ↑") if sorted_by else ""
    title, link = escape(column.comment or "sort"), _table_url(database, table.name, reordered)
    return f"<th><a href='{link}' title='{title}'>{escape(column.name)}{sign}</a>{kind}</th>"


def _line(database: str, table: Table, row: Mapping[str, str | None]) -> str:
    link = ""
    if table.key:
        filters = tuple(Filter(column.name, "is", row[column.name] or "") for column in table.key)
        if all(len(one.value) < FIRST for one in filters):
            query = urlencode([("f", "\n".join(one)) for one in filters])
            link = f"<a href='{_table_url(database, table.name)}/row?{escape(query)}' title='open'>▸</a>"
    cells = "".join(f"<td>{_value(database, column, row[column.name])}</td>" for column in table.columns)
    return f"<tr><td>{link}</td>{cells}</tr>"


def _value(database: str, column: Column, value: str | None, *, whole: bool = False) -> str:
    if value is None:
        return "<span class=null>NULL</span>"
    text = escape(value) + ("…" if len(value) == FIRST and not whole else "")
    if column.target is not None and not column.secret:
        table, name = column.target
        return f"<a href='{_table_url(database, table, Question((Filter(name, 'is', value),)))}'>{text}</a>"
    return text


def _page_links(database: str, table: Table, question: Question, answer: Answer) -> Iterator[str]:
    if question.page > 1:
        yield f"<a rel=prev href='{_table_url(database, table.name, question, page=question.page - 1)}'>← before</a>"
    if answer.count > question.page * PAGE:
        yield f"<a rel=next href='{_table_url(database, table.name, question, page=question.page + 1)}'>more →</a>"


def _table_url(database: str, table: str, question: Question | None = None, page: int = 1) -> str:
    path = f"/{quote(database)}/{quote(table, safe='')}"
    query = urlencode(list(_parameters(question, page))) if question else ""
    return escape(f"{path}?{query}" if query else path)


def _parameters(question: Question, page: int) -> Iterator[tuple[str, str]]:
    yield from (("f", "\n".join(one)) for one in question.filters)
    if question.search:
        yield "q", question.search
    if question.order:
        yield "order", question.order
        yield "descending", "1" if question.descending else ""
    if page > 1:
        yield "page", str(page)


def _without(question: Question, removed: Filter) -> Question:
    filters = tuple(one for one in question.filters if one != removed)
    return Question(filters, question.search, question.order, question.descending)


def _bytes(number: int) -> str:
    return f"{number / 1024:,.0f} KiB" if number < 1024**2 else f"{number / 1024**2:,.0f} MiB"
