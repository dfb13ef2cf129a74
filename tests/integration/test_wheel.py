"""The wheel, installed where there is no checkout: it has all it needs to migrate a database and to serve."""

import asyncio
import os
import shutil
import site
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway import __version__
from gateway.settings import DEVELOPMENT_SECRET
from tests import console, shop_page
from tests.support import Node

PROJECT = Path(__file__).parents[2]
SOURCES = ("gateway", "models", "namespaces", "migrations")
FILES = ("pyproject.toml", "README.md", "LICENSE")


async def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command that must succeed and return its output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "APP_ENV": "development", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, printed
    return printed


@pytest.fixture(scope="module")
async def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from a copy of the sources and of the built pages."""
    await asyncio.to_thread(console.build)
    await asyncio.to_thread(shop_page.build)
    sources, target = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for folder in SOURCES:
        shutil.copytree(PROJECT / folder, sources / folder, ignore=shutil.ignore_patterns("__pycache__", ".bin"))
    for file in FILES:
        shutil.copy(PROJECT / file, sources)
    await run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, cwd=sources)
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
async def dorami(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command in an environment with the wheel, and the libraries of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    await run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    await run(*pip, "--disable-pip-version-check", wheel, cwd=folder)
    packages = next((folder / "lib").glob("python*/site-packages"))
    # A path added so brings its packages, but not what its own .pth files add: the checkout stays out.
    (packages / "libraries.pth").write_text(f"{site.getsitepackages()[0]}\n")
    where = await run(python, "-c", "import gateway, models, migrations; print(gateway.__file__)", cwd=folder)
    assert Path(where.strip()).is_relative_to(folder)
    return folder / "bin" / "dorami"


async def test_every_data_file_of_the_sources_is_in_the_wheel(dorami: Path) -> None:
    packages = next((dorami.parents[1] / "lib").glob("python*/site-packages"))
    files = {
        path.relative_to(PROJECT) for folder in SOURCES for path in (PROJECT / folder).rglob("*") if path.is_file()
    }
    ours = {path for path in files if not {"node_modules", "__pycache__"} & set(path.parts)}
    npms = {Path("gateway/web") / name for name in (".npmrc", "package.json", "package-lock.json")}
    assert [path for path in sorted(ours - npms) if not (packages / path).is_file()] == []


async def test_the_command_prints_its_version(dorami: Path, tmp_path: Path) -> None:
    assert await run(dorami, "--version", cwd=tmp_path) == f"dorami {__version__}\n"


async def test_check_finds_the_database_migrated(
    dorami: Path, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "JWT_SECRET": DEVELOPMENT_SECRET}
    printed = await run(dorami, "check", cwd=tmp_path, **servers)
    assert "migrations  ok" in printed


async def test_a_node_migrates_an_empty_database_and_serves_its_pages(
    dorami: Path, tmp_path: Path, empty_database_url: str, redis_url: str
) -> None:
    node = Node(tmp_path, DATABASE_URL=empty_database_url, REDIS_URL=redis_url)
    node.program = (str(dorami),)
    async with node, aiohttp.ClientSession(node.url) as http:
        pages = ("/", "/assets/shop.js", "/assets/style.css", "/console")
        documents = (
            "",
            "/asyncapi.json",
            "/guide/quickstart.ko",
            "/console.js",
            "/socket.io.js",
            "/swagger-ui-bundle.js",
        )
        for path in (*pages, *(f"/api/docs{name}" for name in documents)):
            async with http.get(path) as response:
                assert response.status == 200, path
        async with http.get("/api/v1/health/ready") as response:
            assert response.status == 200
        async with http.get("/metrics") as response:
            assert f'dorami_build_info{{version="{__version__}"}} 1.0' in await response.text()
