"""A task for runs of a tiny student that end in a way that is known: made by `options`."""

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from teachback.types import Example, Exercise, Grade, Task


def make_sums(options: Mapping[str, Any], repeat: int) -> Task:
    """Questions such as "q12", whose answer is "=7".

    options: digits, the answer's length, of which 1 is always 7, and more are by chance. n: dev
    questions. solutions: whether they have a gold solution. refuse: the share of drafts that are
    refused. mark: what an answer
    to dev must begin with.
    """
    digits, mark = options.get("digits", 1), options.get("mark", "=")
    refused = options.get("refuse", 0.0)

    def answer_to(question: str) -> str:
        chance = Random(question)
        return (
            "7"
            if digits == 1
            else str(chance.randrange(10 ** (digits - 1), 10**digits))
        )

    def example(name: str, i: int) -> Example:
        question = f"q{i}"
        return Example(f"{name}{i}", question, answer_to(question))

    def grade(item: Example, text: str) -> Grade:
        wanted = mark if item.id.startswith("dev") else "="
        found = re.search(rf"{wanted}(\d+)$", text)
        if found is None:
            return Grade("unparsed", reason=f"no mark: {wanted}")
        if found[1] != item.answer:
            return Grade("wrong", found[1], reason=f"{found[1]} is not {item.answer}")
        return Grade("right", found[1], True)

    def verify(question: str, text: str) -> Grade:
        if Random(f"refuse {question}").random() < refused:
            return Grade("wrong", reason="so says the test")
        return Grade("right", text.removeprefix("="))

    def write(seed: Example, random: Random) -> Exercise:
        question = f"q{random.randrange(1000, 9999)}"
        answer = answer_to(question)
        return Exercise(question, f"={answer}", answer)

    n_dev = options.get("n", 40)
    return Task(
        name="sums",
        seeds=tuple(example("seed", i) for i in range(12)),
        dev=tuple(example("dev", 100 + i) for i in range(n_dev)),
        test=(),
        prompt=lambda question: question,
        target=lambda item: (
            f"={item.answer}" if options.get("solutions", True) else None
        ),
        grade=grade,
        verify=verify,
        exact=True,
        key=lambda question: question,
        write=write,
        templated=True,
    )
