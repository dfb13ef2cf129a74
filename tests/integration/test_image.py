"""The files that the image is made of are enough: for a node in production, and for one that shows its documents."""

import asyncio
import re
import shutil
import site
import sys
from pathlib import Path

import pytest

from tests.support import make_settings

PROJECT = Path(__file__).parents[2]
COPIES = re.compile(r"^COPY (?!--from)(\S+) (\S+)$", re.MULTILINE)
NODE = "from gateway.app import Node; from gateway.settings import load; Node(load())"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Copy what the Dockerfile copies, with the libraries, without the project as an installed package."""
    app = tmp_path / "app"
    copied = COPIES.findall(
        (PROJECT / "deploy" / "Dockerfile").read_text().partition(" AS node\n")[2].partition("\nFROM ")[0]
    )
    assert len(copied) > 3
    for source, target in copied:
        shutil.copytree(PROJECT / source, app / target, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for entry in Path(site.getsitepackages()[0]).iterdir():
        if "dorami" not in entry.name:
            (libraries / entry.name).symlink_to(entry)
    return app


@pytest.mark.parametrize("environment", ["production", "development"])
async def test_an_image_can_be_built(image: Path, environment: str) -> None:
    settings = make_settings()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-P", "-c", NODE),
        cwd=image,
        env={
            "APP_ENV": environment,
            "PYTHONPATH": f"{image}:{image.parent / 'libraries'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATABASE_URL": settings.rds_main_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "JWT_SECRET": "a secret of tests, long enough for production",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
