"""What starts a node gives it the time that a drain takes."""

import json
import re
from pathlib import Path
from subprocess import run

from gateway.settings import Settings
from tests.programs import program

DEPLOY = Path(__file__).parents[2] / "deploy"
DRAIN = Settings.model_fields["shutdown_timeout"].default.total_seconds()


def test_the_unit_waits_for_a_drain() -> None:
    unit = (DEPLOY / "systemd" / "dorami.service").read_text()
    found = re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)
    assert found
    assert int(found[1]) > DRAIN


def test_pm2_forks_nodes_with_ports_of_their_own_and_waits_for_a_drain() -> None:
    path = DEPLOY / "pm2" / "ecosystem.config.js"
    script = f"console.log(JSON.stringify(require({json.dumps(str(path))}).apps))"
    done = run([program("node", package="nodejs"), "-e", script], capture_output=True, text=True, check=True)
    apps = json.loads(done.stdout)
    assert {app["exec_mode"] for app in apps} == {"fork"}
    assert {app["instances"] for app in apps} == {1}
    assert len({app["env"]["PORT"] for app in apps}) == len({app["env"]["NODE_ID"] for app in apps}) == len(apps) == 2
    assert min(app["kill_timeout"] for app in apps) > DRAIN * 1000
