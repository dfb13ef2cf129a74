"""The functions of the database: each is the file of its name in `sql/`, with its current text. Used by migrations.

To change a function, edit its file and add a migration that applies it again (after a DROP if its signature changes).
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "sql"


def apply(*names: str) -> str:
    """The statements that create or replace these functions, in this order; within a migration's transaction.

    Bodies are not checked: a database that is migrated from the start gets today's text before today's columns.
    """
    return "\n".join(
        ["SET LOCAL check_function_bodies = off;", *((FOLDER / f"{name}.sql").read_text() for name in names)]
    )
