"""A task whose texts would run as script, or hide others, if a page took them for markup."""

from collections.abc import Mapping
from random import Random
from typing import Any

from teachback.graders.number import NUMBER_GRADER
from teachback.types import Example, Exercise, Grade, Task

HOSTILE = (
    "</script><script>document.title='1'</script>",
    "<img src=x onerror=\"document.title='2'\">",
    "<a href='https://evil.example/?leak'>click</a>",
    "<svg onload=document.title='4'>",
    "<!--<script>",
    "\u202egnp.exe\u0007 \u2028",
)


def make_hostile_sums(options: Mapping[str, Any], repeat: int) -> Task:
    def write(seed: Example | None, random: Random) -> Exercise:
        a, b = random.randrange(1000), random.randrange(1000)
        question = f"{random.choice(HOSTILE)} {a} + {b} = ?"
        return Exercise(question, f"{random.choice(HOSTILE)}\nAnswer: {a + b}")

    def make_example(split: str, i: int) -> Example:
        written = write(None, Random(f"{split} {i}"))
        answer = written.text.rpartition(" ")[2]
        return Example(f"{split}<b>{i}", written.question, answer, written.text)

    def verify(question: str, text: str) -> Grade:
        a, _, b, *_ = question.split(" ")[-5:]
        if int(a) % 3 == 0:
            return Grade("wrong", reason=f"{HOSTILE[0]} {a}")
        return NUMBER_GRADER.grade(Example("", question, str(int(a) + int(b))), text)

    return Task(
        name="hostile",
        seeds=tuple(make_example("seed", i) for i in range(options["seeds"])),
        dev=tuple(make_example("dev", i) for i in range(5)),
        test=(),
        prompt=str,
        target=lambda example: example.solution,
        grade=NUMBER_GRADER.grade,
        verify=verify,
        exact=True,
        key=str,
        write=write,
        templated=True,
    )
