"""Lengths in tokens, from lengths in bytes.

An English token rarely has more than 5 bytes, and rarely fewer than 2.5. The low end of
an estimate divides by the one, the high end by the other.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from ..types import Example

MAX_TOKEN_BYTES = 5.0
MIN_TOKEN_BYTES = 2.5
# The low end of a solution, where no seed has one
DEFAULT_SOLUTION_TOKENS = 50


class SeedLengths(NamedTuple):
    """The seeds' mean lengths in tokens, at the low end."""

    question: float
    solution: float


def byte_length(text: str | None) -> int:
    return len((text or "").encode("utf-8", "replace"))


def mean_question_bytes(examples: Sequence[Example]) -> float:
    return fmean(byte_length(example.question) for example in examples)


def low_seed_lengths(seeds: Sequence[Example]) -> SeedLengths:
    question = mean_question_bytes(seeds) / MAX_TOKEN_BYTES
    solutions = [byte_length(seed.solution) for seed in seeds if seed.solution]
    if not solutions:
        return SeedLengths(question, DEFAULT_SOLUTION_TOKENS)
    return SeedLengths(question, fmean(solutions) / MAX_TOKEN_BYTES)


def mean_of_longest(lengths: Sequence[int], n: int) -> float:
    """The mean of the n longest."""
    return fmean(sorted(lengths, reverse=True)[:n])
