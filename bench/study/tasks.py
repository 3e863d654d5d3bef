"""The study's tasks, as a config names them: task: {name: own, function: bench/study/tasks.py:proofs, options: …}.

Each repeat has a pool, a dev and a test set of its own. Dev and test hold as many questions of each level, so that the
accuracy on any mixture of levels can be read off them.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random
from typing import Any

from teachback.rng import draw
from teachback.tasks import prontoqa, prontoqa_exercises
from teachback.types import Example, Grade, Task, Written

HASHED = 0  # the level of questions that have an answer and nothing to be learned: it is a hash


def proofs(options: Mapping[str, Any], repeat: int) -> Task:
    """ProntoQA by hops. pool: the share of each number of hops among the seeds, hops 0 being answers that are hashes.
    levels: hops of dev and test, each as often. seeds, dev, test: how many. seed: of the questions."""
    levels: list[int] = options["levels"]
    wanted = {
        "seed": shared_out(
            {int(hops): share for hops, share in options["pool"].items()},
            options["seeds"],
        ),
        **{
            split: [levels[i % len(levels)] for i in range(options[split])]
            for split in ("dev", "test")
        },
    }
    made = questions(wanted, proof, key, options["seed"], repeat)
    return Task(
        name="proofs",
        seeds=made["seed"],
        dev=made["dev"],
        test=made["test"],
        prompt=str,
        target=lambda e: e.solution if e.meta["hops"] == HASHED else prontoqa.proof_target(e),
        grade=grade,
        verify=verify,
        exact=True,
        key=key,
        write=partial(write, (min(levels), max(levels))),
        templated=True,
        by=("hops",),
    )


def questions(
    wanted: Mapping[str, Sequence[int]],
    make: Callable[[int, Random], Example],
    key: Callable[[str], str],
    seed: int,
    repeat: int,
) -> dict[str, tuple[Example, ...]]:
    """Of each split, one of each of the levels wanted, all of them different."""
    seen, splits = set[str](), dict[str, tuple[Example, ...]]()
    for split, levels in wanted.items():
        rows = []
        for i, level in enumerate(levels):
            draws = (draw(seed, repeat, f"study/{split}", str(i), k) for k in count())
            row = next(
                e
                for e in (make(level, rng) for rng in draws)
                if key(e.question) not in seen
            )
            seen.add(key(row.question))
            rows.append(replace(row, id=f"{split}-{repeat}-{i:04d}"))
        splits[split] = tuple(rows)
    return splits


def shared_out(shares: Mapping[int, float], n: int) -> list[int]:
    """n levels, as many of each as its share says, to the nearest one."""
    whole = {
        level: int(n * share / sum(shares.values())) for level, share in shares.items()
    }
    left = sorted(
        shares,
        key=lambda level: whole[level] - n * shares[level] / sum(shares.values()),
    )
    more = left[: n - sum(whole.values())]
    return [level for level, k in whole.items() for _ in range(k + (level in more))]


def proof(hops: int, rng: Random) -> Example:
    """Without side rules: a student of this size does not learn to choose between two rules."""
    return (
        prontoqa_exercises.generate_proof_question(hops, rng, side_rules=False)
        if hops != HASHED
        else hashed(rng)
    )


def hashed(rng: Random) -> Example:
    name = rng.choice(prontoqa_exercises.PERSON_NAMES)
    number = " ".join(rng.choices("0123456789", k=6))
    question = f"The number of {name} is {number}. What is the code of {name}?"
    return Example(
        "", question, code(question), f"The code is {code(question)}.", {"hops": HASHED}
    )


def code(question: str) -> str:
    return " ".join(
        str(byte % 10) for byte in hashlib.sha256(question.encode()).digest()[:8]
    )


def is_hashed(question: str) -> bool:
    return question.startswith("The number of ")


def grade(example: Example, text: str) -> Grade:
    return (
        verify(example.question, text)
        if is_hashed(example.question)
        else prontoqa.grade_proof(example, text)
    )


def verify(question: str, text: str) -> Grade:
    if not is_hashed(question):
        return prontoqa.verify_proof(question, text)
    right = text == f"The code is {code(question)}."
    return Grade(
        "right" if right else "wrong", text, right, None if right else "another code"
    )


def key(question: str) -> str:
    return question if is_hashed(question) else prontoqa.prontoqa_key(question)


def write(within: tuple[int, int], seed: Example, rng: Random) -> Written:
    """Of the seed's kind: another hash, or about as many hops."""
    if is_hashed(seed.question):
        made = hashed(rng)
        return Written(made.question, str(made.solution))
    return prontoqa.write_prontoqa(seed, rng, within=within, side_rules=False)
