"""The examples of deployment: valid, locked down, and in step with the image and the service."""

from __future__ import annotations

import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from tests.e2e.test_dockerfile import IMAGE, last
from vitrina.api.app import create_app
from vitrina.api.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def manifests() -> dict[str, Document]:
    text = (ROOT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def service() -> Document:
    found: Document = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["vitrina"]
    return found


def test_compose_is_valid_and_its_linter_finds_nothing_grave() -> None:
    PyCompose.from_yaml(COMPOSE.read_text(encoding="utf-8")).validate()
    linter = Path(sysconfig.get_path("scripts")) / "compose-lint"
    linted = subprocess.run(
        [str(linter), "--fail-on", "high", str(COMPOSE)], capture_output=True, text=True, timeout=60
    )
    assert linted.returncode == 0, linted.stdout


def test_compose_locks_the_service_down(service: Document) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["tmpfs"] == ["/tmp"]
    assert service["mem_limit"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "store:/data" in service["volumes"]


def test_manifests_are_valid(manifests: dict[str, Document]) -> None:
    assert set(manifests) == {"PersistentVolumeClaim", "Deployment", "Service"}
    for document in manifests.values():
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_pods_are_locked_down(manifests: dict[str, Document]) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == int(last("USER").rest)
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]


def test_probes_and_ports_are_those_of_the_service(manifests: dict[str, Document]) -> None:
    deployment, service = manifests["Deployment"]["spec"], manifests["Service"]["spec"]
    [container] = deployment["template"]["spec"]["containers"]
    paths = create_app(Settings()).openapi()["paths"]
    asked = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert asked == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert set(asked.values()) <= set(paths)
    [port] = container["ports"]
    assert str(port["containerPort"]) == last("EXPOSE").rest
    assert service["ports"][0]["targetPort"] == port["name"]
    assert service["selector"].items() <= deployment["template"]["metadata"]["labels"].items()
    assert deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]


def test_one_replica_has_the_disk(manifests: dict[str, Document]) -> None:
    """A store is a SQLite file: two pods on two machines must never write to it."""
    deployment = manifests["Deployment"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
    pod = deployment["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts["store"] == last("VOLUME").rest
    [name] = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if volume["name"] == "store"]
    assert name == manifests["PersistentVolumeClaim"]["metadata"]["name"]


def test_settings_are_settings_and_images_of_this_version(manifests: dict[str, Document], service: Document) -> None:
    [container] = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    environment = [part.partition("=")[0] for step in IMAGE if step.word == "ENV" for part in step.rest.split()]
    names = {*service["environment"], *(each["name"] for each in container["env"]), *environment}
    ours = {name for name in names if name.startswith("VITRINA_")}
    assert ours <= {f"VITRINA_{name.upper()}" for name in Settings.model_fields}
    assert service["image"] == container["image"] == f"vitrina:{version('vitrina')}"
