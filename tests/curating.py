"""What these tests share: tasks of free text, verdicts, and the real data."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from teachback.curate.near_duplicates import NearDuplicate, NearDuplicateIndex
from teachback.curate.training_rows import curate_rows, forbidden_keys, make_row_checks
from teachback.types import Curation, Example, Grade, Row, Task, Verdict


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


def curate_round(
    task: Task, questions: Sequence[str], rows: Sequence[Row] = ()
) -> Curation:
    """One round of a run, all of whose drafts are usable."""
    return curate_rows(
        verdicts(questions, len(rows)),
        rows,
        key=task.key,
        forbidden=forbidden_keys(task),
        seeds=task.seeds,
        checks=make_row_checks(task),
    )


def deduplicate(
    index: NearDuplicateIndex, labels: Sequence[str], texts: Sequence[str]
) -> Iterator[list[NearDuplicate]]:
    """The duplicates of each text in order. A text without any is added to the index."""
    for label, sketch in zip(labels, index.sketch(texts), strict=True):
        duplicates = index.find_duplicates(sketch)
        if not duplicates:
            index.add(label, sketch)
        yield duplicates


def questions(data: Path, name: str) -> dict[str, str]:
    """The questions of a real data file, by id."""
    lines = (data / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return {row["id"]: row["question"] for row in map(json.loads, filter(None, lines))}
