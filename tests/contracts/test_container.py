"""The containers keep to their rules, row by row: read from Dockerfiles and the Compose file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.support.process import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True)
class Container:
    """An image and the service that runs it."""

    dockerfile: str
    service: dict[str, Any]
    lock: str
    most_memory_mb: int

    @property
    def final(self) -> str:
        """Return the stage that is shipped."""
        return self.dockerfile.rsplit("\nFROM ", 1)[1]

    def limit(self, name: str) -> str:
        """Return a limit of the Compose file, its default where the environment may change it."""
        text = str(self.service[name])
        found = re.fullmatch(r"\$\{\w+:-(.+)\}", text)
        return found[1] if found else text


def container(file: str, service: str, lock: str, most_memory_mb: int) -> Container:
    text = (ROOT / file).read_text(encoding="utf-8")
    return Container(text, yaml.safe_load(COMPOSE)["services"][service], lock, most_memory_mb)


CONTAINERS = {
    "cpu": container("Dockerfile", "featherbox", "requirements.lock", 1024),
    # CUDA's libraries and its memory for weights on the host's side take some gigabytes
    "cuda": container("Dockerfile.gpu", "featherbox-gpu", "requirements-gpu.lock", 8192),
}
_SECRET = re.compile(r"(?i)(password|secret|private_key|api_?key|[a-z]_token)\s*[=:]\s*[^\s$]")


def runs_as_a_fixed_user_that_is_not_root(its: Container) -> bool:
    users = re.findall(r"^USER (\d+):(\d+)$", its.final, re.MULTILINE)
    return len(users) == 1 and all(int(number) >= 10_000 for number in users[0])


def has_a_read_only_root_and_a_small_temporary_folder(its: Container) -> bool:
    (mount,) = its.service["tmpfs"]
    folder, _, options = mount.partition(":")
    wanted = {"noexec", "nosuid", "nodev"}
    sized = re.search(r"\bsize=\d+m\b", options) is not None
    return (
        its.service["read_only"] is True
        and folder == "/tmp"
        and sized
        and wanted <= {*options.split(",")}
    )


def drops_every_capability(its: Container) -> bool:
    return its.service["cap_drop"] == ["ALL"] and "cap_add" not in its.service


def gains_no_privileges(its: Container) -> bool:
    privileged = bool(its.service.get("privileged"))
    options: list[str] = its.service["security_opt"]
    return options == ["no-new-privileges:true"] and not privileged


def shares_nothing_of_the_host(its: Container) -> bool:
    shared = {"network_mode", "pid", "ipc", "userns_mode", "devices"} & its.service.keys()
    return not shared and "docker.sock" not in str(its.service)


def mounts_the_models_read_only(its: Container) -> bool:
    volumes: list[str] = its.service["volumes"]
    return volumes == ["./model_repository:/models:ro"]


def is_limited_in_memory_cpus_and_processes(its: Container) -> bool:
    memory = re.fullmatch(r"(\d+)([mg])", its.limit("mem_limit"))
    return (
        memory is not None
        and 0 < int(memory[1]) * {"m": 1, "g": 1024}[memory[2]] <= its.most_memory_mb
        and float(its.limit("cpus")) > 0
        and 0 < int(its.limit("pids_limit")) <= 512
    )


def is_published_to_this_box_only(its: Container) -> bool:
    (port,) = its.service["ports"]
    return (
        str(port)
        .replace("${FEATHERBOX_PUBLISH:-127.0.0.1:8000}", "127.0.0.1:8000")
        .startswith("127.0.0.1:")
    )


def has_a_health_check_that_asks_whether_it_is_ready(its: Container) -> bool:
    found = re.search(r"^HEALTHCHECK ((?:.*\\\n)*.*)$", its.final, re.MULTILINE)
    options = ("--interval", "--timeout", "--start-period", "--retries")
    return (
        found is not None
        and all(option in found[1] for option in options)
        and "/readyz" in found[1]
        and not its.service.get("healthcheck", {}).get("disable")
    )


def restarts_and_stops_in_time_and_bounds_its_logs(its: Container) -> bool:
    grace = int(its.service["stop_grace_period"].removesuffix("s"))
    logs = its.service["logging"]["options"]
    return (
        its.service["restart"] == "unless-stopped"
        and grace > Settings().shutdown_timeout_s
        and {"max-size", "max-file"} <= logs.keys()
    )


def takes_its_base_by_tag_and_digest_and_its_packages_by_hash(its: Container) -> bool:
    # The digest is given when a release is built (release.yml): written here it would have to
    # be renewed by hand for each security fix of the base, or stay behind.
    bases = re.findall(r"^FROM (\S+)", its.dockerfile, re.MULTILINE)
    tagged = re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+-slim-\w+$", its.dockerfile, re.MULTILINE)
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    return (
        set(bases) == {"${PYTHON_IMAGE}${PYTHON_DIGEST}"}
        and tagged is not None
        and "PYTHON_DIGEST=${{" in release
        and re.findall(r"--require-hashes -r (\S+)", its.dockerfile) == [its.lock]
        and "apt-get" not in its.dockerfile
    )


def holds_no_secret_and_nothing_that_it_does_not_need(its: Container) -> bool:
    texts = its.dockerfile + COMPOSE
    shipped = {line[1:] for line in IGNORED if line.startswith("!")}
    return (
        not _SECRET.search(texts)
        and "*" in IGNORED
        and shipped.isdisjoint({".git", ".github", "tests", "benchmarks", "docs"})
        and "pip install" not in its.final
        and "COPY ." not in its.dockerfile
    )


def copies_nothing_that_is_kept_from_the_builder(its: Container) -> bool:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", its.dockerfile, re.MULTILINE)
    return all(f"!{name}" in IGNORED for names in copied for name in names.split())


ROWS: list[Callable[[Container], bool]] = [
    runs_as_a_fixed_user_that_is_not_root,
    has_a_read_only_root_and_a_small_temporary_folder,
    drops_every_capability,
    gains_no_privileges,
    shares_nothing_of_the_host,
    mounts_the_models_read_only,
    is_limited_in_memory_cpus_and_processes,
    is_published_to_this_box_only,
    has_a_health_check_that_asks_whether_it_is_ready,
    restarts_and_stops_in_time_and_bounds_its_logs,
    takes_its_base_by_tag_and_digest_and_its_packages_by_hash,
    holds_no_secret_and_nothing_that_it_does_not_need,
    copies_nothing_that_is_kept_from_the_builder,
]


@pytest.mark.parametrize("which", CONTAINERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_the_container(row: Callable[[Container], bool], which: str) -> None:
    assert row(CONTAINERS[which])


@pytest.mark.parametrize("its", CONTAINERS.values(), ids=CONTAINERS)
def test_every_setting_in_the_files_exists(its: Container) -> None:
    named = set(re.findall(r"\bFEATHERBOX_([A-Z_]+)(?==|:)", its.final)) | {
        name.removeprefix("FEATHERBOX_") for name in its.service.get("environment", {})
    }
    assert {"HOST", "PORT", "DEFAULT_MODEL", "MODEL_REPOSITORY"} <= named
    assert named <= {name.upper() for name in Settings.model_fields}
