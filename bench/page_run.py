"""A run of thousands of rows for `python -m bench page`: real but for its student and questions.

The loop, ledger, curation and files are those of any run (`teachback.testing`).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from teachback.graders.number import NUMBER_GRADER
from teachback.rng import draw
from teachback.testing import fake_run
from teachback.types import Example, Exercise, Grade, Task

SOUNDS = ("ba", "ken", "li", "mor", "nu", "pas", "ri", "sto", "te", "van")
N_WORDS = 5000


def make_run(
    folder: Path, *, rounds: int, per_round: int, question_words: int, answer_words: int
) -> None:
    options = {
        "seeds": 2 * per_round,
        "question_words": question_words,
        "answer_words": answer_words,
    }
    task = {"name": "own", "function": f"{__file__}:make_sums", "options": options}
    fake_run(folder, rounds=rounds, per_round=per_round, task=task)


def make_sums(options: Mapping[str, Any], repeat: int) -> Task:
    """Sums among words of no meaning. A fifth of the exercises is refused, as if it were wrong."""

    def write(seed: Example | None, random: Random) -> Exercise:
        a, b = random.randrange(10_000), random.randrange(10_000)
        question = f"{write_words(random, options['question_words'])}. {a} + {b} = ?"
        answer = f"{write_words(random, options['answer_words'])}.\nAnswer: {a + b}"
        return Exercise(question, answer, str(a + b))

    def make_examples(split: str, n: int) -> tuple[Example, ...]:
        written = [write(None, draw(0, repeat, split, "", i)) for i in range(n)]
        return tuple(
            Example(f"{split}-{i:05d}", one.question, one.answer, one.text)
            for i, one in enumerate(written)
        )

    return Task(
        name="sums",
        seeds=make_examples("seed", options["seeds"]),
        dev=make_examples("dev", 20),
        test=(),
        prompt=str,
        target=lambda example: example.solution,
        grade=NUMBER_GRADER.grade,
        verify=verify_sum,
        exact=True,
        key=str,
        write=write,
        templated=True,
    )


def write_words(random: Random, n: int) -> str:
    """The first of all the words are the most common ones, as in a language."""
    numbers = [int(N_WORDS * random.random() ** 3) for _ in range(n)]
    return " ".join(map(write_word, numbers))


def write_word(number: int) -> str:
    return "".join(SOUNDS[int(digit)] for digit in str(number))


def verify_sum(question: str, text: str) -> Grade:
    a, b = map(int, re.findall(r"(\d+) \+ (\d+)", question)[0])
    if (a + b) % 5 == 0:
        return Grade("wrong", str(a + b), reason="so says the bench")
    return NUMBER_GRADER.grade(Example("", question, str(a + b)), text)
