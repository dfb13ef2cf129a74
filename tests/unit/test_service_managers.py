"""What starts a node gives it the time that a drain takes."""

import json
import re
from pathlib import Path
from subprocess import run

from gateway.settings import Settings
from gateway.workers.master import Limits
from tests.programs import program

DEPLOY = Path(__file__).parents[2] / "deploy"
DRAIN = Settings.model_fields["shutdown_timeout"].default.total_seconds()


def test_the_unit_waits_for_a_drain() -> None:
    unit = (DEPLOY / "systemd" / "dorami.service").read_text()
    found = re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)
    assert found
    assert int(found[1]) > DRAIN + Limits().stop


def test_the_unit_is_told_by_the_node() -> None:
    unit = (DEPLOY / "systemd" / "dorami.service").read_text()
    assert "\nType=notify\n" in unit
    assert "\nExecReload=/opt/dorami/bin/dorami reload\n" in unit
    assert re.search(r"^WatchdogSec=\d+s$", unit, re.MULTILINE)


def test_pm2_forks_one_master_and_waits_for_a_drain() -> None:
    path = DEPLOY / "pm2" / "ecosystem.config.js"
    script = f"console.log(JSON.stringify(require({json.dumps(str(path))}).apps))"
    done = run([program("node", package="nodejs"), "-e", script], capture_output=True, text=True, check=True)
    apps = json.loads(done.stdout)
    assert [(app["exec_mode"], app["instances"], app["args"]) for app in apps] == [("fork", 1, "serve --workers max")]
    assert apps[0]["kill_timeout"] > (DRAIN + Limits().stop) * 1000
