"""The process that math-verify works in: one JSON line a request, one a reply. See `math_pool` for the other end.

It can't outlive its parent: it ends when its input does, and while it computes the kernel's own alarm ends it
(no Python runs while an integer of a billion digits is multiplied, so no thread could look for the parent).

math-verify's settings: no time limits of its own (they are alarms that turn "timed out" into "wrong"), errors are
raised (else they are "wrong" too), no unit is dropped without a look, and no decimal is rounded: 0.333333 is not 1/3.
"""

import json
import re
import resource
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TextIO

from .math_text import key, parts, plain_words, read, tidy, words

MEMORY = 4 * 2**30  # bytes of address space
PRECISION = 50  # digits; math-verify takes a difference below 10^-PRECISION for none
RELATION = re.compile(r"[<>=]|\\(?:le|ge|neq?|in)(?![a-zA-Z])")
APART = re.compile(r"(?<![_^\d.])\d[\d.]*\s+\d")
Said = Literal["yes", "no", "unparsed", "memory", "error"]
Same = Callable[[str, str], bool]


class Unparsed(Exception):
    """math-verify can't read a part of an answer."""


def main() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    replies = sys.stdout
    sys.stdout = sys.stderr  # nothing else may print into the protocol
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for gold, answer in (
        (r"\frac{1}{2}", "0.5"),
        ("x=1", "1"),
        ("[1,2)", r"1 \le x < 2"),
    ):
        said, why = judge(
            gold, answer, ""
        )  # whatever is loaded or compiled on first use
        if said != "yes":
            return tell(replies, said, why)
    tell(replies, "yes", "ready")
    while line := sys.stdin.readline():
        asked = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, asked["seconds"])
        said, why = judge(asked["gold"], asked["answer"], asked["question"])
        if said != "yes" and peak() > MEMORY // 4:
            said, why = (
                "memory",
                "out of memory",
            )  # sympy passes over a MemoryError and says "no"
        signal.setitimer(signal.ITIMER_REAL, 0)
        tell(replies, said, why)


def tell(replies: TextIO, said: Said, why: str) -> None:
    print(json.dumps([said, why[:500]]), file=replies, flush=True)


def peak() -> int:
    """The most memory that this process has held, in bytes (0 where the system doesn't tell)."""
    try:
        return (
            int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
            * 1024
        )
    except (OSError, IndexError):
        return 0


def judge(gold: str | None, answer: str, question: str) -> tuple[Said, str]:
    """Is the answer the gold one? Without gold: can it be compared?"""
    try:
        check(answer, "the answer")
        if gold is None:
            return "yes", ""
        golds = re.split(r"\s*\\approx\s*", tidy(gold))
        check(golds[0], "the gold answer")
        return (
            "yes"
            if any(alike(one, tidy(answer), question, same) for one in golds)
            else "no"
        ), ""
    except Unparsed as error:
        return "unparsed", str(error)
    except MemoryError:
        return "memory", "out of memory"
    except (Exception, RecursionError) as error:
        return "error", f"{type(error).__name__}: {error}"


def check(text: str, whose: str) -> None:
    """Raises Unparsed unless every part can be read."""
    text = tidy(text)
    if words(text) is not None:
        return
    brackets, inside = parts(last_side(read(last_side(text)).value))
    for part in inside:
        if brackets and len(inside) > 1:
            check(part, whose)
        else:
            parsed(value := read(part).value, whose, is_complex(value))


def alike(gold: str, answer: str, question: str, same: Same) -> bool:
    """Units, bases and brackets are looked at here, number by number is for `same`. Both tidied.

    A unit, base or percent sign may be left out, or added where the question names it; two that differ are wrong.
    A tuple or interval is compared in order, in its brackets; a list or set in any order, repeats counting once.
    """
    if key(gold) == key(answer):
        return True
    if (named := words(gold)) is not None:
        return named == plain_words(answer)
    g, a = read(last_side(gold)), read(last_side(answer))
    if (g.unit and a.unit and g.unit != a.unit) or not base_fits(
        g.base, a.base, question
    ):
        return False
    if g.percent == a.percent:
        return structured(g.value, a.value, question, same)
    hundredth = a._replace(value=rf"\frac{{{a.value}}}{{100}}") if a.percent else a
    whole = g._replace(value=rf"\frac{{{g.value}}}{{100}}") if g.percent else g
    asked = g.percent or "percent" in question.casefold() or "%" in question
    return (asked and structured(g.value, a.value, question, same)) or same(
        whole.value, hundredth.value
    )


def base_fits(gold: int | None, answer: int | None, question: str) -> bool:
    if answer is None or gold == answer:
        return True
    return (
        gold is None
        and re.search(rf"base\D{{0,5}}{answer}(?!\d)", question) is not None
    )


def structured(gold: str, answer: str, question: str, same: Same) -> bool:
    answer = answer if RELATION.search(gold) else last_side(answer, letters=True)
    gold = last_side(gold)
    (g_brackets, gs), (a_brackets, as_) = parts(gold), parts(answer)
    if not g_brackets and not a_brackets:
        return key(gs[0]) == key(as_[0]) or same(gs[0], as_[0])
    if g_brackets and not a_brackets and RELATION.search(answer):
        return same(gold, answer)  # an interval given as an inequality
    if a_brackets and not g_brackets and RELATION.search(gold):
        return same(gold, answer)
    if {g_brackets, a_brackets} <= {"", "{}"}:
        return as_sets(gs, as_, question, same)
    pairs = zip(gs, as_, strict=False)
    return (
        g_brackets == a_brackets
        and len(gs) == len(as_)
        and all(alike(g, a, question, same) for g, a in pairs)
    )


def as_sets(golds: list[str], answers: list[str], question: str, same: Same) -> bool:
    if any("=" in g for g in golds) != any("=" in a for a in answers):
        return False  # x = 1, y = 2 says more than 1, 2
    fits = {(g, a): alike(g, a, question, same) for g in golds for a in answers}
    return all(any(fits[g, a] for a in answers) for g in golds) and all(
        any(fits[g, a] for g in golds) for a in answers
    )


def last_side(value: str, letters: bool = False) -> str:
    """2 + 3 = 5 is 5; with letters, x = 5 is too."""
    left, sign, right = value.rpartition("=")
    if (
        not sign
        or RELATION.search(left.replace("=", ""))
        or left[-1:] in "!<>"
        or len(parts(value)[1]) > 1
    ):
        return value
    return (
        right.strip()
        if right.strip() and (letters or not re.search("[a-zA-Z]", left))
        else value
    )


def same(gold: str, answer: str) -> bool:
    from math_verify import verify

    complex_ = is_complex(gold) or is_complex(answer)
    found = verify(
        parsed(gold, "the gold answer", complex_),
        parsed(answer, "the answer", complex_),
        numeric_precision=PRECISION,
        allow_set_relation_comp=True,
        timeout_seconds=None,
        raise_on_error=True,
    )
    return bool(found)


def is_complex(latex: str) -> bool:
    from math_verify.grader import should_treat_as_complex

    return bool(should_treat_as_complex(latex))


@lru_cache(maxsize=64)
def parsed(latex: str, whose: str, complex_: bool) -> Any:
    """The sympy expression, with exact fractions for decimals. Symbols are real, unless complex numbers are about."""
    from math_verify.parser import NormalizationConfig, latex2sympy
    from sympy import Float, Rational, nan, zoo

    if APART.search(latex):
        raise Unparsed(
            f"{whose} has digits apart: {latex[:80]}"
        )  # the parser would add them
    usual = NormalizationConfig(
        units=False, malformed_operators=True, nits=True, boxed="none"
    )
    try:
        found = latex2sympy(
            latex,
            is_real=not complex_,
            convert_degrees=False,
            normalization_config=usual,
        )
    except MemoryError:
        raise
    except (Exception, RecursionError) as error:
        raise Unparsed(f"math-verify can't read {whose}: {latex[:80]}") from error
    if found is None or found.has(nan, zoo):
        raise Unparsed(f"math-verify can't read {whose}: {latex[:80]}")
    return found.xreplace(
        {number: Rational(str(number)) for number in found.atoms(Float)}
    )
