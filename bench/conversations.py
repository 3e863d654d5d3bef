"""The questions and solutions that the benchmarks of the student engine read."""

from collections.abc import Iterable, Sequence
from itertools import chain

from bench.data import read_rows
from teachback.student.chat import Chat

FILES = ("gsm8k_train.jsonl", "prontoqa_train.jsonl")
CHAT = Chat("Reason step by step.")

# (question, solution)
Pair = tuple[str, str]


def read_pairs(name: str, count: int, answer_field: str = "solution") -> list[Pair]:
    """The first pairs of a file."""
    return [(row["question"], row[answer_field]) for row in read_rows(name, count)]


def first_pairs(count: int) -> list[Pair]:
    """The first `count` pairs of each file, file by file."""
    return [pair for name in FILES for pair in read_pairs(name, count)]


def alternate(files: Iterable[Sequence[Pair]]) -> list[Pair]:
    """The files' pairs by turns."""
    return [*chain.from_iterable(zip(*files, strict=True))]
