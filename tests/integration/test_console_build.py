"""What the first view of the console loads, as it was built."""

import asyncio
import re

from tests import console

LIMIT = 300_000  # bytes, compressed by gzip
LOADED = re.compile(r'(?:src|href)="/console/(assets/[^"]+\.(?:js|css))"')


async def test_the_first_view_is_at_most_300_kb() -> None:
    folder = await asyncio.to_thread(console.build)
    named = {folder / name for name in LOADED.findall((folder / "index.html").read_text())}
    assert {file.suffix for file in named} == {".js", ".css"}
    home = {file for file in (folder / "assets").iterdir() if file.name.startswith("home-") and file.suffix != ".map"}
    files = {file.with_name(f"{file.name}.gz") for file in named | home if file.suffix in (".js", ".css")}
    size = sum(file.stat().st_size for file in files)
    assert size <= LIMIT, f"{size} bytes: {sorted((file.name, file.stat().st_size) for file in files)}"
