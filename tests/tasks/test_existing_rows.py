"""Rows the user already has: the order of their file means nothing, contradictions are left out."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curating import text_task
from teachback.tasks.conflicts import drop_conflicts
from teachback.tasks.existing_rows import read_existing_rows
from teachback.tasks.file_task import read_reserve
from teachback.teachers.pool import keep_unknown_rows
from teachback.types import Example

ROWS: list[dict[str, object]] = [
    *({"question": f"question {i}", "answer": str(i)} for i in range(9)),
    {"question": "question 1", "answer": "1"},
    {"question": "question 2", "answer": "2.0", "text": "Answer: 2"},
    {"question": "Question 3", "answer": "4"},
    {"question": "question 4", "text": "another text", "answer": "4"},
    {"id": "own", "question": "question 5", "answer": "5"},
    {"question": "question 6", "text": "without an answer"},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def target(example: Example) -> str | None:
    return None if example.answer is None else f"Answer: {example.answer}"


@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_file_gives_the_same_rows(tmp_path: Path, seed: int) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)
    rows = read_existing_rows(path, target)
    write(path, Random(seed).sample(ROWS, len(ROWS)))
    assert read_existing_rows(path, target) == rows
    ids = [row.id for row in rows]
    assert len(ids) == len(set(ids)) == len(ROWS) - 2
    assert "given-own" in ids


def test_rows_that_contradict_each_other_are_left_out_and_told(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)
    notes: list[str] = []
    rows = read_existing_rows(path, target, notes.append)
    assert not any(row.question.lower() == "question 3" for row in rows)
    (note,) = notes
    assert note.startswith(
        f"2 rows of {path} are left out: they answer the same question"
    )


def test_the_reserve_of_a_shuffled_file_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    kept = set()
    for seed in range(5):
        write(path, Random(seed).sample(ROWS[:9], 9))
        task = replace(text_task(), target=target)
        rows = read_reserve(path, None, task)
        kept.add(keep_unknown_rows(Random(seed).sample(rows, len(rows)), {}, group_key))
    assert len(kept) == 1


def group_key(question: str) -> str:
    """So that many rows are one exercise, of which one is kept."""
    return str(int(question[-1]) % 3)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "1", "1.0", "2"])))
)
def test_a_question_keeps_all_of_its_rows_or_none(
    pairs: list[tuple[str, str | None]],
) -> None:
    rows = [Example(str(i), q, a) for i, (q, a) in enumerate(pairs)]
    kept, dropped = drop_conflicts(rows, str)
    assert sorted([*kept, *dropped], key=rows.index) == rows
    assert not {e.question for e in kept} & {e.question for e in dropped}
    for question in "ab":
        values = {float(a) for q, a in pairs if q == question and a}
        assert (question in {e.question for e in dropped}) == (len(values) > 1)
