"""`dorami db`: the commands, their options and their help."""

from gateway.data.cli import migrations, rows, schema
from gateway.data.cli.app import db

__all__ = ("db", "migrations", "rows", "schema")
