"""GSM8K (Cobbe et al., arXiv 2110.14168): grade-school word problems with one number as answer.

No program can prove a new problem's answer, so a teacher's rows can only be parsed. They are
unverified unless votes or a second model agree.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..files.json_rows import read_jsonl
from ..graders.number import NUMBER_GRADER
from ..types import Example, PositiveInt, Settings, Task
from . import rows_task
from .hub_dataset import read_hub
from .splits import SplitSizes
from .table import ExampleColumns, examples_from_rows

GSM8K_ON_HUB = ("openai/gsm8k", "main")  # data set, configuration
GSM8K_INSTRUCTION = (
    'Solve the problem step by step. End with a last line "Answer: <number>".'
)
# "<<48/2=24>>" in the published solutions is for a calculator.
CALCULATOR_NOTES = re.compile(r"<<[^<>]*>>")


def gsm8k_target(example: Example) -> str | None:
    """The worked solution without calculator notes, ending in "Answer: …"."""
    if example.solution is not None:
        solution = CALCULATOR_NOTES.sub("", example.solution)
        example = replace(example, solution=solution)
    return rows_task.solution_target(NUMBER_GRADER, example)


class GSM8KSettings(Settings):
    """Word problems from local files (gsm8k_train.jsonl, gsm8k_test.jsonl) or from the Hub."""

    name: Literal["gsm8k"]
    # A folder with the two files; without it they come from the Hub.
    path: Path | None = None
    seeds: PositiveInt = 500
    dev: PositiveInt = 200
    # null: all of them.
    test: PositiveInt | None = None
    # Of the split.
    seed: int = 0


def load_gsm8k(
    *, path: Path | None, seeds: int, dev: int, test: int | None, seed: int
) -> Task:
    """path: a folder with gsm8k_train.jsonl and gsm8k_test.jsonl; None reads the Hub.

    dev is set aside from train.
    """
    return rows_task.make_task_from_rows(
        read_gsm8k_rows(path, "train"),
        dev=None,
        test=read_gsm8k_rows(path, "test"),
        sizes=SplitSizes(seeds, dev, test),
        seed=seed,
        form=rows_task.AnswerFormat(
            NUMBER_GRADER,
            custom_target=gsm8k_target,
            custom_prompt=gsm8k_prompt,
        ),
        name="gsm8k",
        by=("n_steps",),
    )


def gsm8k_prompt(question: str) -> str:
    return f"{question}\n\n{GSM8K_INSTRUCTION}"


def read_gsm8k_rows(path: Path | None, split: str) -> Sequence[Example]:
    if path is None:
        dataset, config = GSM8K_ON_HUB
        rows = read_hub(dataset, split, config=config)
        columns = ExampleColumns(answer=None, solution="answer")
        examples = examples_from_rows(rows, f"gsm8k_{split}", columns)
    else:
        file = path / f"gsm8k_{split}.jsonl"
        examples = examples_from_rows(read_jsonl(file), str(file), ExampleColumns())
    return [replace(e, meta={**e.meta, "n_steps": solution_steps(e)}) for e in examples]


def solution_steps(example: Example) -> int:
    """Lines of the worked solution, without its last one, which has the answer."""
    lines = (example.solution or "").strip().split("\n")
    return max(len(lines) - 1, 0)
