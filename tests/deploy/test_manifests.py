"""What runs the server elsewhere names settings, ports, probes and limits that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.support.process import ROOT

DEPLOY = ROOT / "deploy"
SERVER_FILES = [
    path
    for path in sorted(DEPLOY.rglob("*"))
    if path.suffix in {".yaml", ".service"} or path.name == "Caddyfile"
]
# read by Compose files and not by the server
OF_COMPOSE = {"MEMORY", "CPUS", "PUBLISH", "SITE", "BACKEND"}
IMAGE = "featherbox:local"


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def containers() -> list[dict[str, Any]]:
    deployment = read("kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    service = read("kserve/inferenceservice.yaml")["spec"]["predictor"]
    return [deployment["containers"][0], service["containers"][0]]


@pytest.mark.parametrize("path", SERVER_FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"FEATHERBOX_([A-Z][A-Z0-9_]*)", path.read_text(encoding="utf-8")))
    assert named <= {name.upper() for name in Settings.model_fields} | OF_COMPOSE


@pytest.mark.parametrize("container", containers(), ids=["kubernetes", "kserve"])
def test_a_pod_may_do_no_more_than_the_compose_file_allows(container: dict[str, Any]) -> None:
    assert container["image"] == IMAGE
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["ports"][0]["containerPort"] == 8000
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "512Mi"}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_accepted_requests_have_time_to_finish() -> None:
    longest = Settings.model_fields["shutdown_timeout_s"].default
    pod = read("kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    pause = re.findall(r"sleep\((\d+)\)", str(pod["containers"][0]["lifecycle"]["preStop"]))
    assert pod["terminationGracePeriodSeconds"] > longest + int(pause[0])
    unit = (DEPLOY / "systemd/featherbox.service").read_text(encoding="utf-8")
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0]) > longest
    copies = read("proxy/compose.yaml")["services"]["featherbox"]
    assert int(copies["stop_grace_period"].removesuffix("s")) > longest


def test_the_parts_of_kubernetes_mean_the_same_pods() -> None:
    deployment = read("kubernetes/deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert read("kubernetes/service.yaml")["spec"]["selector"] == labels
    assert read("kubernetes/disruption.yaml")["spec"]["selector"]["matchLabels"] == labels
    target = read("kubernetes/autoscaler.yaml")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    listed = read("kubernetes/kustomization.yaml")["resources"]
    assert all((DEPLOY / "kubernetes" / name).is_file() for name in listed)


def test_the_autoscaler_and_its_adapter_use_a_metric_of_ours() -> None:
    metric = read("kubernetes/autoscaler.yaml")["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert metric in read("kubernetes/adapter-values.yaml")["rules"]["custom"][0]["seriesQuery"]
    assert f'"{metric}"' in (ROOT / "service/api/metrics.py").read_text(encoding="utf-8")


def test_a_copy_behind_the_proxy_is_bounded_as_a_single_one() -> None:
    single = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    alone = single["services"]["featherbox"]
    copy = read("proxy/compose.yaml")["services"]["featherbox"]
    for key in ("read_only", "cap_drop", "security_opt", "tmpfs", "pids_limit", "restart"):
        assert copy[key] == alone[key], key


def test_the_image_for_cuda_differs_in_its_runtime_alone() -> None:
    plain = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    cuda = (ROOT / "requirements-gpu.lock").read_text(encoding="utf-8")

    def pins(lock: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9-]+==[^ ]+)", lock, re.MULTILINE))

    assert {pin.partition("==")[0] for pin in pins(plain) - pins(cuda)} == {"onnxruntime"}
    extra = {pin.partition("==")[0] for pin in pins(cuda) - pins(plain)}
    assert "onnxruntime-gpu" in extra
    assert all(name.startswith(("nvidia-", "onnxruntime-gpu")) for name in extra)
    entries = re.split(r"^(?=[a-z0-9])", cuda, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
