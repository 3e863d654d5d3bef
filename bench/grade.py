"""The `math` grader against math-verify called directly, on MATH-500 and GSM8K's test.

Both grade the same answers: each gold, rewritten (right) and changed a little (wrong).
The gate: ours grades every one as it should. Where math-verify differs, the kind of
change is one on which ours differs on purpose (DIFFERENT). The result counts each such
kind, with examples.

Answers that hang math-verify run in a process that is killed after PATIENCE_S. The
target is for ours alone: with a deadline of 2 s, every answer that hangs ends within
2.5 s, with the process ready. `ratio` is 2.5 s over the slowest of them.
"""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from bench.answers import equal_answers, near_misses, read_examples, sample_examples
from bench.data import data_folder
from bench.outcome import Outcome
from bench.process import peak_mib, run_fresh, spread
from teachback.graders import math
from teachback.graders.math_pool import MATH_POOL
from teachback.types import Example

TARGET = 1.0
WITHIN_S = 2.5
PATIENCE_S = 10.0
MAX_EXAMPLES = 5
FILES = ("math500_test.jsonl", "gsm8k_test.jsonl")
LIBRARIES = ("math-verify", "latex2sympy2_extended", "sympy")
HANGING = (
    "9**9**9",
    "9^{9^{9}}",
    r"9^{9^{9^{9}}}",
    "((100!)!)!",
    "(10^{10})!",
    r"\binom{10^{12}}{10^{11}}",
)
DIFFERENT = {
    "set": "stricter: a pair in brackets is not the set of its two values",
    "last digit": "stricter: decimals are exact, math-verify rounds them to 6 places",
    "digit": "stricter: decimals are exact, math-verify rounds them to 6 places",
    "spaces": r"looser: a space before \! is none, so that 10, \!080 is 10,080",
}
MATH_VERIFY_SCRIPT = r"""
import sys, time
from math_verify import parse, verify
started = time.monotonic()
right = verify(parse(r"\boxed{5}"), parse(rf"\boxed{{{sys.argv[1]}}}"))
print(right, time.monotonic() - started)
"""


class Case(NamedTuple):
    gold: str
    question: str
    answer: str
    # The kind of change.
    what: str
    # Whether the answer has the gold's value.
    right: bool


class Verdicts(NamedTuple):
    right: list[bool]
    outcomes: dict[str, int]
    seconds: float
    rss_mib: float


def bench(quick: bool) -> Outcome:
    cases = make_cases(20 if quick else None)
    ours = run_fresh(grade_with_ours, cases)
    peer = run_fresh(grade_with_math_verify, cases)
    mistakes = [
        case
        for case, right in zip(cases, ours.right, strict=True)
        if right != case.right
    ]
    differences: dict[str, list[Case]] = defaultdict(list)
    for case, a, b in zip(cases, ours.right, peer.right, strict=True):
        if a != b:
            differences[case.what].append(case)

    hanging = HANGING[:1] if quick else HANGING
    ends = {answer: grade_hanging(answer) for answer in hanging}
    peer_ends = {}
    if not quick:
        peer_ends = {answer: verify_hanging(answer) for answer in hanging}

    facts: dict[str, Any] = {
        "versions_compared": {name: version(name) for name in LIBRARIES},
        "work": {
            "files": FILES,
            "comparisons": len(cases),
            "right": sum(case.right for case in cases),
        },
        "ours": speed(ours),
        "math_verify": speed(peer),
        "our_mistakes": [case._asdict() for case in mistakes],
        "differences": {
            what: describe(what, some) for what, some in differences.items()
        },
        "hanging": {
            "deadline_s": math.DEADLINE_S,
            "ours": {
                answer: {"outcome": outcome, "seconds": round(seconds, 3)}
                for answer, (outcome, seconds) in ends.items()
            },
            "math_verify": peer_ends,
            "seconds": spread([seconds for _, seconds in ends.values()], 3),
        },
    }
    all_end = all(outcome == "timed_out" for outcome, _ in ends.values())
    explained = differences.keys() <= DIFFERENT.keys()
    same = not mistakes and explained and all_end
    ratio = WITHIN_S / max(seconds for _, seconds in ends.values())
    return Outcome(ratio, TARGET, same, ours.rss_mib, facts)


def speed(verdicts: Verdicts) -> dict[str, Any]:
    return {
        "comparisons_a_second": round(len(verdicts.right) / verdicts.seconds),
        "outcomes": verdicts.outcomes,
    }


def describe(what: str, cases: Sequence[Case]) -> dict[str, Any]:
    return {
        "count": len(cases),
        "why": DIFFERENT.get(what, "UNEXPLAINED"),
        "some": [f"{case.gold} | {case.answer}" for case in cases[:MAX_EXAMPLES]],
    }


def make_cases(count: int | None) -> list[Case]:
    """Cases from `count` examples of each file, or from all."""
    cases = []
    for name in FILES:
        examples = read_examples(data_folder() / name)
        if count is not None:
            examples = sample_examples(examples, count)
        for example in examples:
            cases += cases_of(example)
    return cases


def cases_of(example: Example) -> list[Case]:
    gold, question = str(example.answer), example.question
    cases = [Case(gold, question, gold, "as it is", True)]
    for what, answer in equal_answers(gold):
        cases.append(Case(gold, question, answer, what, True))
    for what, answer in near_misses(gold):
        cases.append(Case(gold, question, answer, what, False))
    return cases


def grade_with_ours(cases: list[Case]) -> Verdicts:
    """Through the grader and its worker processes."""

    def outcome(case: Case) -> str:
        example = Example("x", case.question, case.gold)
        return math.MATH_GRADER.grade(example, rf"\boxed{{{case.answer}}}").outcome

    return grade_all(cases, outcome)


def grade_with_math_verify(cases: list[Case]) -> Verdicts:
    """math-verify as its README calls it, with the gold in a box too."""
    from math_verify import parse, verify

    def outcome(case: Case) -> str:
        gold = parse(rf"\boxed{{{case.gold}}}")
        answer = parse(rf"\boxed{{{case.answer}}}")
        return "right" if verify(gold, answer) else "wrong"

    return grade_all(cases, outcome)


def grade_all(cases: list[Case], outcome: Callable[[Case], str]) -> Verdicts:
    outcome(Case("5", "", "4+1", "", True))  # loads everything
    started = time.monotonic()
    outcomes = [outcome(case) for case in cases]
    seconds = time.monotonic() - started
    right = [one == "right" for one in outcomes]
    counts = {one: outcomes.count(one) for one in set(outcomes)}
    return Verdicts(right, counts, seconds, peak_mib())


def grade_hanging(answer: str) -> tuple[str, float]:
    # Start a worker beforehand: that time is not part of the deadline.
    MATH_POOL.idle.append(MATH_POOL.take_worker())
    started = time.monotonic()
    grade = math.MATH_GRADER.grade(Example("x", "", "5"), rf"\boxed{{{answer}}}")
    return grade.outcome, time.monotonic() - started


def verify_hanging(answer: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-c", MATH_VERIFY_SCRIPT, answer],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S + 2,
        )
    except subprocess.TimeoutExpired:
        return f"still at work after {PATIENCE_S:g} s: killed"
    if not done.stdout:
        return "died"

    right, seconds = done.stdout.split()
    return f"{right} after {float(seconds):.1f} s"
