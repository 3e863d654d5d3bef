"""The study's first task: ProntoQA by number of hops.

A config names it: task: {name: own, function: bench/study/tasks.py:proofs, options: …}.
Each repeat has its own pool, dev and test set. Dev and test hold as many questions of
each level, so they give the accuracy on any mixture of levels.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random
from typing import Any

from teachback.rng import draw
from teachback.tasks import prontoqa, prontoqa_exercises
from teachback.types import Example, Exercise, Grade, Task

# The level of questions that can't be learnt: their answer is a hash.
HASHED = 0


def proofs(options: Mapping[str, Any], repeat: int) -> Task:
    """Options:

    pool: share of each number of hops among the seeds; 0 hops are answers that are hashes.
    levels: numbers of hops in dev and test, equally often.
    seeds, dev, test: numbers of questions.
    seed: of the questions.
    """
    levels: list[int] = options["levels"]
    pool = {int(hops): share for hops, share in options["pool"].items()}
    levels_by_split = {
        "seed": levels_by_share(pool, options["seeds"]),
        "dev": levels_in_turn(levels, options["dev"]),
        "test": levels_in_turn(levels, options["test"]),
    }
    splits = make_splits(
        levels_by_split, make_question, question_key, options["seed"], repeat
    )
    return Task(
        name="proofs",
        seeds=splits["seed"],
        dev=splits["dev"],
        test=splits["test"],
        prompt=str,
        target=target_solution,
        grade=grade_answer,
        verify=verify_answer,
        exact=True,
        key=question_key,
        write=partial(write_question, (min(levels), max(levels))),
        templated=True,
        by=("hops",),
    )


def make_splits(
    levels_by_split: Mapping[str, Sequence[int]],
    make: Callable[[int, Random], Example],
    key: Callable[[str], str],
    seed: int,
    repeat: int,
) -> dict[str, tuple[Example, ...]]:
    """A question for each level of each split. All questions differ by key."""
    keys: set[str] = set()
    splits = {}
    for split, levels in levels_by_split.items():
        examples = []
        for i, level in enumerate(levels):
            draws = (draw(seed, repeat, f"study/{split}", str(i), k) for k in count())
            example = make_new(draws, partial(make, level), key, keys)
            keys.add(key(example.question))
            examples.append(replace(example, id=f"{split}-{repeat}-{i:04d}"))
        splits[split] = tuple(examples)
    return splits


def make_new(
    draws: Iterable[Random],
    make: Callable[[Random], Example],
    key: Callable[[str], str],
    keys: set[str],
) -> Example:
    """The first example whose key is new."""
    for rng in draws:
        example = make(rng)
        if key(example.question) not in keys:
            return example
    raise AssertionError("the draws never end")


def levels_in_turn(levels: Sequence[int], n: int) -> list[int]:
    return [levels[i % len(levels)] for i in range(n)]


def levels_by_share(shares: Mapping[int, float], n: int) -> list[int]:
    """n levels, each as often as its share says, to the nearest whole number."""
    total = sum(shares.values())
    exact = {level: n * share / total for level, share in shares.items()}
    counts = {level: int(number) for level, number in exact.items()}
    by_remainder = sorted(shares, key=lambda level: counts[level] - exact[level])
    for level in by_remainder[: n - sum(counts.values())]:
        counts[level] += 1
    return [level for level, number in counts.items() for _ in range(number)]


def make_question(hops: int, rng: Random) -> Example:
    """Without side rules: a student of this size can't learn to choose between rules."""
    if hops == HASHED:
        return make_hashed(rng)
    return prontoqa_exercises.generate_proof_question(hops, rng, side_rules=False)


def make_hashed(rng: Random) -> Example:
    name = rng.choice(prontoqa_exercises.PERSON_NAMES)
    number = " ".join(rng.choices("0123456789", k=6))
    question = f"The number of {name} is {number}. What is the code of {name}?"
    code = hash_code(question)
    return Example("", question, code, f"The code is {code}.", {"hops": HASHED})


def hash_code(question: str) -> str:
    digest = hashlib.sha256(question.encode()).digest()
    return " ".join(str(byte % 10) for byte in digest[:8])


def is_hashed(question: str) -> bool:
    return question.startswith("The number of ")


def target_solution(example: Example) -> str | None:
    if is_hashed(example.question):
        return example.solution
    return prontoqa.proof_target(example)


def grade_answer(example: Example, text: str) -> Grade:
    if is_hashed(example.question):
        return verify_answer(example.question, text)
    return prontoqa.grade_proof(example, text)


def verify_answer(question: str, text: str) -> Grade:
    if not is_hashed(question):
        return prontoqa.verify_proof(question, text)
    if text == f"The code is {hash_code(question)}.":
        return Grade("right", text, True)
    return Grade("wrong", text, False, "another code")


def question_key(question: str) -> str:
    return question if is_hashed(question) else prontoqa.prontoqa_key(question)


def write_question(within: tuple[int, int], seed: Example, rng: Random) -> Exercise:
    """A question of the seed's kind: another hash, or about as many hops."""
    if is_hashed(seed.question):
        example = make_hashed(rng)
        return Exercise(example.question, str(example.solution))
    return prontoqa.write_prontoqa(seed, rng, within=within, side_rules=False)
