"""What all tests share."""

import os

from hypothesis import settings

# Settings of whoever runs the tests are not what is tested.
for name in [name for name in os.environ if name.startswith("FEATHERBOX_")]:
    del os.environ[name]

# Property tests run the same examples every time; a slow machine is no failure.
settings.register_profile(
    "featherbox", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("featherbox")
