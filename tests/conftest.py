"""What all tests share."""

from hypothesis import settings

# Property tests run the same examples every time; a slow machine is no failure.
settings.register_profile(
    "featherbox", derandomize=True, deadline=None, database=None, max_examples=60
)
settings.load_profile("featherbox")
