"""ProntoQA (Saparov & He, arXiv 2210.01240): is a statement true, given facts and rules?

The answer carries its proof. A label alone says little: every published file gives its labels
away without reasoning. So an answer is right when its label is right *and* its proof is valid,
sentence by sentence. A hop is one use of a rule.

The task is `templated`: all questions are made of the same few sentences, so every row shares 8
words with one of test. Only `prontoqa_key`, which reads premises and query, tells exercises
apart.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..errors import ConfigError, DataError
from ..files.json_rows import read_jsonl
from ..rng import draw
from ..types import Example, Exercise, PositiveInt, Settings, Task
from .ontology import Decision, decide_question, read_question
from .prontoqa_answers import (
    format_proof_answer,
    grade_proof,
    prontoqa_key,
    proof_target,
    verify_proof,
)
from .prontoqa_exercises import HOPS_RANGE, generate_proof_question
from .proof import write_proof


def prontoqa_prompt(question: str) -> str:
    """The last line tells the graded form; an untuned student could not know it."""
    return f'{question}\nGive the proof, then "Answer: True" or "Answer: False".'


def solve_prontoqa(question: str) -> str | None:
    """The text that answers a question: a shortest proof in the data set's wording, the label.

    None if the question can't be read, decides nothing or contradicts itself.
    """
    logic_question = read_question(question)
    if logic_question is None:
        return None
    label = decide_question(logic_question).label
    if label is None:
        return None
    text = format_proof_answer(write_proof(logic_question, question), label)
    return text if verify_proof(question, text).outcome == "right" else None


def write_prontoqa(
    seed: Example,
    rng: Random,
    *,
    within: tuple[int, int] = HOPS_RANGE,
    side_rules: bool = True,
) -> Exercise:
    """An exercise with the seed's hops (probability 0.6), or one fewer or more (0.2 each).

    Hops are clipped to `within`. The seed's hops are its meta["hops"], or else what its question
    takes. Raises DataError if neither tells.
    """
    hops = seed_hops(seed) + rng.choices((0, -1, 1), (0.6, 0.2, 0.2))[0]
    hops = min(max(hops, within[0]), within[1])
    exercise = generate_proof_question(hops, rng, side_rules=side_rules)
    text = format_proof_answer(str(exercise.solution), str(exercise.answer))
    return Exercise(exercise.question, text)


def seed_hops(seed: Example) -> int:
    hops = seed.meta.get("hops")
    if isinstance(hops, int) and not isinstance(hops, bool):
        return hops
    logic_question = read_question(seed.question)
    decision = decide_question(logic_question) if logic_question else Decision(None)
    if decision.label is None:
        raise DataError(
            f"seed {seed.id}: its question can't be read or solved",
            fix='give meta["hops"], or leave it out',
        )
    return decision.hops


class ProntoQASettings(Settings):
    """Fictional ontologies, made by teachback, or read from a folder with the real files."""

    name: Literal["prontoqa"]
    # A folder with prontoqa_train.jsonl; without it the questions are generated.
    path: Path | None = None
    # The fewest and the most hops, as in [1, 3].
    hops: tuple[
        Annotated[int, Field(ge=1, le=6)], Annotated[int, Field(ge=1, le=6)]
    ] = (1, 3)
    seeds: PositiveInt = 64
    dev: PositiveInt = 100
    test: PositiveInt = 200
    # Of the generated questions.
    seed: int = 0

    @model_validator(mode="after")
    def _check_order(self) -> "ProntoQASettings":
        if self.hops[0] > self.hops[1]:
            raise ValueError(
                f"hops goes from the fewest to the most, as in [1, 3]; got {list(self.hops)}"
            )
        return self


def load_prontoqa(
    *,
    path: Path | None,
    hops: tuple[int, int],
    seeds: int,
    dev: int,
    test: int,
    seed: int,
    repeat: int = 0,
) -> Task:
    """The task, with splits of the given sizes that share no key.

    path: the folder with prontoqa_train.jsonl. All splits come from its rows with shuffled
    premises, by a hash of (seed, key): the file's order doesn't matter, and the sizes of seeds
    and test don't change each other's rows. Without a path, exercises are generated, with
    uniform hops.
    hops: fewest and most, both included.
    repeat: of a comparison. If exercises are generated, each repeat has its own test set, and
    all have the same seeds and dev.

    Raises DataError for rows that are bad or too few, ConfigError for impossible hops.
    """
    sizes = {"test": test, "dev": dev, "seed": seeds}
    if path is None:
        splits = _generate_splits(hops, sizes, seed, repeat)
    else:
        splits = _split_file(path / "prontoqa_train.jsonl", hops, sizes, seed)
    return Task(
        name="prontoqa",
        seeds=splits["seed"],
        dev=splits["dev"],
        test=splits["test"],
        prompt=prontoqa_prompt,
        target=proof_target,
        grade=grade_proof,
        verify=verify_proof,
        exact=True,
        key=prontoqa_key,
        write=write_prontoqa,
        templated=True,
        by=("hops",),
    )


def _generate_splits(
    hops: tuple[int, int],
    sizes: Mapping[str, int],
    seed: int,
    repeat: int,
) -> dict[str, tuple[Example, ...]]:
    if not HOPS_RANGE[0] <= hops[0] <= hops[1] <= HOPS_RANGE[1]:
        raise ConfigError(
            "prontoqa: hops can't be generated",
            got=list(hops),
            allowed=f"fewest, most within {list(HOPS_RANGE)}",
        )
    used_keys = set[str]()

    def generate_new(split: str, i: int, repeat: int) -> Example:
        k = 0
        while True:
            rng = draw(seed, repeat, f"prontoqa/{split}", str(i), k)
            example = generate_proof_question(rng.randint(*hops), rng)
            key = prontoqa_key(example.question)
            if key not in used_keys:
                used_keys.add(key)
                return example
            k += 1

    def generate_split(split: str, size: int, repeat: int) -> tuple[Example, ...]:
        suffix = f"-{repeat}" if repeat else ""
        rows = []
        for i in range(size):
            id = f"prontoqa-{split}{suffix}-{i:04d}"
            rows.append(replace(generate_new(split, i, repeat), id=id))
        return tuple(rows)

    splits = {split: generate_split(split, size, 0) for split, size in sizes.items()}
    if repeat != 0:  # drawn last, so that seeds and dev are those of repeat 0
        splits["test"] = generate_split("test", sizes["test"], repeat)
    return splits


def _split_file(
    file: Path,
    hops: tuple[int, int],
    sizes: Mapping[str, int],
    seed: int,
) -> dict[str, tuple[Example, ...]]:
    rows = [
        read_prontoqa_row(row, f"{file}, object {number}")
        for number, row in enumerate(read_jsonl(file), start=1)
    ]
    if len({row.id for row in rows}) < len(rows):
        raise DataError(
            f"{file}: two rows have the same id",
            fix="number the rows anew",
        )

    by_key = {}
    for row in sorted(rows, key=lambda row: row.id, reverse=True):
        is_shuffled = row.meta["ordering"] == "random"
        if is_shuffled and row.meta["hops"] in range(hops[0], hops[1] + 1):
            by_key[prontoqa_key(row.question)] = (
                row  # the last one stays: the first by id
            )

    def random_place(key: str) -> float:
        return draw(seed, 0, "prontoqa/split", key, 0).random()

    unique = [by_key[key] for key in sorted(by_key, key=random_place)]
    n_needed = sum(sizes.values())
    if n_needed > len(unique):
        raise DataError(
            f"{file}: too few rows of {hops[0]} to {hops[1]} hops with shuffled premises",
            got=f"{len(unique)} different ones, {n_needed} wanted ({dict(sizes)})",
            fix="smaller splits, other hops, or no path (rows are then generated)",
        )
    # Test and dev come from the front and seeds from the back, so that a larger test doesn't
    # change the seeds.
    test_end = sizes["test"]
    dev_end = test_end + sizes["dev"]
    from_back = unique[::-1]
    return {
        "test": tuple(unique[:test_end]),
        "dev": tuple(unique[test_end:dev_end]),
        "seed": tuple(from_back[: sizes["seed"]]),
    }


def read_prontoqa_row(row: Mapping[str, object], where: str) -> Example:
    """A row of the published files as an example. Raises DataError for any other row."""
    texts = [row.get(field) for field in ("id", "question", "answer", "solution")]
    meta = row.get("meta")
    has_texts = all(isinstance(text, str) for text in texts)
    has_label = texts[2] in ("True", "False")
    has_meta = isinstance(meta, dict) and {"hops", "ordering"} <= meta.keys()
    if not has_texts or not has_label or not has_meta:
        raise DataError(
            f"{where}: not a row of ProntoQA",
            got=str(row)[:200],
            allowed='texts id, question and solution, answer "True" or "False", '
            "meta with hops and ordering",
        )
    assert isinstance(meta, dict)
    id, question, answer, solution = map(str, texts)
    return Example(id, question, answer, solution, meta)
