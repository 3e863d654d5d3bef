"""The `math` grader against math-verify called directly, on the answers of MATH-500 and GSM8K's test.

Same inputs for both: each gold, written another way (right) and changed a little (wrong). The gate: ours says what is
so of every one, and where math-verify says otherwise, the kind of change is one that ours is different about on purpose
(DIFFERENT); each such kind is counted in the result, with examples. What hangs goes to math-verify in a process of its
own that is killed after `PATIENCE_S`. The target is ours alone: with a deadline of 2 s, every answer that hangs ends
within 2.5 s, with the process ready; `ratio` is 2.5 s over the slowest of them.
"""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from bench.against import Outcome, fresh, peak_mib, spread
from bench.answers import examples, near_misses, rewritten, sample
from teachback.graders import math
from teachback.graders.math_pool import POOL
from teachback.types import Example

TARGET, WITHIN_S, PATIENCE_S = 1.0, 2.5, 10.0
FILES = ("math500_test.jsonl", "gsm8k_test.jsonl")
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
DIRECT = """
import sys, time
from math_verify import parse, verify
started = time.monotonic()
print(verify(parse(r"\\boxed{5}"), parse(rf"\\boxed{{{sys.argv[1]}}}")), time.monotonic() - started)
"""


class Asked(NamedTuple):
    gold: str
    question: str
    answer: str
    what: str
    right: bool


class Said(NamedTuple):
    right: list[bool]
    outcomes: dict[str, int]
    seconds: float
    rss_mib: float


def bench(quick: bool) -> Outcome:
    asked = work(20 if quick else None)
    our, their = fresh(ours, asked), fresh(direct, asked)
    mistakes = [
        one for one, said in zip(asked, our.right, strict=True) if said != one.right
    ]
    kinds: dict[str, list[Asked]] = defaultdict(list)
    for one, a, b in zip(asked, our.right, their.right, strict=True):
        if a != b:
            kinds[one.what].append(one)
    hanging = HANGING[:1] if quick else HANGING
    ended = {answer: hung(answer) for answer in hanging}
    facts: dict[str, Any] = {
        "versions_compared": {
            name: version(name)
            for name in ("math-verify", "latex2sympy2_extended", "sympy")
        },
        "work": {
            "files": FILES,
            "comparisons": len(asked),
            "right": sum(one.right for one in asked),
        },
        "ours": {
            "comparisons_a_second": round(len(asked) / our.seconds),
            "outcomes": our.outcomes,
        },
        "math_verify": {
            "comparisons_a_second": round(len(asked) / their.seconds),
            "outcomes": their.outcomes,
        },
        "our_mistakes": [one._asdict() for one in mistakes],
        "differences": {
            what: {
                "count": len(ones),
                "why": DIFFERENT.get(what, "UNEXPLAINED"),
                "some": [shown(o) for o in ones[:5]],
            }
            for what, ones in kinds.items()
        },
        "hanging": {
            "deadline_s": math.DEADLINE_S,
            "ours": {
                answer: {"outcome": said, "seconds": round(s, 3)}
                for answer, (said, s) in ended.items()
            },
            "math_verify": {}
            if quick
            else {answer: direct_hung(answer) for answer in hanging},
            "seconds": spread([s for _, s in ended.values()], 3),
        },
    }
    same = (
        not mistakes
        and kinds.keys() <= DIFFERENT.keys()
        and all(said == "timed_out" for said, _ in ended.values())
    )
    return Outcome(
        WITHIN_S / max(s for _, s in ended.values()), TARGET, same, our.rss_mib, facts
    )


def work(count: int | None) -> list[Asked]:
    data = Path(
        os.environ.get("TEACHBACK_DATA", Path(__file__).parents[1] / "../shared/data")
    )
    asked = []
    for name in FILES:
        pool = examples(data / name)
        for example in pool if count is None else sample(pool, count):
            gold = str(example.answer)
            asked.append(Asked(gold, example.question, gold, "as it is", True))
            asked += [
                Asked(gold, example.question, answer, what, True)
                for what, answer in rewritten(gold)
            ]
            asked += [
                Asked(gold, example.question, answer, what, False)
                for what, answer in near_misses(gold)
            ]
    return asked


def shown(one: Asked) -> str:
    return f"{one.gold} | {one.answer}"


def ours(asked: list[Asked]) -> Said:
    """Through the grader, with its processes."""

    def outcome(one: Asked) -> str:
        return math.GRADER.grade(
            Example("x", one.question, one.gold), rf"\boxed{{{one.answer}}}"
        ).outcome

    return told(asked, outcome)


def direct(asked: list[Asked]) -> Said:
    """math-verify as its README calls it, gold in a box too."""
    from math_verify import parse, verify

    def outcome(one: Asked) -> str:
        gold, answer = (
            parse(rf"\boxed{{{one.gold}}}"),
            parse(rf"\boxed{{{one.answer}}}"),
        )
        return "right" if verify(gold, answer) else "wrong"

    return told(asked, outcome)


def told(asked: list[Asked], outcome: Callable[[Asked], str]) -> Said:
    outcome(Asked("5", "", "4+1", "", True))  # everything loaded
    started = time.monotonic()
    found = [outcome(one) for one in asked]
    seconds = time.monotonic() - started
    return Said(
        [one == "right" for one in found],
        {one: found.count(one) for one in set(found)},
        seconds,
        peak_mib(),
    )


def hung(answer: str) -> tuple[str, float]:
    POOL.idle.append(POOL.lent())  # starting a process is not part of the deadline
    started = time.monotonic()
    grade = math.GRADER.grade(Example("x", "", "5"), rf"\boxed{{{answer}}}")
    return grade.outcome, time.monotonic() - started


def direct_hung(answer: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-c", DIRECT, answer],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S + 2,
        )
    except subprocess.TimeoutExpired:
        return f"still at work after {PATIENCE_S:g} s: killed"
    return (
        f"{done.stdout.split()[0]} after {float(done.stdout.split()[1]):.1f} s"
        if done.stdout
        else "died"
    )
