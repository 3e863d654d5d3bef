"""Compares two answers in LaTeX, with math-verify for single values.

Settings of math-verify: no time limits of its own (its alarms turn "timed out" into "wrong"),
errors are raised (else they are "wrong" too), units are kept, and decimals are not rounded:
0.333333 is not 1/3.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

from .math_exact import differ_exactly
from .math_lists import split_brackets
from .math_names import (
    bare_words,
    has_letters,
    is_asked_value,
    is_value_name,
    letters_flaw,
)
from .math_quantities import Quantity, read_quantity
from .math_text import (
    THOUSANDS,
    has_odd_digit_groups,
    math_key,
    normalize_latex,
    text_words,
    words_only,
)

# math-verify ignores a difference below 10^-PRECISION_DIGITS.
PRECISION_DIGITS = 50
RELATION = re.compile(r"[<>=]|\\(?:le|ge|neq?|in)(?![a-zA-Z])")
LIST_WITH_SPACES = re.compile(r"\d, \d")
# "A 20% discount" asks for no percent.
ASKS_PERCENT = re.compile(
    r"\b(?:what|which|find|how\s+many|determine|compute|calculate|express|give|by|as\s+an?|in"
    r"|the|nearest)"
    r"(?:\s+(?!\d)[a-z'-]+){0,4}?\s+percent(?:s|age)?\b",
    re.IGNORECASE,
)
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
        check_comparable(answer, "the answer")
        if gold is None:
            return "yes", ""
        golds = re.split(r"\s*\\approx\s*", normalize_latex(gold))
        # "1/3 \approx 0.33" has two golds. The first must be readable, or nothing can be compared.
        check_comparable(golds[0], "the gold answer")
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


def check_comparable(text: str, whose: str) -> None:
    """Raises UnreadableAnswer unless every entry can be read."""
    text = normalize_latex(text)
    if words_only(text) is not None or bare_words(text) is not None:
        return
    if has_odd_digit_groups(text):
        raise UnreadableAnswer(
            f"{whose} has digits in groups that aren't thousands: {text[:80]}"
        )
    if is_named(text) and is_equation(text):
        text = text.rpartition("=")[2].strip()
    quantity = read_quantity(right_side(text))
    brackets, entries = split_brackets(right_side(quantity.value))
    for entry in entries:
        if brackets and len(entries) > 1:
            check_comparable(entry, whose)
        else:
            value, _, base, _ = read_quantity(entry)
            if base is None and quantity.base is None:  # else letters are digits
                check_letters(value, whose)
            parse_latex(value, whose, needs_complex(value))


def check_letters(value: str, whose: str) -> None:
    flaw = letters_flaw(value)
    if flaw is None and r"\text{" in value:
        flaw = "words that are no unit"
    if flaw is not None:
        raise UnreadableAnswer(f"{whose} has {flaw}: {value[:80]}")


def answers_match(gold: str, answer: str, question: str, is_equal: IsEqual) -> bool:
    """Compares units, bases and brackets here, and number by number with `is_equal`.

    Both answers are normalized. A unit, base or percent sign may be left out, or added where
    the question names it; two that differ are wrong. A tuple or interval is compared in order,
    with its brackets. A list or set is compared in any order; repeats count once.
    """
    if math_key(gold) == math_key(answer):
        return True
    if words_only(gold) is not None or words_only(answer) is not None:
        return text_words(gold) == text_words(answer)
    if bare_words(gold) is not None or bare_words(answer) is not None:
        return words_match(gold, answer)
    if LIST_WITH_SPACES.search(gold) and THOUSANDS.fullmatch(answer):
        answer = answer.replace(",", ", ")

    expected = read_quantity(right_side(gold))
    actual = read_quantity(right_side(answer))
    if expected.unit and actual.unit and expected.unit != actual.unit:
        return False
    if "degree" in (expected.unit, actual.unit) and expected.unit != actual.unit:
        expected = degrees_to_radians(expected, actual)
        actual = degrees_to_radians(actual, expected)
    if not bases_match(expected.base, actual.base, question):
        return False
    if (expected.base or actual.base) and has_letters(expected.value + actual.value):
        return expected.value == actual.value  # letters are digits
    if expected.percent == actual.percent:
        return structures_match(expected.value, actual.value, question, is_equal)

    # One has a percent sign: 50 is 50% if percent is asked for, and 0.5 is 50% always.
    asks_percent = expected.percent or ASKS_PERCENT.search(question) is not None
    if asks_percent and structures_match(
        expected.value, actual.value, question, is_equal
    ):
        return True
    return is_equal(value_as_fraction(expected), value_as_fraction(actual))


def words_match(gold: str, answer: str) -> bool:
    """Raises UnreadableAnswer for one word's letters in another order: a product, or not."""
    gold_key = text_words(gold)
    answer_key = text_words(answer)
    if gold_key != answer_key and sorted("".join(gold_key)) == sorted(
        "".join(answer_key)
    ):
        raise UnreadableAnswer(
            f"the answer has the letters in another order: {answer[:80]}"
        )
    return gold_key == answer_key


def degrees_to_radians(value: Quantity, other: Quantity) -> Quantity:
    """60° is π/3 where the other value has a π; else a degree sign may be left out."""
    if value.unit == "degree" and r"\pi" in other.value:
        return Quantity(rf"({value.value}) \cdot \frac{{\pi}}{{180}}")
    return value


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
        answer = drop_name(answer, question)
    gold = right_side(gold)
    gold_brackets, golds = split_brackets(gold)
    answer_brackets, answers = split_brackets(answer)
    if (
        "=" not in gold
        and len({entry.partition("=")[0].strip() for entry in answers}) == 1
    ):
        answers = [drop_name(entry, question) for entry in answers]  # x = 1 or x = 2
    if gold_brackets == "()" and all(is_named(entry) for entry in answers):
        raise UnreadableAnswer(
            f"the answer names values where a tuple is due: {answer[:80]}"
        )

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


def right_side(value: str) -> str:
    """2 + 3 = 5 becomes 5. Other values stay as they are."""
    left, sign, right = value.rpartition("=")
    if not sign or not is_equation(value) or has_letters(left) or is_value_name(right):
        return value
    return right.strip() or value


def drop_name(value: str, question: str) -> str:
    """x = 5 and 5 = x become 5, and so does a + b = 5 where the question asks for a + b.

    Raises UnreadableAnswer for another equation: x^2 = 9 doesn't say what x is.
    """
    if not is_equation(value):
        return value
    *left_sides, right = [side.strip() for side in value.split("=")]
    if len(left_sides) == 1 and is_value_name(right) and not has_letters(left_sides[0]):
        return left_sides[0]
    for side in left_sides:
        is_name = is_value_name(side) or is_asked_value(side, question)
        if not is_name and has_letters(side) and side.strip() != right:
            raise UnreadableAnswer(
                f"the answer is an equation, not its solution: {value[:80]}"
            )
    return right or value


def is_equation(value: str) -> bool:
    """Whether it is one equation or a chain of them, with no other relation, and no list."""
    if (
        "=" not in value
        or re.search(r"!=|[<>]\s*=", value)
        or RELATION.search(value.replace("=", ""))
    ):
        return False
    return len(split_brackets(value)[1]) == 1


def is_named(entry: str) -> bool:
    left, sign, _ = entry.partition("=")
    return bool(sign) and is_value_name(left)


def math_verify_equal(gold: str, answer: str) -> bool:
    from math_verify import verify

    is_complex = needs_complex(gold) or needs_complex(answer)
    check_letters(answer, "the answer")
    expected = parse_latex(gold, "the gold answer", is_complex)
    actual = parse_latex(answer, "the answer", is_complex)
    is_equal = verify(
        expected,
        actual,
        numeric_precision=PRECISION_DIGITS,
        allow_set_relation_comp=True,
        timeout_seconds=None,
        raise_on_error=True,
    )
    return bool(is_equal) and not differ_exactly(expected, actual)


def needs_complex(latex: str) -> bool:
    from math_verify.grader import should_treat_as_complex

    return bool(should_treat_as_complex(latex))


@lru_cache(maxsize=64)
def parse_latex(latex: str, whose: str, is_complex: bool) -> Any:
    """The sympy expression, with exact fractions for decimals. Symbols are real unless complex.

    whose: "the answer" or "the gold answer", for messages. Raises UnreadableAnswer.
    """
    from math_verify.parser import NormalizationConfig, latex2sympy
    from sympy import Float, I, Product, Rational, Sum, nan, zoo

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
    if is_complex and not expression.has(Sum, Product):  # where i counts
        exact |= {symbol: I for symbol in expression.free_symbols if symbol.name == "i"}
    return expression.xreplace(exact)
