"""Syllogisms of reasoning-gym whose gold answer is right, by all models of the three terms."""

import pytest

from teachback.rng import draw
from teachback.tasks.gym_datasets import open_source
from teachback.tasks.syllogisms import has_sound_syllogism, read_claims


def question(first: str, second: str, conclusion: str) -> str:
    return (
        f"Consider these statements:\n1. {first}\n2. {second}\n\n"
        f"Does it logically follow that:\n{conclusion}?\n(Answer Yes or No)"
    )


@pytest.mark.parametrize(
    ("first", "second", "conclusion", "answer"),
    [
        ("All ants are bees", "All bees are cats", "All ants are cats", "Yes"),
        ("No ants are bees", "All cats are bees", "No ants are cats", "Yes"),
        ("Some ants are bees", "All bees are cats", "Some ants are cats", "Yes"),
        ("No bees are cats", "Some ants are bees", "Some ants are not cats", "Yes"),
        ("All ants are bees", "Some bees are cats", "Some ants are cats", "No"),
        ("All ants are bees", "Some bees are not cats", "Some ants are not cats", "No"),
        ("Some ants are bees", "Some bees are cats", "Some ants are cats", "No"),
        ("No ants are bees", "Some bees are cats", "No bees are ants", "Yes"),
    ],
)
def test_what_follows_and_what_does_not(
    first: str, second: str, conclusion: str, answer: str
) -> None:
    asked = question(first, second, conclusion)
    other = "No" if answer == "Yes" else "Yes"
    assert has_sound_syllogism(asked, answer)
    assert not has_sound_syllogism(asked, other)


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_what_depends_on_whether_there_is_an_ant_has_no_answer(answer: str) -> None:
    asked = question("All ants are bees", "All bees are cats", "Some cats are ants")
    assert not has_sound_syllogism(asked, answer)
    assert not has_sound_syllogism("All ants are bees.", answer)


def test_only_sound_ones_are_drawn() -> None:
    pytest.importorskip("reasoning_gym")
    source = open_source("syllogism", {}, None)
    answers = set()
    for i in range(60):
        level = next(iter(source.datasets))
        example = source.draw(level, draw(0, 0, "test", str(i), 0)).example
        assert len(read_claims(example.question)) == 3
        assert has_sound_syllogism(example.question, str(example.answer))
        answers.add(example.answer)
    assert answers == {"Yes", "No"}
