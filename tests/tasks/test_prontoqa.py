"""ProntoQA: what is read, grading, verifying, keys, hostile text."""

import time
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exercises import BUTTERFLIES, EXAMPLE, PROOF, QUESTION, WORDS, context
from teachback.tasks.ontology import read_sentence
from teachback.tasks.prontoqa_answers import (
    format_proof_answer,
    grade_proof,
    prontoqa_key,
    verify_proof,
)
from teachback.tasks.prontoqa_exercises import generate_proof_question
from teachback.tasks.wording import plural
from teachback.types import Example

# ---- what is read


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("Each jompus is dull", "Jompuses are dull"),
        ("Every wolf is not an impus", "Wolves are not impuses"),
        ("each painted lady is a butterfly", "Painted ladies are butterflies"),
        ("Each Mersenne prime is a prime number", "Mersenne primes are prime numbers"),
        ("Every sheep is herbivorous", "Sheep are herbivorous"),
        ("Each lepidopteran is an insect", "All Lepidopterans are insects"),
        ("Every fox is a monkey", "Foxes are monkeys"),
        ("Each horse is six-legged", "Horses are six-legged"),
        ("Every knife is a hero", "Knives are heroes"),
    ],
)
def test_singular_and_plural_wordings_are_one_rule(one: str, many: str) -> None:
    assert read_sentence(one) == read_sentence(many) is not None


def test_different_sentences_stay_different() -> None:
    texts = [
        "Each can is dull",
        "Each cane is dull",
        "Each can is a dull",
        "Each can is not dull",
        "Max is dull",
        "Sam is dull",
    ]
    assert len({read_sentence(text) for text in texts} - {None}) == len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "", "is", "Max is", "is dull", "Max dull", "Each is dull", "Max is not", "Max is a",
        "Each wumpus are dull", "All wumpus is dull", "A wumpus is dull", "No wumpus is dull",
        "Max is dull and red", "If Max is dull", "Wumpuses are a tumpus",
        "Wumpuses are usually dull", "Max Sam is dull", "Max is very dull", "Max is dull!",
    ],
)  # fmt: skip
def test_other_sentences_are_not_read(text: str) -> None:
    assert read_sentence(text) is None


def test_plural_of_the_last_word() -> None:
    assert [plural(one) for one in ("prime number", "box", "city", "day", "church")] == [
        "prime numbers", "boxes", "cities", "days", "churches",
    ]  # fmt: skip


# ---- grading


@pytest.mark.parametrize(
    "proof",
    [
        PROOF,
        "Polly is a jompus. Polly is dull.",
        "Polly is a rompus.\nRompuses are jompuses.\nPolly is a jompus.\n"
        "Each jompus is dull.\nPolly is dull.",
        "Polly is hot. Polly is a jompus. Polly is a tumpus. Polly is dull",
    ],
)
def test_right_with_label_and_proof(proof: str) -> None:
    assert grade_proof(EXAMPLE, format_proof_answer(proof, "False")).outcome == "right"
    assert (
        verify_proof(QUESTION, format_proof_answer(proof, "False")).outcome == "right"
    )


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        ("", "no proof"),
        ("Polly is dull.", "one step"),
        (
            "Polly is a rompus. Every rompus is a jompus. Jompuses are dull. Polly is dull.",
            "one step",
        ),
        ("Polly is a tumpus. Polly is a jompus. Polly is dull.", "one step"),
        (
            "Polly is a yumpus. Polly is a rompus. Polly is a jompus. Polly is dull.",
            "one step",
        ),
        (
            "Polly is a jompus. Rompuses are dull. Polly is dull.",
            "not a rule of the question",
        ),
        ("Polly is a jompus. Polly is dull. Obviously.", "not a fact or a rule"),
        ("Polly is jompuses. Polly is dull.", "not a fact or a rule"),
        ("Polly is a jompus. Jompuses are dull.", "settle"),
        ("Polly is a jompus. Polly is dull. Polly is a jompus.", "settle"),
        ("Polly is a jompus. Polly is not dull.", "one step"),
        ("Max is a rompus. Max is a jompus. Max is dull.", "one step"),
        (f"{PROOF}\nAnswer: False", "not a fact or a rule"),
    ],
)
def test_right_label_with_a_bad_proof_is_wrong(proof: str, reason: str) -> None:
    found = grade_proof(EXAMPLE, format_proof_answer(proof, "False"))
    assert (found.outcome, found.answer, found.answer_right) == ("wrong", "False", True)
    assert found.reason is not None
    assert reason in found.reason


def test_wrong_label_is_wrong() -> None:
    found = grade_proof(EXAMPLE, format_proof_answer(PROOF, "True"))
    assert (found.outcome, found.answer, found.answer_right, found.reason) == (
        "wrong",
        "True",
        False,
        "the answer is False",
    )


def test_a_proof_must_imply_its_own_label() -> None:
    assert (
        grade_proof(
            replace(EXAMPLE, answer="True"), format_proof_answer(PROOF, "True")
        ).reason
        == "the proof shows False, the answer says True"
    )


@pytest.mark.parametrize(
    "text",
    [
        "", PROOF, f"{PROOF} Answer: False", f"{PROOF}\nAnswer: maybe", f"{PROOF}\nanswer: false",
        f"{PROOF}\nAnswer: False\nMore.",
        f"Answer: True\n{PROOF}\nAnswer: False", f"{PROOF} answer: true\nAnswer: False",
    ],
)  # fmt: skip
def test_no_final_answer_or_several_are_unparsed(text: str) -> None:
    assert (
        grade_proof(EXAMPLE, text).outcome
        == verify_proof(QUESTION, text).outcome
        == "unparsed"
    )
    assert not grade_proof(EXAMPLE, text).answer_right


@pytest.mark.parametrize(
    "line",
    [
        "**Answer: False**", "**Answer:** False", "Answer: **False**", "**Answer: False.**",
        "### Answer: False", "Final answer: False", "**Final Answer:** False", "> Answer: False",
        "__Answer:__ False", "Answer: `False`", 'Answer: "False"', "Answer: “False”.",
        r"Answer: \boxed{False}", r"Answer: $\boxed{\text{False}}$.", r"Answer: $\text{False}$",
        "Answer: false", "Answer: FALSE", "*Answer: False*", "Answer: False<|im_end|>",
        "***Answer:*** ***False***",
    ],
)  # fmt: skip
def test_the_label_in_the_dress_that_models_give_it(line: str) -> None:
    assert grade_proof(EXAMPLE, f"{PROOF}\n{line}").outcome == "right"
    assert verify_proof(QUESTION, f"{PROOF}\n{line}").answer == "False"
    other = (
        line.replace("False", "True").replace("false", "true").replace("FALSE", "TRUE")
    )
    assert grade_proof(EXAMPLE, f"{PROOF}\n{other}").outcome == "wrong"


@pytest.mark.parametrize(
    "line",
    [
        "Answer: False or True", "Answer: not False", "Answer: False?", "Answer: True/False",
        "**Answer:** False, maybe", "Answer: Falsehood", "No answer: False",
        "Answer: False (or not)",
        "**Answer: True**\nAnswer: False", "Answer: $\\boxed{\\text{True}}$\nAnswer: False",
        "<think>\nAnswer: False",
    ],
)  # fmt: skip
def test_a_label_with_anything_else_is_unparsed(line: str) -> None:
    assert grade_proof(EXAMPLE, f"{PROOF}\n{line}").outcome == "unparsed"


def test_whitespace_around_the_answer_does_not_matter() -> None:
    assert (
        grade_proof(EXAMPLE, f"\n {PROOF}\r\n\n  Answer:  False. \r\n\n").outcome
        == "right"
    )


def test_premises_bind_a_proof_of_irregular_nouns() -> None:
    proof = (
        "Alex is a butterfly. Each butterfly is a lepidopteran. Alex is a lepidopteran. "
        "Alex is an insect. Alex is not bony."
    )
    assert (
        verify_proof(BUTTERFLIES, format_proof_answer(proof, "False")).outcome
        == "right"
    )
    assert (
        verify_proof(
            BUTTERFLIES,
            format_proof_answer(proof.replace("Alex is an insect. ", ""), "False"),
        ).outcome
        == "wrong"
    )


# ---- verifying


@pytest.mark.parametrize(
    ("question", "outcome", "reason"),
    [
        (
            QUESTION.replace("Jompuses are dull", "Jompuses are not dull"),
            "wrong",
            "the answer is True",
        ),
        (
            QUESTION.replace("Every rompus is", "Every wumpus is"),
            "wrong",
            "does not settle",
        ),
        (
            QUESTION.replace("Tumpuses are", "Each jompus is a wumpus. Tumpuses are"),
            "wrong",
            "contradicts itself",
        ),
        (
            QUESTION.replace("Rompuses are hot", "Rompuses are hot. No rompus is dull"),
            "unparsed",
            "facts, rules",
        ),
        (
            QUESTION.replace(
                "Rompuses are hot",
                "Rompuses are hot. Max is wumpuses. Each wumpus is red",
            ),
            "unparsed",
            "facts, rules",
        ),
        (QUESTION.split("\n")[0], "unparsed", "facts, rules"),
        (f"{QUESTION} Polly is red.", "unparsed", "facts, rules"),
        (
            QUESTION.replace("Polly is not dull", "Jompuses are dull"),
            "unparsed",
            "facts, rules",
        ),
        (f"{QUESTION}\nTrue or false: Polly is red.", "unparsed", "facts, rules"),
        ("", "unparsed", "facts, rules"),
    ],
)
def test_bad_questions_are_not_trained_on(
    question: str, outcome: str, reason: str
) -> None:
    found = verify_proof(question, format_proof_answer(PROOF, "False"))
    assert found.outcome == outcome
    assert not found.answer_right
    assert reason in str(found.reason)


def test_verify_needs_no_gold_but_the_true_label() -> None:
    asked_otherwise = QUESTION.replace("Polly is not dull", "Polly is dull")
    assert (
        verify_proof(asked_otherwise, format_proof_answer(PROOF, "True")).outcome
        == "right"
    )
    assert (
        verify_proof(asked_otherwise, format_proof_answer(PROOF, "False")).reason
        == "the answer is True"
    )


def test_cyclic_rules_end() -> None:
    question = (
        "Wumpuses are tumpuses. Tumpuses are wumpuses. Max is a wumpus.\n"
        "True or false: Max is a tumpus."
    )
    assert (
        verify_proof(
            question, format_proof_answer("Max is a wumpus. Max is a tumpus.", "True")
        ).outcome
        == "right"
    )


# ---- keys


def test_key_ignores_order_wording_whitespace_and_polarity() -> None:
    rewordings = [
        QUESTION.replace(
            "Rompuses are hot. Tumpuses are impuses.",
            "Every tumpus is an impus. Each rompus is hot.",
        ),
        QUESTION.replace("\n", "  \n ").replace(". ", ".   "),
        QUESTION.replace("Polly is not dull", "Polly is dull"),
        QUESTION.replace("Rompuses are hot.", "Rompuses are hot. Rompuses are hot."),
    ]
    assert {prontoqa_key(question) for question in rewordings} == {
        prontoqa_key(QUESTION)
    }


def test_key_tells_exercises_apart() -> None:
    others = [
        QUESTION.replace("Polly", "Max"),
        QUESTION.replace("Rompuses are hot", "Rompuses are not hot"),
        QUESTION.replace("Rompuses are hot. ", ""),
        QUESTION.replace("Polly is not dull", "Polly is red"),
        QUESTION.replace("yumpus", "wumpus"),
        "What is 2 + 2?",
        "What is 2 + 3?",
    ]
    assert (
        len({prontoqa_key(question) for question in [QUESTION, *others]})
        == len(others) + 1
    )
    assert prontoqa_key(" What is\n2 + 2?") == prontoqa_key("what is 2 + 2?")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_key_is_invariant_under_shuffling_generated_premises(
    hops: int, rng: Random
) -> None:
    question = generate_proof_question(hops, rng).question
    premises = context(question)
    rng.shuffle(premises)
    assert prontoqa_key(
        ". ".join(premises) + ".\n" + question.split("\n")[1]
    ) == prontoqa_key(question)


# ---- hostile text


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join),
    st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join),
)
def test_no_text_crashes(question: str, text: str) -> None:
    for asked in (question, QUESTION, f"{question}\nTrue or false: Polly is dull."):
        assert len(prontoqa_key(asked)) == 32
        for answer in (text, f"{text}\nAnswer: True"):
            assert verify_proof(asked, answer).outcome in ("right", "wrong", "unparsed")
            assert grade_proof(Example("x", asked, "True"), answer).outcome in (
                "right",
                "wrong",
                "unparsed",
            )


@pytest.mark.parametrize(
    "unit",
    [
        ".",
        " ",
        "\n",
        "is ",
        "a",
        "Answer: ",
        "Answer: True\n",
        "True or false: ",
        "s are s. ",
        "x is not",
        "Each y is y. ",
        "\ud800",
    ],
)
def test_a_megabyte_of_anything_takes_no_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    question = f"{text}\nTrue or false: Polly is dull."
    for check in (
        lambda: verify_proof(question, PROOF),
        lambda: grade_proof(EXAMPLE, format_proof_answer(text, "False")),
        lambda: prontoqa_key(question),
    ):
        start = time.process_time()
        assert check()
        assert time.process_time() - start < 1.5


def test_work_grows_with_the_length_only() -> None:
    n = 8_000
    rules = [f"C{i}s are p. Each c{i} is a c{i + 1}." for i in range(n)]
    facts = [f"M is a c{i}." for i in range(n)]
    question = " ".join(rules) + " M is a c0.\nTrue or false: M is p."
    proof = " ".join([*facts, "M is p."])
    start = time.process_time()
    assert verify_proof(question, format_proof_answer(proof, "True")).outcome == "right"
    assert time.process_time() - start < 3
