"""The guides for client developers: files and tables in `docs/clients/`, and their pages below `/api/docs/guide/`.

Run as `python -m gateway.dev.client_guides` after a change of a guide, of a snippet, or of the contents of a table. The
line `<!-- include: snippets/x.mjs -->` is followed by a copy of that file, `<!-- table: x -->` by a generated table.
`tests/cluster/test_snippets.py` runs the snippets.
"""

import asyncio
import html
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from gateway.app import WEB
from gateway.dev.client_types import documents
from gateway.errors import CATALOGUE, Code
from gateway.protocol.broadcasts import BROADCASTS

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "clients"
PAGES = WEB / "docs" / "guide"
DOCUMENTS = (*sorted(GUIDES.glob("*.md")), ROOT / "README.md")  # with markers in them
LANGUAGES = {".html": "html", ".mjs": "js", ".py": "python"}

ADVICE = {
    Code.INVALID_PAYLOAD: "Correct the request; `details` names the fields",
    Code.INVALID_MESSAGE: "Ask the sender for another text",
    Code.MESSAGE_TOO_LONG: "Limit the input to `limits.messageLength` of the greeting",
    Code.AUTH_REQUIRED: "Sign in",
    Code.TOKEN_EXPIRED: "Exchange the refresh token, and repeat the request",
    Code.TOKEN_REVOKED: "Sign in again",
    Code.FORBIDDEN: "Do not offer the action: the role, the room or the account does not allow it",
    Code.CSRF_TOKEN_MISSING: "Send the cookie `csrf-token` as `X-CSRF-Token`",
    Code.CSRF_TOKEN_INVALID: "Send the token that `GET /auth/csrf` answers",
    Code.MUTED: "Wait `retryAfterMs`; a mute without it has no end",
    Code.BANNED: "Show the end of the ban: `details.until`",
    Code.NOT_FOUND: "Remove it from the page: it does not exist, or was deleted",
    Code.UNKNOWN_EVENT: "Look up the event and its namespace",
    Code.NOT_IN_ROOM: "Join first, also after a new connection",
    Code.CONFLICT: "Read the stored values, and decide again",
    Code.INSUFFICIENT_STOCK: "Show the remaining stock: `details`",
    Code.PRICE_CHANGED: "Show the current prices, `details`, and ask the buyer",
    Code.ROOM_FROZEN: "Wait for `chat:you`",
    Code.PAYLOAD_TOO_LARGE: "Send less",
    Code.RATE_LIMIT_EXCEEDED: "Wait `retryAfterMs`",
    Code.INTERNAL_ERROR: "Report the `requestId`",
    Code.SLOW_MODE: "Wait `retryAfterMs`",
    Code.SERVICE_UNAVAILABLE: "Wait `retryAfterMs`, and send it again with the same key or `clientMessageId`",
}

_INCLUDE = re.compile(r"(<!-- include: (\S+) -->\n)(?:\n```\w+\n.*?\n```\n)?", re.DOTALL)
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n)(?:\n\|.*?\n(?=\n|\Z))?", re.DOTALL)
_MARKER = re.compile(r"^<!-- .* -->\n+", re.MULTILINE)


def updated(text: str) -> str:
    """Return a document with the current text after each marker."""
    text = _INCLUDE.sub(lambda match: f"{match[1]}\n{_fenced(GUIDES / match[2])}", text)
    return _TABLE.sub(lambda match: f"{match[1]}\n{TABLES[match[2]]()}", text)


def page(document: Path) -> str:
    """Return the page of a guide."""
    tokens = _markdown()
    body = tokens.render(_MARKER.sub("", document.read_text()))
    title = document.read_text().partition("\n")[0].removeprefix("# ")
    links = "".join(_nav_link(name, title, current=name == document.stem) for name, title in _titles())
    language = document.stem.partition(".")[2] or "en"
    return PAGE.format(language=language, title=html.escape(title), links=links, body=body)


def _nav_link(name: str, title: str, *, current: bool) -> str:
    address = f"/api/docs/guide/{'' if name == 'README' else name}"
    mark = ' aria-current="page"' if current else ""
    return f'        <a href="{address}"{mark}>{html.escape(title)}</a>\n'


def write() -> None:
    """Bring all documents and pages up to date."""
    for document in DOCUMENTS:
        document.write_text(updated(document.read_text()))
    PAGES.mkdir(exist_ok=True)
    for document in GUIDES.glob("*.md"):
        (PAGES / page_name(document)).write_text(page(document))


def page_name(document: Path) -> str:
    """Return the file name of a guide's page: `index.html` for the README."""
    return f"{'index' if document.stem == 'README' else document.stem}.html"


# --- tables -----------------------------------------------------------------------------------------------------------


def codes_table() -> str:
    """Return the table of codes with advice."""
    rows = [
        (f"`{code}`", entry.status, "yes" if entry.retryable else "no", entry.message, ADVICE[code])
        for code, entry in CATALOGUE.items()
    ]
    return _table(("code", "HTTP", "retryable", "meaning", "do"), rows)


def events_table() -> str:
    """Return the table of client events with their error codes, besides the codes of all events."""
    requests = [
        operation for operation in api_document("asyncapi")["operations"].values() if operation["action"] == "receive"
    ]
    everywhere = set.intersection(*(set(operation["x-errors"]) for operation in requests))
    rows = {
        f"`{operation['title']}`": " ".join(f"`{code}`" for code in operation["x-errors"] if code not in everywhere)
        for operation in requests
    }
    always = " ".join(f"`{code}`" for code in sorted(everywhere))
    return _table(("event", "may answer"), [("every event", always), *rows.items()])


def routes_table() -> str:
    """Return the table of routes with their error codes, besides the codes of all routes."""
    found = {
        f"`{method.upper()} {path.removeprefix('/api/v1')}`": {
            code for response in operation["responses"].values() for code in _codes_in(response)
        }
        for path, methods in api_document("openapi")["paths"].items()
        for method, operation in methods.items()
    }
    everywhere = set.intersection(*found.values())
    rows = [(name, " ".join(f"`{code}`" for code in sorted(codes - everywhere))) for name, codes in found.items()]
    return _table(
        ("route", "may answer"), [("every route", " ".join(f"`{code}`" for code in sorted(everywhere))), *rows]
    )


def envelopes_table() -> str:
    """Return the table of broadcasts: payload form and recipients."""
    rows = [
        (
            f"`{namespace}`",
            f"`{event}`",
            "`{type, data}`" if broadcast.typed else "bare",
            "yes" if broadcast.logged else "",
            broadcast.to,
        )
        for namespace, broadcasts in BROADCASTS.items()
        for event, broadcast in broadcasts.items()
    ]
    return _table(("namespace", "event", "payload", "logged", "to"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "codes": codes_table,
    "events": events_table,
    "routes": routes_table,
    "envelopes": envelopes_table,
}


@cache
def api_document(name: str) -> Any:
    """Return the OpenAPI or the AsyncAPI document."""
    return json.loads(asyncio.run(documents())[name])


def _codes_in(response: dict[str, Any]) -> Iterator[str]:
    for content in response.get("content", {}).values():
        schema = content["schema"]
        for choice in (schema, *schema.get("anyOf", ())):
            for part in choice.get("allOf", ()):
                yield from part.get("properties", {}).get("errorCode", {}).get("enum", ())


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


# --- pages ------------------------------------------------------------------------------------------------------------


def _fenced(file: Path) -> str:
    return f"```{LANGUAGES[file.suffix]}\n{file.read_text().rstrip()}\n```\n"


def _titles() -> list[tuple[str, str]]:
    """Return the guides in the order of the README's table, each once."""
    index = (GUIDES / "README.md").read_text()
    titles = {"README": "All guides"}
    for title, name in re.findall(r"\[([^\]]+)\]\(([\w.-]+)\.md\)", index):
        titles.setdefault(name, title)
    return list(titles.items())


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("link_open", _link)
    markdown.add_render_rule("heading_open", _heading)
    return markdown


def _link(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    """Render a link: to the page of a guide, or without a target if it refers to a file of the repository."""
    target = str(tokens[index].attrs["href"])
    if match := re.fullmatch(r"([\w.-]+)\.md(#[\w-]+)?", target):
        name = "" if match[1] == "README" else match[1]
        tokens[index].attrs["href"] = f"/api/docs/guide/{name}{match[2] or ''}"
    elif not target.startswith(("/", "#", "http")):
        return "<a>"
    return str(renderer.renderToken(tokens, index, options, env))


def _heading(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    tokens[index].attrs["id"] = re.sub(r"[^\w]+", "-", tokens[index + 1].content.lower()).strip("-")
    return str(renderer.renderToken(tokens, index, options, env))


PAGE = """<!doctype html>
<html lang="{language}">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{title} · Dorami Gateway</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/api/docs/style.css">
    <script type="module" src="/api/docs/guide.js"></script>
  </head>
  <body>
    <header>
      <h1><a href="/api/docs">Dorami Gateway</a></h1>
      <p class="tabs">
        <a href="/api/docs">Events and HTTP</a>
        <a href="/api/docs/guide/" aria-current="page">Guides</a>
        <a href="/api/docs/console">Console</a>
        <a href="/api/docs/http">Swagger UI</a>
      </p>
    </header>
    <div class="columns">
      <nav id="contents" aria-label="Guides">
{links}      </nav>
      <main class="guide">
{body}      </main>
    </div>
  </body>
</html>
"""

if __name__ == "__main__":
    write()
