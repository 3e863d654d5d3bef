"""Answers as models write them, and what each grader must not believe.

`answers.jsonl` has one answer a line: the kind of trap, the grader, the gold answer, the text and
what is expected. "not_right" is wrong or unparsed, "not_wrong" is right or unparsed. A line with
"policy" could be decided otherwise; docs/tasks.md says how it was.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from teachback.tasks.answer_formats import ANSWER_FORMATS
from teachback.types import Example

LINES = Path(__file__).with_name("answers.jsonl").read_text("utf-8").split("\n")
ROWS = [json.loads(line) for line in LINES if line]
ALLOWED = {
    "right": {"right"},
    "not_right": {"wrong", "unparsed"},
    "not_wrong": {"right", "unparsed"},
}


def outcome(row: dict[str, Any]) -> str:
    grader = ANSWER_FORMATS[row["grader"]].grader
    question = row.get("question", "How much is it?")
    return str(grader.grade(Example("x", question, row["gold"]), row["answer"]).outcome)


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in ROWS}))
def test_answers(kind: str) -> None:
    if any(row["grader"] == "math" for row in ROWS if row["kind"] == kind):
        pytest.importorskip("math_verify")
    misjudged = [
        (row["grader"], row["gold"], row["answer"], outcome(row))
        for row in ROWS
        if row["kind"] == kind and outcome(row) not in ALLOWED[row["expected"]]
    ]
    assert misjudged == []
