"""One picture, however it is stored, has one answer: colour modes and EXIF orientations.

On the model that serves by default: the twin of a picture is the same picture as plain RGB.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.engine.artifact import LoadedModel, load_artifact
from service.engine.decode import DecodeLimits
from service.engine.session import SessionOptions
from tests.support.images import encode, stored_as
from tests.support.process import ROOT

MOST_DIFFERENCE = 0.02
CAT = Image.open(ROOT / "tests/data/cat.jpg").convert("RGB")
GREY = CAT.convert("L")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    folder: Path = ROOT / "model_repository" / "squeezenet1_1-int8" / "1"
    return load_artifact(folder, SessionOptions())


def top(model: LoadedModel, data: bytes) -> tuple[int, float]:
    best = model.classify(data, 1, DecodeLimits()).predictions[0]
    return best.index, best.probability


def agree(model: LoadedModel, data: bytes, twin: bytes) -> None:
    (index, probability), (expected, expected_probability) = top(model, data), top(model, twin)
    assert index == expected
    assert abs(probability - expected_probability) <= MOST_DIFFERENCE


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.new("L", image.size, 255))
    return image


def sixteen_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image).astype(np.uint16) * 257)


def read(data: bytes) -> Image.Image:
    """Return the picture that is left of one that was stored with losses."""
    return Image.open(BytesIO(data)).convert("RGB")


PALETTE = CAT.quantize(256)
BITS = CAT.convert("1")
CMYK = encode(CAT.convert("CMYK"), "JPEG", quality=95)
PROGRESSIVE = encode(CAT, "JPEG", quality=95, progressive=True)
MODES = {
    "L": (encode(GREY), GREY),
    "L as JPEG": (encode(GREY, "JPEG", quality=95), GREY),
    "LA": (encode(with_alpha(GREY)), GREY),
    "RGBA": (encode(with_alpha(CAT)), CAT),
    "RGBA as WebP": (encode(with_alpha(CAT), "WEBP", lossless=True), CAT),
    "P": (encode(PALETTE), PALETTE.convert("RGB")),
    "P as GIF": (encode(PALETTE, "GIF"), PALETTE.convert("RGB")),
    "P with an unused transparent entry": (
        encode(CAT.quantize(200), transparency=255), CAT.quantize(200).convert("RGB"),
    ),
    "1": (encode(BITS), BITS.convert("RGB")),
    "CMYK": (CMYK, read(CMYK)),
    "I;16": (encode(sixteen_bit(GREY)), GREY),
    "RGB as BMP": (encode(CAT, "BMP"), CAT),
    "RGB as progressive JPEG": (PROGRESSIVE, read(encode(CAT, "JPEG", quality=95))),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_every_colour_mode_has_the_answer_of_its_rgb_twin(model: LoadedModel, mode: str) -> None:
    data, twin = MODES[mode]
    agree(model, data, encode(twin.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_eight_orientations_have_one_answer(model: LoadedModel, orientation: int) -> None:
    agree(model, stored_as(CAT, orientation), encode(CAT))
