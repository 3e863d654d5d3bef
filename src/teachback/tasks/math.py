"""MATH (Hendrycks et al., arXiv 2103.03874), tested on MATH-500 (Lightman et al., 2305.20050).

Contest problems with an answer in \\boxed{}: a formula, a set, an interval or a word, compared
by math-verify. As with GSM8K, nothing proves a new problem's answer. Some test problems have a
near twin in train (a sign or a number apart).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..files.json_rows import read_jsonl
from ..graders.math import MATH_GRADER
from ..types import Example, PositiveInt, Settings, Task
from . import rows_task
from .hub_dataset import read_hub
from .splits import SplitSizes
from .table import ExampleColumns, examples_from_rows

# Name of the local file → data set, split.
MATH_ON_HUB = {
    "math_train": ("DigitalLearningGmbH/MATH-lighteval", "train"),
    "math500_test": ("HuggingFaceH4/MATH-500", "test"),
}
MATH_INSTRUCTION = "Solve the problem step by step. Put the final answer in \\boxed{}."


class MATHSettings(Settings):
    """Contest problems from local files (math_train.jsonl, math500_test.jsonl) or from the Hub."""

    name: Literal["math"]
    # A folder with the two files; without it they come from the Hub.
    path: Path | None = None
    seeds: PositiveInt = 500
    dev: PositiveInt = 200
    # null: all of them.
    test: PositiveInt | None = None
    # Of the split.
    seed: int = 0


def load_math(
    *, path: Path | None, seeds: int, dev: int, test: int | None, seed: int
) -> Task:
    """path: a folder with math_train.jsonl and math500_test.jsonl; None reads the Hub.

    dev is set aside from train.
    """
    return rows_task.make_task_from_rows(
        read_math_rows(path, "math_train"),
        dev=None,
        test=read_math_rows(path, "math500_test"),
        sizes=SplitSizes(seeds, dev, test),
        seed=seed,
        form=rows_task.AnswerFormat(MATH_GRADER, custom_prompt=math_prompt),
        name="math",
        by=("level", "subject"),
    )


def math_prompt(question: str) -> str:
    return f"{question}\n\n{MATH_INSTRUCTION}"


def read_math_rows(path: Path | None, name: str) -> Sequence[Example]:
    if path is not None:
        rows = read_jsonl(path / f"{name}.jsonl")
        return examples_from_rows(rows, name, ExampleColumns())
    dataset, split = MATH_ON_HUB[name]
    is_test = split == "test"
    columns = ExampleColumns(
        question="problem",
        # In train the answer is what the solution has in \boxed{}.
        answer="answer" if is_test else None,
        id="unique_id",
        meta=("level", "subject" if is_test else "type"),
    )
    examples = examples_from_rows(read_hub(dataset, split), name, columns)
    return [with_local_meta_names(example) for example in examples]


def with_local_meta_names(example: Example) -> Example:
    """The Hub's meta fields as the local files have them: 3 for "Level 3", subject for type."""
    level = str(example.meta.get("level")).removeprefix("Level ")
    subject = example.meta.get("subject", example.meta.get("type"))
    meta = {"level": int(level) if level.isdigit() else None, "subject": subject}
    return replace(example, meta=meta)
