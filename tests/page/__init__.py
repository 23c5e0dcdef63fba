"""The page in a real browser: `make test-page`, not part of `make test`."""
