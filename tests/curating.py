"""What these tests share: tasks of free text, verdicts, and the real data."""

import json
from collections.abc import Sequence
from pathlib import Path

from teachback.curate import curate, make_checks, taken_keys
from teachback.types import Curated, Example, Grade, Row, Task, Verdict


def text_task(
    seeds: Sequence[str] = (), dev: Sequence[str] = (), test: Sequence[str] = ()
) -> Task:
    def examples(split: str, texts: Sequence[str]) -> tuple[Example, ...]:
        return tuple(Example(f"{split}{i}", text, "1") for i, text in enumerate(texts))

    return Task(
        name="t",
        seeds=examples("s", seeds),
        dev=examples("d", dev),
        test=examples("t", test),
        prompt=str,
        target=lambda example: None,
        grade=lambda example, text: Grade("right", text),
        verify=lambda question, text: Grade("right", text),
        exact=False,
        key=str.casefold,
    )


def verdicts(questions: Sequence[str], start: int = 0) -> list[Verdict]:
    return [
        Verdict("x", n, question, "text", "1")
        for n, question in enumerate(questions, start)
    ]


def curated(task: Task, questions: Sequence[str], rows: Sequence[Row] = ()) -> Curated:
    """One round of a run, all of whose drafts are usable."""
    seeds = [seed.question for seed in task.seeds]
    return curate(
        verdicts(questions, len(rows)),
        rows,
        key=task.key,
        taken=taken_keys(task),
        seeds=seeds,
        checks=make_checks(task),
    )


def questions(data: Path, name: str) -> dict[str, str]:
    """Of a real data file, by id."""
    lines = (data / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return {row["id"]: row["question"] for row in map(json.loads, filter(None, lines))}
