"""The files that the image is made of are enough: for a node in production, and for one that shows its documents.

By hand (`make image-check`): the image itself, built as deploy/Dockerfile says and run locked up.
"""

import asyncio
import json
import os
import re
import shutil
import site
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway import __version__
from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.images import Container, Images
from tests.support import make_settings, server_folder
from tests.timing import until

PROJECT = Path(__file__).parents[2]
COPIES = re.compile(r"^COPY (?!--from)(\S+) (\S+)$", re.MULTILINE)
READY = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:3001/api/v1/health/ready').read().decode())"
WRITE = """
import pathlib
for folder in ("/app", "/venv", "/etc", "/var", "/dev", "/tmp"):
    try:
        pathlib.Path(folder, "new").write_text("x")
        print(folder)
    except OSError:
        pass
"""
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


@pytest.fixture
def images() -> Iterator[Images]:
    if not os.environ.get("IMAGE_CHECK"):
        pytest.skip("building an image takes minutes: make image-check")
    with server_folder() as folder:
        images = Images(folder)
        yield images
        images.close()


@pytest.mark.timeout(1800)
async def test_a_built_image_serves_locked_up(
    images: Images, own_postgres: PostgresProcess, own_redis: RedisProcess, tmp_path: Path
) -> None:
    """Read-only, without capabilities, with loopback as its network; servers are reached by their sockets."""
    name = images.build("node", REVISION="abc")
    configuration = images.configuration(name)
    labels = configuration["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == "abc"
    sockets = {
        "/servers/.s.PGSQL.5432": own_postgres.sockets / ".s.PGSQL.5432",
        "/servers/redis.sock": Path(own_redis.url.removeprefix("unix://").partition("?")[0]),
    }
    for path in sockets.values():
        path.chmod(0o666)
    environment = {
        "RDS_MAIN_URL": "postgresql://postgres@/postgres?host=/servers",
        "REDIS_URL": "unix:///servers/redis.sock?db=0",
        "JWT_SECRET": "a secret of tests, long enough for production",
        "DRAIN_DELAY": "0s",
        "DRAIN_SPREAD": "0s",
    }
    with (
        images.mounted(name) as files,
        Container(tmp_path, files, configuration, environment, sockets) as container,
    ):
        health = configuration["Healthcheck"]["Test"][1:]
        await until(lambda: container.execute(*health)[0] == 0, within=60, what="the health check of the image")
        await until(lambda: '"status":"ok"' in container.execute("python", "-c", READY)[1], within=30)
        _, status = container.execute("cat", "/proc/1/status")
        assert re.search(r"^Uid:\s10001\s10001\s10001\s10001$", status, re.MULTILINE)
        assert re.findall(r"^Cap\w+:\s(\w+)$", status, re.MULTILINE) == ["0" * 16] * 5
        assert container.execute("python", "-c", "import os; print(os.listdir('/sys/class/net'))")[1] == "['lo']\n"
        assert container.execute("python", "-c", WRITE)[1].split() == ["/tmp"]
        code, bill = container.execute("cat", "sbom.cdx.json")
        assert code == 0
        assert {"aiohttp", "react", "socket.io-client"} <= {one["name"] for one in json.loads(bill)["components"]}
        assert container.execute("python", "-m", "gateway", "check")[0] == 0
        database = await asyncpg.connect(own_postgres.url)
        assert await database.fetchval("SELECT count(*) FROM nodes") == 1
        await database.close()
        assert container.stop() == 0, container.logs
        assert "Traceback" not in container.logs
