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
# The low end of a solution if no seed has one
DEFAULT_SOLUTION_TOKENS = 50


class SeedLengths(NamedTuple):
    """The seeds' mean lengths in tokens, at the low end."""

    question: float
    solution: float


def count_text_bytes(text: str | None) -> int:
    return len((text or "").encode("utf-8", "replace"))


def average_question_bytes(examples: Sequence[Example]) -> float:
    return fmean(count_text_bytes(example.question) for example in examples)


def estimate_low_lengths(seeds: Sequence[Example]) -> SeedLengths:
    question = average_question_bytes(seeds) / MAX_TOKEN_BYTES
    solutions = [count_text_bytes(seed.solution) for seed in seeds if seed.solution]
    if not solutions:
        return SeedLengths(question, DEFAULT_SOLUTION_TOKENS)
    return SeedLengths(question, fmean(solutions) / MAX_TOKEN_BYTES)


def average_longest(lengths: Sequence[int], n: int) -> float:
    """The mean of the n longest."""
    return fmean(sorted(lengths, reverse=True)[:n])
