"""Fetch a published file through its library's own hub: `timm:NAME`, `torchvision:NAME`,
`pytorchcv:NAME`.

The library runs in a process of its own and for a bounded time: it may not be installed, the
network may not be there, and neither may make an export hang. What it fetched is read like any
other file, by our reader.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from export_tools.errors import WeightsError
from export_tools.weights.source import Checkpoint, WeightSource

FETCH_SECONDS = 300.0
# Each prints the path of the file as its last line, and imports nothing but its library.
_PROGRAMS = {
    "timm": """
import sys
import timm
config = timm.get_pretrained_cfg(sys.argv[1])
if config.hf_hub_id:
    from huggingface_hub import hf_hub_download
    print(hf_hub_download(config.hf_hub_id, "model.safetensors"))
else:
    from timm.models import download_cached_file
    print(download_cached_file(config.url, check_hash=True))
""",
    "torchvision": """
import sys
from pathlib import Path
from urllib.parse import urlsplit
import torch
from torchvision.models import get_model_weights
weights = get_model_weights(sys.argv[1])["IMAGENET1K_V1"]
weights.get_state_dict(progress=False, check_hash=True)
print(Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(weights.url).path).name)
""",
    "pytorchcv": """
import sys
from pathlib import Path
from pytorchcv.models.common.model_store import get_model_file
print(Path(get_model_file(sys.argv[1])).expanduser())
""",
}


@dataclass(frozen=True, slots=True)
class Published:
    """A published file with the source that can read it."""

    source: WeightSource
    checkpoint: Checkpoint


def find_published(sources: Iterable[WeightSource], reference: str) -> Published | None:
    """Return what `library:name` names, or None where it names no library, but a file.

    A name of timm may leave out what is behind its dot.

    Raises:
        WeightsError: the library has no such file that we know the layout of.
    """
    library, colon, name = reference.partition(":")
    candidates = [
        Published(source, checkpoint)
        for source in sources
        for checkpoint in source.checkpoints
        if source.library == library
    ]
    if not colon or not candidates:
        return None
    for published in candidates:
        if name in (published.checkpoint.name, published.checkpoint.name.partition(".")[0]):
            return published
    known = ", ".join(item.checkpoint.name for item in candidates)
    raise WeightsError(f"{library} has no {name!r} that can be read here; there are {known}.")


def fetch(published: Published, seconds: float = FETCH_SECONDS) -> Path:
    """Fetch a published file into the cache of its library.

    Raises:
        WeightsError: it cannot be had that way; the text says which file to bring instead.
    """
    library, name = published.source.library, published.checkpoint.name
    try:
        done = subprocess.run(  # noqa: S603  (our own program, a name from our own table)
            [sys.executable, "-c", _PROGRAMS[library or ""], name],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise _bring(published, f"{library} did not answer within {seconds:.0f} s") from None
    path = Path(done.stdout.strip().rpartition("\n")[2])
    if done.returncode == 0 and path.is_file():
        return path
    if f"No module named '{library}'" in done.stderr:
        raise _bring(published, f"{library} is not installed")
    raise _bring(published, f"{library} could not fetch {name}")


def _bring(published: Published, why: str) -> WeightsError:
    source, file = published.source, published.checkpoint.file
    return WeightsError(
        f"{why}: download {file} on another machine, put it anywhere here, and give it with "
        f"--source {source.name} --weights FILE."
    )
