"""The box: how many CPUs this process may use, and what its processor can do.

`os.cpu_count()` and ONNX Runtime's defaults see the host's cores, not the container's share
(microsoft/onnxruntime#29510), so the budget is the smaller of the affinity mask and the cgroup
quota.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from service.engine.session import RUNTIME_VERSION

_ISA_FLAGS = {
    # /proc/cpuinfo: x86 writes "flags", Arm "Features"
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "asimd": "neon",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
}
_INT8_DOT_PRODUCT = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_X86 = frozenset({"x86_64", "amd64", "i686"})


@dataclass(frozen=True, slots=True)
class Host:
    """What `/models` tells about the box."""

    cpu: str
    machine: str
    isa: tuple[str, ...]
    cpus: float
    onnxruntime: str

    @property
    def saturates_int8(self) -> bool:
        """Whether u8 x s8 sums saturate at 16 bit (x86 without VNNI), changing int8 answers."""
        return self.machine in _X86 and not _INT8_DOT_PRODUCT.intersection(self.isa)


def describe_host() -> Host:
    """Read the facts of this box."""
    name, flags = _cpuinfo(Path("/proc/cpuinfo"))
    return Host(
        cpu=name or platform.processor() or platform.machine(),
        machine=platform.machine().lower(),
        isa=tuple(shown for flag, shown in _ISA_FLAGS.items() if flag in flags),
        cpus=cpu_budget(),
        onnxruntime=RUNTIME_VERSION,
    )


def cpu_budget(root: Path = Path("/")) -> float:
    """Return the CPUs that this process may use: affinity and cgroup quota, v2 or v1."""
    allowed = float(len(os.sched_getaffinity(0)))
    quotas = [*_quotas_v2(root), *_quotas_v1(root)]
    return min([allowed, *quotas])


def worker_threads(budget: float | None = None) -> int:
    """Return how many worker threads suit a budget of CPUs: rounded, at least one.

    Without one it is this process's (`cpu_budget`).
    """
    return max(1, int((cpu_budget() if budget is None else budget) + 0.5))


def _cpuinfo(path: Path) -> tuple[str, frozenset[str]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "", frozenset()
    values: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        values.setdefault(key.strip(), value.strip())
    flags = values.get("flags") or values.get("Features") or ""
    return values.get("model name", ""), frozenset(flags.split())


def _quotas_v2(root: Path) -> list[float]:
    """Return the quotas of this process's cgroup and of all above it, in CPUs."""
    quotas = []
    for folder in _own_and_above(root, "", root / "sys/fs/cgroup"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return quotas


def _quotas_v1(root: Path) -> list[float]:
    quotas = []
    for folder in _own_and_above(root, "cpu", root / "sys/fs/cgroup/cpu"):
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return quotas


def _own_and_above(root: Path, controller: str, base: Path) -> list[Path]:
    """Return the folders of this process's cgroup and of all above it, to `base`.

    In a container the own one may be named as outside, and is not there; `base` is it then.
    """
    lines = [line.split(":", 2) for line in _read(root / "proc/self/cgroup").splitlines()]
    own = [line[2] for line in lines if len(line) == 3 and controller in line[1].split(",")]
    folder = base / (own[0] if own else "").lstrip("/")
    return [path for path in (folder, *folder.parents) if path.is_relative_to(base)]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
