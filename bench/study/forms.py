"""The study's second task: several skills, none of which is a matter of how hard a question is.

A proof of two hops, which the student knows how to find, is to be written in one of ten forms. The form's number stands
before the question, in words that the student has; what it means, only examples tell.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from bench.study.criteria import again
from bench.study.tasks import questions, shared_out
from teachback.criteria.evidence import Evidence
from teachback.tasks import prontoqa, prontoqa_exercises
from teachback.types import Example, Grade, Task, Written

HOPS = 2

Proof = Sequence[str]  # sentences: a fact, then a rule and a fact of each hop


def written(proof: Proof, label: str) -> str:
    return prontoqa.format_proof_answer(" ".join(proof), label)


def not_(label: str) -> str:
    return {"True": "False", "False": "True"}[label]


FORMS: Sequence[Callable[[Proof, str], str]] = [
    written,
    lambda proof, label: written(
        [one for one in proof for _ in range(2)], label
    ),  # each sentence twice
    lambda proof, label: written(proof, not_(label)),
    lambda proof, label: written(
        [*proof[:1], *proof], label
    ),  # the first sentence twice
    lambda proof, label: written(proof[:-1], label),  # without the last one
    lambda proof, label: written([*proof, *proof], label),
    lambda proof, label: written(
        [one for i, one in enumerate(proof) for _ in range(1 + i % 2)], label
    ),  # rules twice
    lambda proof, label: written(
        [one for i, one in enumerate(proof) for _ in range(2 - i % 2)], label
    ),  # facts twice
    lambda proof, label: f"{written(proof, label)}\nAnswer: {label}",
    lambda proof, label: written(
        [*proof, *proof[-1:]], label
    ),  # the last sentence twice
]


def forms(options: Mapping[str, Any], repeat: int) -> Task:
    """pool: the share of each form among the seeds. Dev and test hold each form as often. seeds, dev, test: how many.
    seed: of the questions."""
    wanted = {
        "seed": shared_out(
            {int(form): share for form, share in options["pool"].items()},
            options["seeds"],
        ),
        **{
            split: [i % len(FORMS) for i in range(options[split])]
            for split in ("dev", "test")
        },
    }
    made = questions(wanted, exercise, key, options["seed"], repeat)
    return Task(
        name="forms",
        seeds=made["seed"],
        dev=made["dev"],
        test=made["test"],
        prompt=str,
        target=lambda e: e.solution,
        grade=lambda e, text: verify(e.question, text),
        verify=verify,
        exact=True,
        key=key,
        write=write,
        templated=True,
        by=("form",),
    )


def exercise(form: int, rng: Random, hops: int = HOPS) -> Example:
    made = prontoqa_exercises.generate_proof_question(hops, rng, side_rules=False)
    text = FORMS[form](sentences(str(made.solution)), str(made.answer))
    return Example(
        "", f"The number is {form}. {made.question}", text, text, {"form": form}
    )


def sentences(text: str) -> Proof:
    return re.findall(r"[^ .][^.]*\.", text)


def parts(question: str) -> tuple[int, str]:
    """The form and the exercise."""
    head, plain = (
        question[: len("The number is 0.")],
        question[len("The number is 0. ") :],
    )
    return int(head[-2]), plain


def key(question: str) -> str:
    form, plain = parts(question)
    return f"{form} {prontoqa.prontoqa_key(plain)}"


def verify(question: str, text: str) -> Grade:
    form, plain = parts(question)
    proof, _, label = str(prontoqa.solve_prontoqa(plain)).partition("\nAnswer: ")
    right = text == FORMS[form](sentences(proof), label)
    return Grade(
        "right" if right else "wrong",
        text,
        right,
        None if right else f"not form {form} of the proof",
    )


def write(seed: Example, rng: Random) -> Written:
    """In the seed's form with probability 0.8, else in another."""
    form, _ = parts(seed.question)
    if rng.random() < 0.2:
        form = rng.choice([other for other in range(len(FORMS)) if other != form])
    made = exercise(form, rng)
    return Written(made.question, str(made.solution))


def equal_forms(
    evidence: Evidence, m: int, draws: Callable[[str], Random]
) -> list[int]:
    """As many seeds of each form, as far as there are: what could be gained by allocation alone."""
    queues: dict[object, list[int]] = {form: [] for form in range(len(FORMS))}
    for i in again(evidence, len(evidence.candidates), draws):
        queues[evidence.seeds[i].meta["form"]].append(i)
    return [queue[k] for k in range(m) for queue in queues.values() if k < len(queue)][
        :m
    ]
