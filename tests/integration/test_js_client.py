"""The package `@dorami/client` in `clients/js`: its own unit tests, its types, its size, and what npm would publish."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.dev import client_types
from gateway.http.docs import CLIENT_PACKAGE, mount_docs
from tests import client_package
from tests.client_package import PACKAGE

BUDGET = {"core": 6000, "chat": 4100}  # bytes gzip without socket.io-client
STRICT = {
    "strict": True,
    "module": "NodeNext",
    "target": "ES2022",
    "lib": ["ES2022"],  # neither DOM nor Node, as in React Native
    "types": [],
    "noEmit": True,
    "skipLibCheck": False,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
}


def run(*command: str, cwd: Path = PACKAGE) -> str:
    """Run Node with some arguments; what it writes to stdout. Fails with all that it writes."""
    done = subprocess.run([client_package.node(), *command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package as npm would publish it."""
    client_package.build()
    folder = tmp_path_factory.mktemp("pack")
    npm = shutil.which("npm", path=os.pathsep.join((str(Path(client_package.node()).parent), os.environ["PATH"])))
    assert npm
    subprocess.run([npm, "pack", "--ignore-scripts", f"--pack-destination={folder}"], cwd=PACKAGE, check=True)
    [path] = folder.glob("*.tgz")
    return path


@pytest.fixture(scope="module")
def project(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that has installed the package."""
    folder = tmp_path_factory.mktemp("project")
    installed = folder / "node_modules"
    for name in ("socket.io-client", "react", "react-dom", "@types/react"):
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).symlink_to(PACKAGE / "node_modules" / name)
    with tarfile.open(tarball) as archive:
        archive.extractall(folder, filter="data")
    (installed / "@dorami").mkdir()
    (folder / "package").rename(installed / "@dorami" / "client")
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


async def test_types_are_those_of_the_documents() -> None:
    """Run `python -m gateway.dev.client_types` after a change of events, payloads or routes, and commit the file."""
    documents = await client_types.documents()
    made = await asyncio.to_thread(client_types.types, documents, client_package.node())
    comments = re.compile(r"^ */\*\*.*?\*/\n", re.DOTALL | re.MULTILINE)  # a text that reads better changes no type
    assert comments.sub("", client_types.TYPES.read_text()) == comments.sub("", made)


def test_unit_tests_of_the_package() -> None:
    client_package.build()
    run("--test", "test/")


def test_size_is_within_the_budget() -> None:
    sizes = json.loads(run("scripts/size.mjs"))
    print(sizes)
    assert {part: size for part, size in sizes.items() if size > BUDGET[part]} == {}


def test_npm_would_publish_what_is_needed_and_no_more(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    assert {"package.json", "README.md", "LICENSE", "dist/esm/index.js", "dist/cjs/react.d.ts"} <= names
    assert {name for name in names if not name.startswith("dist/")} == {"package.json", "README.md", "LICENSE"}


async def test_the_gateway_serves_the_package_beside_its_documents(tarball: Path, tmp_path: Path) -> None:
    package = await asyncio.to_thread(tarball.read_bytes)
    await asyncio.to_thread((tmp_path / CLIENT_PACKAGE).write_bytes, package)
    app = web.Application()
    mount_docs(app, tmp_path, "1", {}, {})
    async with TestClient(TestServer(app)) as client, client.get("/api/docs/dorami-client.tgz") as response:
        assert (response.status, response.content_type) == (200, "application/gzip")
        assert await response.read() == package


def test_linters_of_packages_find_nothing(tarball: Path) -> None:
    run("node_modules/publint/src/cli.js", "run", "--strict", str(tarball))
    run("node_modules/@arethetypeswrong/cli/dist/index.js", str(tarball), "--profile", "node16", "--no-emoji")


def test_both_kinds_of_modules_load(project: Path) -> None:
    names = "({ Dorami, HttpSession, chat }) => console.log(typeof Dorami, typeof HttpSession, typeof chat)"
    for code in (f"import('@dorami/client').then({names})", f"({names})(require('@dorami/client'))"):
        assert run("-e", code, cwd=project).split() == ["function"] * 3
    assert run("-e", "console.log(Object.keys(require('@dorami/client/react')).length > 5)", cwd=project) == "true\n"


@pytest.mark.parametrize("kind", ["module", "commonjs"])
def test_types_compile_strictly_without_dom_and_node(project: Path, kind: str) -> None:
    folder = project / kind
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"type": kind}))
    source = (PACKAGE / "test" / "types" / "package.test.ts").read_text()
    if kind == "commonjs":  # which has no await outside of functions
        head, body = source.split("\n\ntype Equal", 1)
        source = f"{head}\n\nasync function all() {{\ntype Equal{body}}}\nvoid all;\n"
    (folder / "package.test.ts").write_text(source)
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT}))
    run(str(PACKAGE / "node_modules" / "typescript" / "bin" / "tsc"), cwd=folder)
