"""The box and the versions that a figure belongs to."""

import os
import platform
import re
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version

from service.engine.host import describe_host


@dataclass(frozen=True, slots=True)
class Machine:
    """Columns of every CSV."""

    cpu: str
    cpus: float
    isa: str
    kernel: str
    python: str
    onnxruntime: str
    pillow: str
    numpy: str
    fastapi: str
    uvicorn: str
    load_generator: str

    def columns(self) -> dict[str, str | float]:
        """Return the facts by name."""
        return asdict(self)

    def slug(self) -> str:
        """Return a name for files: CPU, count and the versions that matter most."""
        name = f"{self.cpu}-{self.cpus:g}cpu-py{self.python}-ort{self.onnxruntime}-pil{self.pillow}"
        return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")


def describe_machine() -> Machine:
    """Read the facts of this box and environment."""
    host = describe_host()
    return Machine(
        cpu=host.cpu,
        cpus=host.cpus,
        isa=" ".join(host.isa),
        kernel=platform.release(),
        python=platform.python_version(),
        onnxruntime=host.onnxruntime,
        pillow=version("pillow"),
        numpy=version("numpy"),
        fastapi=version("fastapi"),
        uvicorn=version("uvicorn"),
        load_generator="wrk" if shutil.which("wrk") else "raw sockets (Python)",
    )


def headline(machine: Machine) -> str:
    """Return one line on the box, with the load it has already."""
    return (
        f"{machine.cpu}, {machine.cpus:g} CPUs, Python {machine.python}, "
        f"ONNX Runtime {machine.onnxruntime}, Pillow {machine.pillow}; "
        f"load generator on the same box: {machine.load_generator}; "
        f"load average before: {os.getloadavg()[0]:.2f}"
    )
