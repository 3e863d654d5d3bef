"""Exercises for the tests of ProntoQA."""

import os
from collections import Counter
from itertools import chain
from pathlib import Path
from random import Random

import pytest

from teachback.rng import draw
from teachback.tasks.ontology import LogicQuestion, read_question
from teachback.tasks.prontoqa_answers import format_proof_answer
from teachback.tasks.prontoqa_exercises import generate_proof_question
from teachback.types import Example

HERE = Path(__file__).resolve().parents[1]
DATA = HERE / os.environ.get("TEACHBACK_DATA", "../shared/data")
needs_data = pytest.mark.skipif(
    not (DATA / "prontoqa_train.jsonl").exists(), reason=f"no ProntoQA files in {DATA}"
)

QUESTION = (
    "Each yumpus is not red. Rompuses are hot. Tumpuses are impuses. Every rompus is a jompus. "
    "Jompuses are tumpuses. Jompuses are dull. Yumpuses are rompuses. Wumpuses are not dull. "
    "Polly is a rompus.\n"
    "True or false: Polly is not dull."
)
PROOF = (
    "Polly is a rompus. Every rompus is a jompus. Polly is a jompus. Jompuses are dull. "
    "Polly is dull."
)
EXAMPLE = Example("one", QUESTION, "False", PROOF, {"hops": 2})

BUTTERFLIES = (
    "Each painted lady is a butterfly. Butterflies are lepidopterans. "
    "Every lepidopteran is an insect. Sheep are woolly. Insects are not bony. "
    "Alex is a painted lady.\nTrue or false: Alex is bony."
)
WORDS = (
    "Each",
    "Every",
    "All",
    "jompus",
    "jompuses",
    "tumpuses",
    "is",
    "are",
    "not",
    "a",
    "an",
    "dull",
    "Polly",
    "3",
    ".",
    "\n",
    "True or false:",
    "Answer:",
    "True",
    "False",
)


def made(n: int, purpose: str, hops: tuple[int, int] = (1, 6)) -> list[Example]:
    draws = (draw(0, 0, purpose, str(i), 0) for i in range(n))
    return [generate_proof_question(rng.randint(*hops), rng) for rng in draws]


def gold(example: Example) -> str:
    return format_proof_answer(str(example.solution), str(example.answer))


def other(label: str | None) -> str:
    return {"True": "False", "False": "True"}[str(label)]


def parsed(question: str) -> LogicQuestion:
    read = read_question(question)
    assert read is not None
    return read


def context(question: str) -> list[str]:
    return question.split("\n")[0].removesuffix(".").split(". ")


def shortcut(example: Example, rng: Random, *, most: bool = False) -> str:
    """Guess the label from one rule about the property in question.

    The rule's subject must occur elsewhere too; with `most`, it must be the one that occurs most.
    """
    question = parsed(example.question)
    terms = Counter(
        chain.from_iterable((p.subject, p.predicate) for p in question.premises)
    )
    about = sorted(
        p
        for p in question.premises
        if p.rule and p.predicate == question.query.predicate
    )
    often = max(terms[p.subject] for p in about) if most else 2
    chosen = rng.choice([p for p in about if terms[p.subject] >= often] or about)
    return str(chosen.negated == question.query.negated)


def accuracy(rows: list[Example], labels: list[str]) -> float:
    return sum(
        row.answer == label for row, label in zip(rows, labels, strict=True)
    ) / len(rows)
