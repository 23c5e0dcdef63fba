"""The container keeps to its rules, row by row: read from the Dockerfile and the Compose file."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.support.process import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FINAL = DOCKERFILE.rsplit("\nFROM ", 1)[1]  # the stage that is shipped
SERVICE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]["featherbox"]
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

_SECRET = re.compile(r"(?i)(password|secret|private_key|api_?key|[a-z]_token)\s*[=:]\s*[^\s$]")


def limit(name: str) -> str:
    """Return a limit of the Compose file, its default where the environment may change it."""
    text = str(SERVICE[name])
    found = re.fullmatch(r"\$\{\w+:-(.+)\}", text)
    return found[1] if found else text


def runs_as_a_fixed_user_that_is_not_root() -> bool:
    users = re.findall(r"^USER (\d+):(\d+)$", FINAL, re.MULTILINE)
    return len(users) == 1 and all(int(number) >= 10_000 for number in users[0])


def has_a_read_only_root_and_a_small_temporary_folder() -> bool:
    (mount,) = SERVICE["tmpfs"]
    folder, _, options = mount.partition(":")
    wanted = {"noexec", "nosuid", "nodev"}
    sized = re.search(r"\bsize=\d+m\b", options) is not None
    return (
        SERVICE["read_only"] is True
        and folder == "/tmp"
        and sized
        and wanted <= {*options.split(",")}
    )


def drops_every_capability() -> bool:
    return SERVICE["cap_drop"] == ["ALL"] and "cap_add" not in SERVICE


def gains_no_privileges() -> bool:
    privileged = bool(SERVICE.get("privileged"))
    options: list[str] = SERVICE["security_opt"]
    return options == ["no-new-privileges:true"] and not privileged


def shares_nothing_of_the_host() -> bool:
    shared = {"network_mode", "pid", "ipc", "userns_mode", "devices"} & SERVICE.keys()
    return not shared and "docker.sock" not in str(SERVICE)


def mounts_the_models_read_only() -> bool:
    volumes: list[str] = SERVICE["volumes"]
    return volumes == ["./model_repository:/models:ro"]


def is_limited_in_memory_cpus_and_processes() -> bool:
    memory = re.fullmatch(r"(\d+)m", limit("mem_limit"))
    return (
        memory is not None
        and 0 < int(memory[1]) <= 1024
        and float(limit("cpus")) > 0
        and 0 < int(limit("pids_limit")) <= 512
    )


def is_published_to_this_box_only() -> bool:
    (port,) = SERVICE["ports"]
    return (
        str(port)
        .replace("${FEATHERBOX_PUBLISH:-127.0.0.1:8000}", "127.0.0.1:8000")
        .startswith("127.0.0.1:")
    )


def has_a_health_check_that_asks_whether_it_is_ready() -> bool:
    found = re.search(r"^HEALTHCHECK ((?:.*\\\n)*.*)$", FINAL, re.MULTILINE)
    options = ("--interval", "--timeout", "--start-period", "--retries")
    return (
        found is not None
        and all(option in found[1] for option in options)
        and "/readyz" in found[1]
        and not SERVICE.get("healthcheck", {}).get("disable")
    )


def restarts_and_stops_in_time_and_bounds_its_logs() -> bool:
    grace = int(SERVICE["stop_grace_period"].removesuffix("s"))
    logs = SERVICE["logging"]["options"]
    return (
        SERVICE["restart"] == "unless-stopped"
        and grace > Settings().shutdown_timeout_s
        and {"max-size", "max-file"} <= logs.keys()
    )


def takes_its_base_by_tag_and_digest_and_its_packages_by_hash() -> bool:
    # The digest is given when a release is built (release.yml): written here it would have to
    # be renewed by hand for each security fix of the base, or stay behind.
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    tagged = re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    return (
        set(bases) == {"${PYTHON_IMAGE}${PYTHON_DIGEST}"}
        and tagged is not None
        and "PYTHON_DIGEST=${{" in release
        and "--require-hashes -r requirements.lock" in DOCKERFILE
        and "apt-get" not in DOCKERFILE
    )


def holds_no_secret_and_nothing_that_it_does_not_need() -> bool:
    texts = DOCKERFILE + (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    shipped = {line[1:] for line in IGNORED if line.startswith("!")}
    return (
        not _SECRET.search(texts)
        and "*" in IGNORED
        and shipped.isdisjoint({".git", ".github", "tests", "benchmarks", "docs"})
        and "pip install" not in FINAL
        and "COPY ." not in DOCKERFILE
    )


ROWS: list[Callable[[], bool]] = [
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
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_the_container(row: Callable[[], bool]) -> None:
    assert row()


def test_every_setting_in_the_files_exists() -> None:
    named = set(re.findall(r"\bFEATHERBOX_([A-Z_]+)(?==|:)", FINAL)) | {
        name.removeprefix("FEATHERBOX_") for name in SERVICE["environment"]
    }
    assert {"HOST", "PORT", "DEFAULT_MODEL"} <= named
    assert named <= {name.upper() for name in Settings.model_fields}
