"""`docs/settings.md` and `.env.example`, made from the settings. Run as `python -m gateway.dev.settings_reference`."""

import inspect
import re
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / ".env.example"

HEAD = """# Settings

Every setting is an environment variable; an empty one is not set. A wrong value stops the start with one line per
mistake. Durations are written `500ms`, `1.8s`, `15m`, `24h` or `7d`, rates `10/minute` or `20/10 seconds`. Made by
`python -m gateway.dev.settings_reference` from `gateway/settings.py`.
"""
MINUTE = 60
UNITS = ((86_400, "d"), (3_600, "h"), (MINUTE, "m"))
EXAMPLES = {
    "rds_main_url": "postgresql://dorami:password@localhost/dorami",
    "redis_url": "redis://localhost:6379/0",
    "jwt_secret": "at-least-32-characters-of-your-own-choice",
    "cors_origins": "https://shop.example",
}


def table() -> str:
    """Return the text of `docs/settings.md`."""
    parts = [HEAD]
    for title, fields in sections():
        parts.append(f"\n## {title[0].upper()}{title[1:]}\n\n| variable | default | meaning |\n| --- | --- | --- |\n")
        parts += [f"| `{name.upper()}` | {shown(field)} | {one_line(field)} |\n" for name, field in fields]
    return "".join(parts)


def env_example() -> str:
    """Return the text of `.env.example`: what production needs, and the rest as comments."""
    lines = ["# Settings of a production node; docs/settings.md explains them all.", "APP_ENV=production"]
    lines += [f"{name.upper()}={value}" for name, value in EXAMPLES.items()]
    for title, fields in sections():
        lines += ["", f"# --- {title} ---"]
        for name, field in fields:
            if name not in EXAMPLES and name != "app_env":
                lines.append(f"# {name.upper()}={plain(field.default)}")
    return "\n".join(lines) + "\n"


def sections() -> list[tuple[str, list[tuple[str, FieldInfo]]]]:
    """Return the fields under the headings of the source."""
    found: list[tuple[str, list[tuple[str, FieldInfo]]]] = []
    for line in inspect.getsource(Settings).splitlines():
        if heading := re.fullmatch(r"    # --- (.+) ---", line):
            found.append((heading[1], []))
        elif (field := re.match(r"    (\w+): ", line)) and field[1] in Settings.model_fields:
            found[-1][1].append((field[1], Settings.model_fields[field[1]]))
    return found


def shown(field: FieldInfo) -> str:
    """Return a default as a cell of the table."""
    if field.default is PydanticUndefined:
        return "required"
    text = plain(field.default)
    return f"`{text}`" if text else ""


def plain(value: Any) -> str:
    """Return a default as it would be written into the environment."""
    match value:
        case None | () | "":
            return ""
        case bool():
            return str(value).lower()
        case timedelta():
            return duration(value.total_seconds())
        case (int(many), float(seconds)):
            return f"{many}/minute" if seconds == MINUTE else f"{many}/{seconds:g} seconds"
        case tuple():
            return ",".join(map(str, value))
        case Enum():
            return str(value.value)
        case _:
            return str(value)


def duration(seconds: float) -> str:
    """Return seconds in the largest unit that has a whole number of them."""
    for size, unit in UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def one_line(field: FieldInfo) -> str:
    """Return a description as a cell of the table."""
    return " ".join((field.description or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    TABLE.write_text(table())
    EXAMPLE.write_text(env_example())
