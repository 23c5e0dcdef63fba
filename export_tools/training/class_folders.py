"""Photos in folders, one a class, as a net learns from them.

FOLDER/train/CLASS/photo.jpg     and FOLDER/val/CLASS/photo.jpg, as ImageNet is laid out
FOLDER/CLASS/photo.jpg           a fifth of each class is kept for the test, by a seed
FOLDER/photo.jpg                 without classes, for a teacher to answer
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from numpy.typing import NDArray
from torch import Tensor

from export_tools.datasets import Item, images_in
from export_tools.errors import DataError
from export_tools.training.images import Planes, in_parts
from service.engine.decode import DecodeLimits
from service.engine.manifest import InputPolicy
from service.engine.pipeline import image_to_planes
from service.errors import RequestError

TRAINING, TEST = ("train", "training"), ("val", "validation", "test")
_HELD_OUT = 0.2
_READERS = 4
_LARGEST_CACHE = 2 << 30  # bytes of decoded photos


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos to learn from and to test on; `labels` are empty where nobody gave classes."""

    labels: tuple[str, ...]
    training: tuple[Item, ...]
    test: tuple[Item, ...]

    def facts(self) -> str:
        """Say in a few words how much there is."""
        classes = f" in {len(self.labels)} classes" if self.labels else ""
        return f"{len(self.training)} photos{classes}, {len(self.test)} for the test"


def find_photos(folder: Path, seed: int = 0, labels: tuple[str, ...] = ()) -> PhotoSet:
    """Find the photos of a folder.

    Args:
        folder: of one of the layouts.
        seed: of the split, where the folder has none.
        labels: the classes that there may be, in order; none takes the folders' names, sorted.

    Raises:
        DataError: no photos, a single class, or a class with too few or that is not known.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    inner = {entry.name: entry for entry in folder.iterdir() if entry.is_dir()}
    training = next((inner[name] for name in TRAINING if name in inner), None)
    test = next((inner[name] for name in TEST if name in inner), None)
    if training is not None and test is not None:
        found, kept = _by_class(training), _by_class(test)
    else:
        found, kept = _held_out(_by_class(folder), seed)
    if list(found) == [""]:
        return PhotoSet(labels, _items(found, ("",), None), _items(kept, ("",), None))
    known = labels or tuple(found)
    strange = sorted({*found, *kept} - set(known))
    if strange:
        raise DataError(f"Not among the classes: {', '.join(strange[:5])}.")
    if len(known) < 2:
        raise DataError(f"{folder} has one class, {known[0]!r}: two at least are needed.")
    return PhotoSet(known, _items(found, known, 0), _items(kept, known, 0))


def _by_class(folder: Path) -> dict[str, list[Path]]:
    """Return the photos by class; those of a flat folder under an empty name."""
    flat = images_in(folder)
    classes = {entry.name: images_in(entry) for entry in sorted(folder.iterdir()) if entry.is_dir()}
    found = {name: photos for name, photos in classes.items() if photos}
    if not found and flat:
        return {"": flat}
    if not found:
        raise DataError(f"There are no photos in {folder}, nor in folders in it.")
    return found


def _held_out(
    classes: dict[str, list[Path]], seed: int
) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    random = np.random.default_rng(seed)
    training, test = {}, {}
    for name, photos in classes.items():
        count = max(1, round(_HELD_OUT * len(photos)))
        if len(photos) <= count:
            raise DataError(f"Class {name!r} has {len(photos)} photo: two at least are needed.")
        order = random.permutation(len(photos))
        test[name] = [photos[place] for place in sorted(order[:count])]
        training[name] = [photos[place] for place in sorted(order[count:])]
    return training, test


def _items(
    classes: dict[str, list[Path]], labels: tuple[str, ...], first: int | None
) -> tuple[Item, ...]:
    return tuple(
        Item(path, None if first is None else labels.index(name))
        for name, photos in classes.items()
        for path in photos
    )


class Photos:
    """Photos as a net's input; kept decoded while they are few, read again where they are many.

    A drawn image is a crop of 35 to 100 % of the area, perhaps mirrored, its light changed by up to
    a fifth. `skipped` says which photos cannot be decoded; they are not counted.
    """

    def __init__(
        self, items: Sequence[Item], policy: InputPolicy, seed: int, cache: int = _LARGEST_CACHE
    ) -> None:
        """Take photos; raises `DataError` where none can be decoded."""
        side = max(policy.resize_shorter, policy.height)
        self._whole = InputPolicy(
            height=side, width=side, resize_shorter=side, interpolation=policy.interpolation
        )
        self._policy, self._seed = policy, seed
        self.skipped: list[str] = []
        self._items = list(items)
        self._kept: Planes | None = None
        if len(items) * 3 * side * side <= cache:
            self._keep()
        if not self._items:
            raise DataError("None of the photos can be decoded.")
        known = [item.index for item in self._items]
        self.labels: NDArray[np.int64] | None = None
        if None not in known:
            self.labels = np.array(known, np.int64)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> tuple[Item, ...]:
        """The photos that are used."""
        return tuple(self._items)

    def plain(self, indices: Sequence[int]) -> Planes:
        """Return photos as the server sees them, uint8 [len(indices), 3, height, width]."""
        return self._read(indices, self._policy)

    def draw(self, indices: Sequence[int], epoch: int) -> Planes:
        """Return random crops, uint8 [len(indices), 3, height, width]."""
        if self._kept is None:
            whole = self._read(indices, self._whole)
        else:
            whole = self._kept[np.asarray(indices)]
        draws = [np.random.default_rng([self._seed, epoch, index]).random(7) for index in indices]
        return _crop(whole, np.stack(draws), (self._policy.height, self._policy.width))

    def _keep(self) -> None:
        """Decode every photo once, and leave out those that cannot be."""
        planes = np.empty((len(self._items), 3, self._whole.height, self._whole.width), np.uint8)
        good: list[int] = []
        for part in in_parts(len(self._items)):
            for index, fault in zip(part, self._decode(part, self._whole, planes), strict=True):
                if fault is None:
                    good.append(index)
                else:
                    self.skipped.append(fault)
        self._kept = planes if len(good) == len(planes) else planes[good]
        self._items = [self._items[index] for index in good]

    def _read(self, indices: Sequence[int], policy: InputPolicy) -> Planes:
        planes = np.empty((len(indices), 3, policy.height, policy.width), np.uint8)
        for fault in self._decode(indices, policy, planes, compact=True):
            if fault is not None:
                raise DataError(f"A photo cannot be decoded: {fault}")
        return planes

    def _decode(
        self, indices: Sequence[int], policy: InputPolicy, out: Planes, compact: bool = False
    ) -> list[str | None]:
        """Decode photos into rows of `out`; return what is wrong with each, None for nothing."""

        def decode(place: tuple[int, int]) -> str | None:
            row, index = place
            path = self._items[index].path
            try:
                data = path.read_bytes()
                image_to_planes(data, policy, DecodeLimits(), out[row])
            except RequestError as error:
                return f"{path.name}: {error.detail}"
            except OSError as error:
                return f"{path.name}: {error.strerror}"
            return None

        rows = range(len(indices)) if compact else indices
        with ThreadPoolExecutor(_READERS) as readers:
            return list(readers.map(decode, zip(rows, indices, strict=True)))


def _crop(whole: Planes, draws: NDArray[np.float64], size: tuple[int, int]) -> Planes:
    """Crop, mirror and light images by seven numbers between 0 and 1 each."""
    numbers = torch.from_numpy(draws).float()
    area, aspect = 0.35 + 0.65 * numbers[:, 0], (2 * numbers[:, 1] - 1) * 0.25
    across = (area.sqrt() * aspect.exp()).clamp(max=1.0)
    down = (area.sqrt() / aspect.exp()).clamp(max=1.0)
    mirrored = torch.where(numbers[:, 4] < 0.5, -1.0, 1.0)
    none = torch.zeros(len(whole))
    # Places run from -1 to 1; a crop's middle lies where the whole crop stays inside.
    matrix = torch.stack(
        (
            torch.stack((across * mirrored, none, (2 * numbers[:, 2] - 1) * (1 - across)), 1),
            torch.stack((none, down, (2 * numbers[:, 3] - 1) * (1 - down)), 1),
        ),
        1,
    )
    grid = F.affine_grid(matrix, [len(whole), 3, *size], align_corners=False)
    image = torch.from_numpy(np.ascontiguousarray(whole)).float()
    image = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
    return _light(image, numbers[:, 5], numbers[:, 6])


def _light(image: Tensor, brightness: Tensor, contrast: Tensor) -> Planes:
    scale = (0.8 + 0.4 * brightness).view(-1, 1, 1, 1)
    spread = (0.8 + 0.4 * contrast).view(-1, 1, 1, 1)
    image = image * scale
    middle = image.mean((1, 2, 3), keepdim=True)
    planes: Planes = (
        ((image - middle) * spread + middle).round().clamp(0, 255).to(torch.uint8).numpy()
    )
    return planes
