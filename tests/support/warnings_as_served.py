"""The warning filters of a served process, which the test runner replaces by its own."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image


@contextmanager
def warnings_as_served() -> Iterator[None]:
    """Ignore what Pillow warns of, as `service.engine.decode` does at import."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
