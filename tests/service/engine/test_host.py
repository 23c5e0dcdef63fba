"""The CPU budget and what is told of the processor."""

import mmap
import os
import platform
from pathlib import Path

import pytest

from service.engine.host import Host, cpu_budget, describe_host, worker_threads
from service.engine.memory import resident_bytes

ALLOWED = len(os.sched_getaffinity(0))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "25000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
            },
            0.25,
        ),
        (
            {
                "proc/self/cgroup": "0::/a\n",
                "sys/fs/cgroup/cpu.max": "max 100000\n",
                "sys/fs/cgroup/a/cpu.max": "75000 100000\n",
            },
            0.75,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/x\n0::/../elsewhere\n",
                "sys/fs/cgroup/cpu.max": "10000 100000\n",
            },
            0.1,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "40000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            0.4,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/y\n3:cpu,cpuacct:/box/job\n0::/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/box/job/cpu.cfs_quota_us": "60000\n",
                "sys/fs/cgroup/cpu/box/job/cpu.cfs_period_us": "100000\n",
            },
            0.6,
        ),
    ],
    ids=["own group", "group above", "own below", "namespace", "version 1", "own of version 1"],
)
def test_a_cgroup_quota_bounds_the_cpus(
    tmp_path: Path, files: dict[str, str], quota: float
) -> None:
    assert cpu_budget(write(tmp_path, files)) == pytest.approx(quota)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": ""},
        {"proc/self/cgroup": "", "sys/fs/cgroup/cpu.max": "nonsense"},
        {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000000 100000\n"},
    ],
    ids=["no cgroup", "no limit", "empty", "nonsense", "version 1 without limit", "more than all"],
)
def test_without_a_quota_the_affinity_counts(tmp_path: Path, files: dict[str, str]) -> None:
    assert cpu_budget(write(tmp_path, files)) == ALLOWED


def test_affinity_bounds_the_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5, 8})
    assert cpu_budget(tmp_path) == 3


@pytest.mark.parametrize(
    ("budget", "threads"), [(0.1, 1), (0.5, 1), (1.0, 1), (1.4, 1), (1.5, 2), (2.5, 3), (64.0, 64)]
)
def test_a_thread_for_each_cpu_and_one_at_least(budget: float, threads: int) -> None:
    assert worker_threads(budget) == threads


def test_without_a_budget_the_threads_are_those_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {4})
    assert worker_threads() == 1


def test_this_box_is_described() -> None:
    host = describe_host()
    assert host.cpu
    assert host.machine == platform.machine().lower()
    assert 0 < host.cpus <= ALLOWED
    assert host.onnxruntime[0].isdigit()


@pytest.mark.parametrize(
    ("machine", "isa", "saturates"),
    [
        ("x86_64", ("avx2",), True),
        ("x86_64", (), True),
        ("x86_64", ("avx2", "avx512_vnni"), False),
        ("x86_64", ("avx_vnni",), False),
        ("amd64", ("amx_int8",), False),
        ("aarch64", ("neon",), False),
    ],
)
def test_int8_saturates_on_x86_without_vnni_only(
    machine: str, isa: tuple[str, ...], saturates: bool
) -> None:
    assert Host("a cpu", machine, isa, 2.0, "1.0").saturates_int8 is saturates


def test_resident_memory_grows_with_what_is_kept() -> None:
    before = resident_bytes()
    with mmap.mmap(-1, 50_000_000) as kept:
        kept.write(b"x" * len(kept))
        assert resident_bytes() - before > len(kept) // 2
