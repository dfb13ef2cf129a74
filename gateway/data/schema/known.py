"""A cache of catalogs that were read from scratch databases, in the user's cache folder. Called by drift.

Creating and dropping a scratch database takes about a second. The same statements on the same version of PostgreSQL
create the same catalog, so a database that equals a known one has not drifted.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.data.schema.catalog import STATEMENT, Catalog, Key, Part
from gateway.data.schema.levels import Step

KEPT = 20  # files, the newest
SERVER = """
    SELECT current_setting('server_version_num') || ' ' || to_jsonb(d)::text
    FROM (
        SELECT encoding, datlocprovider, datcollate, datctype FROM pg_database WHERE datname = current_database()
    ) d
"""


async def key_of(connection: Any, steps: Iterable[Step]) -> str:
    """Return the key of the catalog that these steps create on the server of a connection."""
    server = await connection.fetchval(SERVER)
    text = json.dumps([server, STATEMENT, [(step.sql, step.in_transaction) for step in steps]])
    return hashlib.sha256(text.encode()).hexdigest()


def load(key: str) -> Catalog | None:
    """Return a known catalog; None for an unknown one."""
    with suppress(OSError, RuntimeError, ValueError, TypeError):
        rows = json.loads((_folder() / f"{key}.json").read_text(encoding="utf-8"))
        return {Key(kind, name): Part(text, owner) for kind, name, text, owner in rows}
    return None


def store(key: str, catalog: Catalog) -> None:
    """Store a catalog and delete old ones; do nothing if the cache folder cannot be written."""
    with suppress(OSError, RuntimeError):
        folder = _folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f"{key}.{os.getpid()}"
        fresh.write_text(json.dumps([[*key, *part] for key, part in catalog.items()]), encoding="utf-8")
        fresh.replace(folder / f"{key}.json")
        for old in sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)[KEPT:]:
            old.unlink(missing_ok=True)


def _folder() -> Path:
    """Return the cache folder. Raises RuntimeError if the user has no home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dorami" / "catalogs"
