"""compose.yaml, the Dockerfile and the script that rolls: what can be known of them without Docker."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import __version__
from gateway.dev.sbom import bill
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
OURS = [name for name, service in SERVICES.items() if "build" in service]

# A Docker that writes down what it is asked, and whose nodes become ready at the second question, or never.
DOCKER = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
*exec*) count=$(grep -c "exec.*$4" "$CALLS"); [ "$READY" = yes ] && [ "$count" -ge 2 ] ;;
esac
"""


@pytest.mark.parametrize("name", OURS)
def test_a_service_sets_settings_that_exist_and_may_do_nothing_else(name: str) -> None:
    service = SERVICES[name]
    aliases = {"database_url"}
    assert {variable.lower() for variable in service["environment"]} <= Settings.model_fields.keys() | aliases
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    target = service["build"].get("target", "node")
    assert re.search(rf"^FROM \S+ AS {target}$", DOCKERFILE, re.MULTILINE)


def test_a_node_has_time_to_drain() -> None:
    drain = Settings.model_fields["shutdown_timeout"].default.total_seconds()
    for name in ("node-1", "node-2"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= drain + 5


def test_every_volume_and_file_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume


def test_every_image_has_a_version() -> None:
    for name, service in SERVICES.items():
        if name not in OURS:
            assert re.search(r":[\w.-]*\d[\w.-]*$", service["image"]), service["image"]


def test_the_images_have_every_package() -> None:
    for stage in DOCKERFILE.split("\nFROM ")[1:]:
        if "WORKDIR /app" in stage:
            copied = set(re.findall(r"^COPY (\w+) \1$", stage, re.MULTILINE))
            assert copied == {"gateway", "migrations", "models", "namespaces"}


def test_the_images_say_the_version_of_the_code() -> None:
    assert f"\nARG VERSION={__version__}\n" in DOCKERFILE


def test_the_bill_of_materials_has_what_is_installed_and_nothing_that_only_builds_need() -> None:
    locks = [ROOT / "requirements/runtime.txt", ROOT / "clients/console/package-lock.json"]
    components = bill("x", "1", locks)["components"]
    names = {component["name"] for component in components}
    pinned = re.findall(r"^([\w.-]+)==", locks[0].read_text(), re.MULTILINE)
    assert names >= {*pinned, "react", "@mantine/core"}
    assert not names & {"vite", "typescript"}
    assert len({component["purl"] for component in components}) == len(components)


def roll(folder: Path, ready: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script with a Docker that only writes down; how it ended, and what Docker was asked."""
    docker, sleep, calls = folder / "docker", folder / "sleep", folder / "calls"
    docker.write_text(DOCKER)
    sleep.write_text("#!/bin/sh\n")
    for program in (docker, sleep):
        program.chmod(0o755)
    calls.write_text("")
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "READY": ready, "READY_TIMEOUT": "3"}
    done = subprocess.run(
        [str(ROOT / "deploy" / "compose" / "roll")], env=environment, capture_output=True, text=True, check=False
    )
    return done, [
        line.removeprefix("compose ") for line in calls.read_text().splitlines() if line.startswith("compose")
    ]


def test_a_roll_replaces_a_node_only_when_the_one_before_is_ready(tmp_path: Path) -> None:
    done, calls = roll(tmp_path, "yes")
    assert done.returncode == 0, done.stderr
    steps = [" ".join(call.split()[:4]) for call in calls]
    assert steps == [
        "build node-1",
        "run --rm --no-deps migrate",
        "up --detach --no-deps node-1",
        *["exec --no-TTY node-1 python"] * 2,
        "up --detach --no-deps node-2",
        *["exec --no-TTY node-2 python"] * 2,
    ]


def test_a_roll_stops_at_a_node_that_does_not_become_ready(tmp_path: Path) -> None:
    done, calls = roll(tmp_path, "no")
    assert done.returncode == 1
    assert "node-1 is not ready after 3 s" in done.stderr
    assert not [call for call in calls if "node-2" in call]
