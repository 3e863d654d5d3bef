"""GSM8K (Cobbe et al., arXiv 2110.14168): grade-school word problems whose answer is one number.

Without a program that could prove a new problem's answer, a teacher's rows can only be parsed: they are unverified
unless votes or a second model agree.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..graders.number import GRADER
from ..types import Example, Task
from . import own
from .hub import read_hub
from .jsonl_file import read_jsonl
from .splits import Sizes
from .table import Columns, examples

HUB = ("openai/gsm8k", "main")
INSTRUCTION = 'Solve the problem step by step. End with a last line "Answer: <number>".'
MARKS = re.compile(r"<<[^<>]*>>")  # the calculator's notes in the published solutions


def target(example: Example) -> str | None:
    """The worked solution without the calculator's marks, ending in "Answer: …"."""
    plain = None if example.solution is None else MARKS.sub("", example.solution)
    return own.target(GRADER, replace(example, solution=plain))


def load(
    *, path: Path | None, seeds: int, dev: int, test: int | None, seed: int
) -> Task:
    """path: a folder with gsm8k_train.jsonl and gsm8k_test.jsonl; None: from the Hub. dev is set aside from train."""
    train, tests = (rows(path, split) for split in ("train", "test"))
    return own.load(
        train,
        dev=None,
        test=tests,
        sizes=Sizes(seeds, dev, test),
        seed=seed,
        form=own.Form(GRADER, own_target=target, own_prompt=prompt),
        name="gsm8k",
        by=("n_steps",),
    )


def prompt(question: str) -> str:
    return f"{question}\n\n{INSTRUCTION}"


def rows(path: Path | None, split: str) -> Sequence[Example]:
    if path is None:
        found = examples(
            read_hub(HUB[0], split, config=HUB[1]),
            f"gsm8k_{split}",
            Columns(answer=None, solution="answer"),
        )
    else:
        file = path / f"gsm8k_{split}.jsonl"
        found = examples(read_jsonl(file), str(file), Columns())
    return [replace(e, meta={**e.meta, "n_steps": steps(e)}) for e in found]


def steps(example: Example) -> int:
    """Lines of the worked solution, its last one with the answer aside."""
    return max(len((example.solution or "").strip().split("\n")) - 1, 0)
