"""MATH (Hendrycks et al., arXiv 2103.03874), tested on MATH-500 (Lightman et al., arXiv 2305.20050).

Contest problems with an answer in \\boxed{}: a formula, a set, an interval or a word, compared by math-verify. As with
GSM8K, nothing proves a new problem's answer. Some test problems have a near twin in train (a sign or a number apart).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..graders.math import GRADER
from ..types import Example, Task
from . import own
from .hub import read_hub
from .jsonl_file import read_jsonl
from .splits import Sizes
from .table import Columns, examples

HUB = {
    "math_train": ("DigitalLearningGmbH/MATH-lighteval", "train"),
    "math500_test": ("HuggingFaceH4/MATH-500", "test"),
}
INSTRUCTION = "Solve the problem step by step. Put the final answer in \\boxed{}."


def load(
    *, path: Path | None, seeds: int, dev: int, test: int | None, seed: int
) -> Task:
    """path: a folder with math_train.jsonl and math500_test.jsonl; None: from the Hub. dev is set aside from train."""
    train, tests = (rows(path, name) for name in HUB)
    return own.load(
        train,
        dev=None,
        test=tests,
        sizes=Sizes(seeds, dev, test),
        seed=seed,
        form=own.Form(GRADER, own_prompt=prompt),
        name="math",
        by=("level", "subject"),
    )


def prompt(question: str) -> str:
    return f"{question}\n\n{INSTRUCTION}"


def rows(path: Path | None, name: str) -> Sequence[Example]:
    if path is not None:
        return examples(read_jsonl(path / f"{name}.jsonl"), name, Columns())
    dataset, split = HUB[name]
    answer = (
        "answer" if split == "test" else None
    )  # of train: what its solution has in \\boxed{}
    subject = "subject" if split == "test" else "type"
    columns = Columns("problem", answer, id="unique_id", meta=("level", subject))
    return [renamed(e) for e in examples(read_hub(dataset, split), name, columns)]


def renamed(example: Example) -> Example:
    """Both of the Hub's data sets with the meta fields of the local files: level 3 for "Level 3", subject for type."""
    level = str(example.meta.get("level")).removeprefix("Level ")
    subject = example.meta.get("subject", example.meta.get("type"))
    return replace(
        example,
        meta={"level": int(level) if level.isdigit() else None, "subject": subject},
    )
