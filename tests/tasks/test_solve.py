"""Solving a ProntoQA question from its text alone."""

import os
import time
from pathlib import Path

import pytest

from teachback.files.json_rows import read_jsonl
from teachback.rng import draw
from teachback.tasks.prontoqa import solve_prontoqa
from teachback.tasks.prontoqa_answers import format_proof_answer, verify_proof
from teachback.tasks.prontoqa_exercises import CONCEPTS, generate_proof_question
from teachback.tasks.wording import plural, singular

HERE = Path(__file__).resolve().parents[2]
DATA = (
    HERE / os.environ.get("TEACHBACK_DATA", "../shared/data") / "prontoqa_train.jsonl"
)


def test_a_generated_question_is_solved_as_its_generator_solves_it() -> None:
    for i in range(200):
        rng = draw(0, 0, "solve", str(i), 0)
        made = generate_proof_question(rng.randint(1, 6), rng)
        text = solve_prontoqa(made.question)
        assert text == format_proof_answer(str(made.solution), str(made.answer))
        assert verify_proof(made.question, text).outcome == "right"


@pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA}")
def test_published_questions_are_solved() -> None:
    rows = read_jsonl(DATA)[:200]
    solved = [(row, solve_prontoqa(str(row["question"]))) for row in rows]
    assert all(
        text and verify_proof(str(row["question"]), text).outcome == "right"
        for row, text in solved
    )
    assert all(
        text and text.endswith(f"Answer: {row['answer']}") for row, text in solved
    )


@pytest.mark.parametrize(
    ("question", "text"),
    [
        (
            "Max is not red. True or false: Max is red.",
            "Max is not red.\nAnswer: False",
        ),
        (
            "MAX is a wumpus.\nTRUE OR FALSE: Max is a wumpus.",
            "MAX is a wumpus.\nAnswer: True",
        ),
        (
            "All painted ladies are sheep. Sheep are not mice. Al is a painted lady. "
            "True or false: Al is a mouse.",
            "Al is a painted lady. All painted ladies are sheep. Al is a sheep. "
            "Sheep are not mice. Al is not a mouse.\nAnswer: False",
        ),
        ("Wumpuses are red. Max is a dumpus. True or false: Max is red.", None),
        ("Max is red. Max is not red. True or false: Max is red.", None),
        ("What is 2 + 3?", None),
        ("", None),
    ],
)
def test_what_does_not_come_from_the_generator(question: str, text: str | None) -> None:
    assert solve_prontoqa(question) == text


def test_a_short_way_is_taken_through_many() -> None:
    ladder = " ".join(
        f"Every a{i} is a b{i}-{j}. Every b{i}-{j} is an a{i + 1}."
        for i in range(40)
        for j in range(8)
    )
    start = time.monotonic()
    text = solve_prontoqa(f"{ladder} Max is an a0. True or false: Max is an a40.")
    assert time.monotonic() - start < 1
    assert text is not None
    assert text.count("Max is") == 1 + 2 * 40
    loop = "Every c is a d. Every d is a c. Every d is red. Max is a c. True or false: Max is red."
    assert (
        solve_prontoqa(loop)
        == "Max is a c. Every c is a d. Max is a d. Every d is red. Max is red.\nAnswer: True"
    )


@pytest.mark.parametrize(
    "noun",
    [
        *CONCEPTS,
        "painted lady",
        "mouse",
        "sheep",
        "wolf",
        "box",
        "day",
        "church",
        "cat",
    ],
)
def test_singular_undoes_plural(noun: str) -> None:
    assert singular(plural(noun)) == noun
