"""Flags that the benchmarks share, so that all are called alike."""

import argparse
import os
from pathlib import Path


def make_parser(
    text: str | None, *, rounds: int = 3, seconds: float = 4.0
) -> argparse.ArgumentParser:
    """Return a parser with the flags that every timed benchmark has.

    Args:
        text: the module's docstring.
        rounds: default number of interleaved rounds.
        seconds: default length of one measurement, s.
    """
    parser = make_small_parser(text)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    parser.add_argument(
        "--seconds", type=float, default=seconds, help=f"of one measurement, default {seconds:g}"
    )
    parser.add_argument(
        "--save", nargs="?", const="", metavar="PATH",
        help="write CSV; without a path to benchmarks/results/, named by machine and versions",
    )  # fmt: skip
    return parser


def make_small_parser(text: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows where the models are."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder = Path(os.environ.get("FEATHERBOX_MODEL_REPOSITORY", "model_repository"))
    parser.add_argument("--repository", type=Path, default=folder, help="the model repository")
    return parser


def numbers(text: str) -> list[int]:
    """Parse "1,4,16"."""
    return [int(item) for item in text.split(",") if item]


def names(text: str) -> list[str]:
    """Parse "a,b"."""
    return [item.strip() for item in text.split(",") if item.strip()]
