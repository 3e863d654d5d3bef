"""Compares two answers in LaTeX, with math-verify for single values.

Settings of math-verify: no time limits of its own (its alarms turn "timed out" into "wrong"),
errors are raised (else they are "wrong" too), units are kept, and decimals are not rounded:
0.333333 is not 1/3.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from .math_lists import split_brackets
from .math_quantities import Quantity, read_quantity
from .math_text import math_key, normalize_latex, text_words, words_only

# math-verify ignores a difference below 10^-PRECISION_DIGITS.
PRECISION_DIGITS = 50
RELATION = re.compile(r"[<>=]|\\(?:le|ge|neq?|in)(?![a-zA-Z])")
SEPARATE_DIGITS = re.compile(r"(?<![_^\d.])\d[\d.]*\s+\d")
ComparisonOutcome = Literal["yes", "no", "unparsed", "memory", "error"]
IsEqual = Callable[[str, str], bool]


class UnreadableAnswer(Exception):
    """math-verify can't read a part of an answer."""


def compare_math_answers(
    gold: str | None,
    answer: str,
    question: str,
) -> tuple[ComparisonOutcome, str]:
    """Is the answer equal to the gold one? Without gold: can it be compared?

    Returns the outcome, and the reason if it is neither "yes" nor "no". Errors become outcomes.
    """
    try:
        check_readable(answer, "the answer")
        if gold is None:
            return "yes", ""
        golds = re.split(r"\s*\\approx\s*", normalize_latex(gold))
        # "1/3 \approx 0.33" has two golds. The first must be readable, or nothing can be compared.
        check_readable(golds[0], "the gold answer")
        answer = normalize_latex(answer)
        for alternative in golds:
            if answers_match(alternative, answer, question, math_verify_equal):
                return "yes", ""
        return "no", ""
    except UnreadableAnswer as error:
        return "unparsed", str(error)
    except MemoryError:
        return "memory", "out of memory"
    except (Exception, RecursionError) as error:
        return "error", f"{type(error).__name__}: {error}"


def check_readable(text: str, whose: str) -> None:
    """Raises UnreadableAnswer unless every entry can be read."""
    text = normalize_latex(text)
    if words_only(text) is not None:
        return
    quantity = read_quantity(right_side(text))
    brackets, entries = split_brackets(right_side(quantity.value))
    for entry in entries:
        if brackets and len(entries) > 1:
            check_readable(entry, whose)
        else:
            value = read_quantity(entry).value
            parse_latex(value, whose, needs_complex(value))


def answers_match(gold: str, answer: str, question: str, is_equal: IsEqual) -> bool:
    """Compares units, bases and brackets here, and number by number with `is_equal`.

    Both answers are normalized. A unit, base or percent sign may be left out, or added where
    the question names it; two that differ are wrong. A tuple or interval is compared in order,
    with its brackets. A list or set is compared in any order; repeats count once.
    """
    if math_key(gold) == math_key(answer):
        return True
    gold_words = words_only(gold)
    if gold_words is not None:
        return gold_words == text_words(answer)

    expected = read_quantity(right_side(gold))
    actual = read_quantity(right_side(answer))
    if expected.unit and actual.unit and expected.unit != actual.unit:
        return False
    if not bases_match(expected.base, actual.base, question):
        return False
    if expected.percent == actual.percent:
        return structures_match(expected.value, actual.value, question, is_equal)

    # One has a percent sign: 50 is 50% if percent is asked for, and 0.5 is 50% always.
    mentions_percent = "percent" in question.casefold() or "%" in question
    asks_percent = expected.percent or mentions_percent
    if asks_percent and structures_match(
        expected.value, actual.value, question, is_equal
    ):
        return True
    return is_equal(value_as_fraction(expected), value_as_fraction(actual))


def value_as_fraction(quantity: Quantity) -> str:
    """The value; of a percentage, divided by 100."""
    if quantity.percent:
        return rf"\frac{{{quantity.value}}}{{100}}"
    return quantity.value


def bases_match(gold: int | None, answer: int | None, question: str) -> bool:
    if answer is None or gold == answer:
        return True
    if gold is not None:
        return False
    return re.search(rf"base\D{{0,5}}{answer}(?!\d)", question) is not None


def structures_match(gold: str, answer: str, question: str, is_equal: IsEqual) -> bool:
    if not RELATION.search(gold):
        answer = right_side(answer, drop_names=True)
    gold = right_side(gold)
    gold_brackets, golds = split_brackets(gold)
    answer_brackets, answers = split_brackets(answer)

    if not gold_brackets and not answer_brackets:
        is_same_text = math_key(golds[0]) == math_key(answers[0])
        return is_same_text or is_equal(golds[0], answers[0])
    # An interval may be written as an inequality.
    if gold_brackets and not answer_brackets and RELATION.search(answer):
        return is_equal(gold, answer)
    if answer_brackets and not gold_brackets and RELATION.search(gold):
        return is_equal(gold, answer)
    if {gold_brackets, answer_brackets} <= {"", "{}"}:
        return sets_match(golds, answers, question, is_equal)

    if gold_brackets != answer_brackets or len(golds) != len(answers):
        return False
    pairs = zip(golds, answers, strict=True)
    return all(answers_match(*pair, question, is_equal) for pair in pairs)


def sets_match(
    golds: list[str],
    answers: list[str],
    question: str,
    is_equal: IsEqual,
) -> bool:
    """Whether each entry of one set has an equal in the other."""
    # x = 1, y = 2 says more than 1, 2.
    if any("=" in entry for entry in golds) != any("=" in entry for entry in answers):
        return False
    matched_answers = set()
    has_unmatched_gold = False
    for gold in golds:
        matches = [
            answer
            for answer in answers
            if answers_match(gold, answer, question, is_equal)
        ]
        matched_answers.update(matches)
        has_unmatched_gold = has_unmatched_gold or not matches
    return not has_unmatched_gold and matched_answers == set(answers)


def right_side(value: str, drop_names: bool = False) -> str:
    """2 + 3 = 5 becomes 5; with drop_names, x = 5 does too. Other values stay as they are."""
    left, sign, right = value.rpartition("=")
    if not sign or left[-1:] in "!<>" or RELATION.search(left.replace("=", "")):
        return value
    _, entries = split_brackets(value)
    if len(entries) > 1:
        return value
    right = right.strip()
    has_names = re.search("[a-zA-Z]", left) is not None
    if right and (drop_names or not has_names):
        return right
    return value


def math_verify_equal(gold: str, answer: str) -> bool:
    from math_verify import verify

    is_complex = needs_complex(gold) or needs_complex(answer)
    is_equal = verify(
        parse_latex(gold, "the gold answer", is_complex),
        parse_latex(answer, "the answer", is_complex),
        numeric_precision=PRECISION_DIGITS,
        allow_set_relation_comp=True,
        timeout_seconds=None,
        raise_on_error=True,
    )
    return bool(is_equal)


def needs_complex(latex: str) -> bool:
    from math_verify.grader import should_treat_as_complex

    return bool(should_treat_as_complex(latex))


@lru_cache(maxsize=64)
def parse_latex(latex: str, whose: str, is_complex: bool) -> Any:
    """The sympy expression, with exact fractions for decimals. Symbols are real unless complex.

    whose: "the answer" or "the gold answer", for messages. Raises UnreadableAnswer.
    """
    from math_verify.parser import NormalizationConfig, latex2sympy
    from sympy import Float, Rational, nan, zoo

    if SEPARATE_DIGITS.search(latex):  # the parser would add them
        raise UnreadableAnswer(f"{whose} has digits apart: {latex[:80]}")
    normalization = NormalizationConfig(
        units=False,
        malformed_operators=True,
        nits=True,
        boxed="none",
    )
    try:
        expression = latex2sympy(
            latex,
            is_real=not is_complex,
            convert_degrees=False,
            normalization_config=normalization,
        )
    except MemoryError:
        raise  # the caller reports it, and the pool then ends this process
    except (Exception, RecursionError) as error:
        raise UnreadableAnswer(
            f"math-verify can't read {whose}: {latex[:80]}"
        ) from error
    if expression is None or expression.has(nan, zoo):
        raise UnreadableAnswer(f"math-verify can't read {whose}: {latex[:80]}")
    exact = {number: Rational(str(number)) for number in expression.atoms(Float)}
    return expression.xreplace(exact)
