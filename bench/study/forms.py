"""The study's second task: several skills. None is harder than another.

The student knows how to find a proof of two hops. Here it writes the proof in one of ten
forms. The form's number stands before the question, in words that the student has; only
examples tell what it means.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from bench.study.criteria import queues_by, take_turns
from bench.study.tasks import levels_by_share, levels_in_turn, make_splits
from teachback.criteria.evidence import Evidence
from teachback.tasks import prontoqa, prontoqa_exercises
from teachback.types import Example, Exercise, Grade, Task

HOPS = 2
CHANGE_FORM = 0.2  # probability that a written question has another form than its seed
PREFIX = "The number is "
PREFIX_LENGTH = len(f"{PREFIX}0. ")

Proof = Sequence[str]  # sentences: a fact, then a rule and a fact of each hop


def plain(proof: Proof, label: str) -> str:
    return prontoqa.format_proof_answer(" ".join(proof), label)


def each_twice(proof: Proof, label: str) -> str:
    return plain([one for one in proof for _ in range(2)], label)


def opposite_label(proof: Proof, label: str) -> str:
    return plain(proof, {"True": "False", "False": "True"}[label])


def first_twice(proof: Proof, label: str) -> str:
    return plain([*proof[:1], *proof], label)


def without_last(proof: Proof, label: str) -> str:
    return plain(proof[:-1], label)


def whole_twice(proof: Proof, label: str) -> str:
    return plain([*proof, *proof], label)


def rules_twice(proof: Proof, label: str) -> str:
    return plain([one for i, one in enumerate(proof) for _ in range(1 + i % 2)], label)


def facts_twice(proof: Proof, label: str) -> str:
    return plain([one for i, one in enumerate(proof) for _ in range(2 - i % 2)], label)


def label_twice(proof: Proof, label: str) -> str:
    return f"{plain(proof, label)}\nAnswer: {label}"


def last_twice(proof: Proof, label: str) -> str:
    return plain([*proof, *proof[-1:]], label)


# A form's number is its place.
FORMS: Sequence[Callable[[Proof, str], str]] = (
    plain,
    each_twice,
    opposite_label,
    first_twice,
    without_last,
    whole_twice,
    rules_twice,
    facts_twice,
    label_twice,
    last_twice,
)


def forms(options: Mapping[str, Any], repeat: int) -> Task:
    """Dev and test hold each form equally often. Options:

    pool: share of each form among the seeds.
    seeds, dev, test: numbers of questions.
    seed: of the questions.
    """
    pool = {int(form): share for form, share in options["pool"].items()}
    every_form = range(len(FORMS))
    forms_by_split = {
        "seed": levels_by_share(pool, options["seeds"]),
        "dev": levels_in_turn(every_form, options["dev"]),
        "test": levels_in_turn(every_form, options["test"]),
    }
    splits = make_splits(
        forms_by_split, make_exercise, exercise_key, options["seed"], repeat
    )
    return Task(
        name="forms",
        seeds=splits["seed"],
        dev=splits["dev"],
        test=splits["test"],
        prompt=str,
        target=lambda example: example.solution,
        grade=lambda example, text: verify_form(example.question, text),
        verify=verify_form,
        exact=True,
        key=exercise_key,
        write=write_exercise,
        templated=True,
        by=("form",),
    )


def make_exercise(form: int, rng: Random, hops: int = HOPS) -> Example:
    proof = prontoqa_exercises.generate_proof_question(hops, rng, side_rules=False)
    text = FORMS[form](split_sentences(str(proof.solution)), str(proof.answer))
    question = f"{PREFIX}{form}. {proof.question}"
    return Example("", question, text, text, {"form": form})


def split_sentences(text: str) -> Proof:
    return re.findall(r"[^ .][^.]*\.", text)


def split_question(question: str) -> tuple[int, str]:
    """The form, and the ProntoQA question."""
    return int(question[len(PREFIX)]), question[PREFIX_LENGTH:]


def exercise_key(question: str) -> str:
    form, rest = split_question(question)
    return f"{form} {prontoqa.prontoqa_key(rest)}"


def verify_form(question: str, text: str) -> Grade:
    form, rest = split_question(question)
    solution = str(prontoqa.solve_prontoqa(rest))
    proof, _, label = solution.partition("\nAnswer: ")
    if text == FORMS[form](split_sentences(proof), label):
        return Grade("right", text, True)
    return Grade("wrong", text, False, f"not form {form} of the proof")


def write_exercise(seed: Example, rng: Random) -> Exercise:
    """In the seed's form with probability 0.8, else in another."""
    form, _ = split_question(seed.question)
    if rng.random() < CHANGE_FORM:
        form = rng.choice([other for other in range(len(FORMS)) if other != form])
    example = make_exercise(form, rng)
    return Exercise(example.question, str(example.solution))


def equal_forms(
    evidence: Evidence, m: int, draws: Callable[[str], Random]
) -> list[int]:
    """As many seeds of each form, as long as there are any.

    What could be gained by allocation alone.
    """
    queues = queues_by(evidence, "form", draws)
    return take_turns([queues.get(form, []) for form in range(len(FORMS))], m)
