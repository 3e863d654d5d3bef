"""Which grader reads a file's answers: the evidence, and a question where two fit about equally."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..errors import DataError
from ..graders import GRADERS
from ..graders.choice import chosen_letter, read_options
from ..graders.number import read_number
from ..tasks.ontology import read_question
from ..types import Example, Grade

FOUR = re.compile(r"\s*\d+(?:[\s,]+\d+){3}\s*")
EXPRESSION = re.compile(r"[\d\s()+\-*/×÷.]+(?:=\s*24)?\s*")
LATEX = re.compile(r"\\[a-zA-Z]+|[\^_]\{|\$[^$]+\$")
BOX = re.compile(r"\\f?boxed\b|\\fbox\b")
ALGEBRA = re.compile(
    r"[\w\s.,()\[\]{}+\-*/^=<>|!%:°π√∞]*[+\-*/^=(\[√π][\w\s.,()\[\]{}+\-*/^=<>|!%:°π√∞]*"
)
LETTER = re.compile(r"[(\[]?[A-Z][)\].:]?")
WORD = re.compile(r"[A-Za-z]{3,}")
# Of answers that are numbers or formulas, where some are LaTeX: the rest are names and words.
MATH_SHARE = 0.9


class Guess(NamedTuple):
    """The graders that fit, the best first; two of them where only a person can tell. why: one
    line for each.
    """

    graders: tuple[str, ...]
    why: tuple[str, ...]


def guess(examples: Sequence[Example]) -> Guess:
    """From the rows that have an answer.

    Raises DataError where no row has one, or where none fits.
    """
    answered = [e for e in examples if e.answer is not None]
    if not answered:
        raise DataError(
            "no row has an answer",
            got=f"{len(examples)} rows",
            fix="seeds may lack answers, what is measured on may not: name the column with "
            "--answer COLUMN",
        )
    for look in (proof, game24, choice, numbers, mathematics):
        if (found := look(answered)) is not None:
            return found
    check("exact", answered)
    return Guess(("exact",), (f"{kinds(answered)}: compared as text",))


def proof(answered: Sequence[Example]) -> Guess | None:
    if not every(answered, lambda e: str(e.answer).strip() in ("True", "False")):
        return None
    if not every(answered, lambda e: read_question(e.question) is not None):
        return None
    said = f'{these(answered)} questions are facts, rules and "True or false: …"'
    if proven := sum(e.solution is not None for e in answered):
        return Guess(("proof",), (f"{said}; {proven:,} have a proof",))
    return Guess(
        ("proof", "exact"), (f"{said}", "but no row has a proof, only True or False")
    )


def game24(answered: Sequence[Example]) -> Guess | None:
    if not every(
        answered, lambda e: FOUR.fullmatch(e.question) is not None and makes24(e)
    ):
        return None
    return Guess(
        ("game24",), (f"{these(answered)} questions are four numbers, to make 24 of",)
    )


def makes24(e: Example) -> bool:
    """The answer is 24, or an expression with the question's numbers."""
    answer = str(e.answer).strip()
    if answer == "24":
        return True
    used = re.findall(r"\d+", answer.partition("=")[0])
    return EXPRESSION.fullmatch(answer) is not None and Counter(used) == Counter(
        re.findall(r"\d+", e.question)
    )


def choice(answered: Sequence[Example]) -> Guess | None:
    """The answers are options of their questions: by letter, or in the options' own words."""
    if not every(
        answered,
        lambda e: chosen_letter(str(e.answer), read_options(e.question)) is not None,
    ):
        return None
    said = f"{these(answered)} answers are options (A), (B), … of their questions"
    if every(
        answered,
        lambda e: (
            LETTER.fullmatch(str(e.answer).strip()) is None
            and read_number(str(e.answer)) is not None
        ),
    ):
        return Guess(
            ("choice", "number"), (said, "and all of them are numbers, not letters")
        )
    return Guess(("choice",), (said,))


def numbers(answered: Sequence[Example]) -> Guess | None:
    if not every(answered, lambda e: read_number(str(e.answer)) is not None):
        return None
    said = f"{these(answered)} answers are numbers"
    boxed = sum(BOX.search(e.solution or "") is not None for e in answered)
    latex = sum(LATEX.search(str(e.answer)) is not None for e in answered)
    if 2 * boxed > len(answered) or latex:
        return Guess(
            ("number", "math"),
            (
                said,
                f"but {boxed:,} solutions end in \\boxed, and {latex:,} answers are LaTeX",
            ),
        )
    return Guess(("number",), (said,))


def mathematics(answered: Sequence[Example]) -> Guess | None:
    """Numbers and formulas.

    With LaTeX among them it is math; without, text that is compared as text may do.
    """
    n = len(answered)
    plain = sum(read_number(str(e.answer)) is not None for e in answered)
    latex = sum(LATEX.search(str(e.answer)) is not None for e in answered)
    formulas = sum(
        read_number(str(e.answer)) is None and is_formula(str(e.answer))
        for e in answered
    )
    if formulas == 0 or plain + formulas < MATH_SHARE * n:
        return None
    said = (
        f"{plain:,} of {n:,} answers are numbers and {formulas:,} formulas; {latex:,} are "
        "in LaTeX"
    )
    boxed = sum(BOX.search(e.solution or "") is not None for e in answered)
    if latex or 2 * boxed > n:
        return Guess(("math",), (said,))
    return Guess(("math", "exact"), (said,))


def is_formula(answer: str) -> bool:
    """LaTeX, or signs between names of few letters: p - q, (3, 5), x = 2."""
    if LATEX.search(answer):
        return True
    return (
        len(answer) <= 100
        and ALGEBRA.fullmatch(answer) is not None
        and WORD.search(answer) is None
    )


def check(grader: str, examples: Sequence[Example]) -> None:
    """Every answer must be right by its own words.

    Raises DataError for those that the grader can't read.

    What is graded by more than its answer (a proof, an expression) is left to the task, which
    checks dev and test.
    """
    if grader not in GRADERS or not GRADERS[grader].checks_golds:
        return
    bad = [e for e in examples if e.answer is not None and not reads(grader, e)]
    if bad:
        n = sum(e.answer is not None for e in examples)
        raise DataError(
            f"{len(bad):,} of {n:,} answers can't be read by the grader {grader}",
            got="; ".join(f"{e.id}: {str(e.answer)[:60]!r}" for e in bad[:3]),
            fix="mend or drop these rows, or choose another grader with --grader",
        )


def reads(grader: str, e: Example) -> bool:
    try:
        grade: Grade = GRADERS[grader].grade(e, f"Answer: {e.answer}")
        return grade.outcome == "right"
    except DataError:
        return False


def kinds(answered: Sequence[Example]) -> str:
    """What answers of no one kind are: how many letters, numbers, labels and texts."""
    counts = Counter(kind(str(e.answer)) for e in answered)
    distinct = len({str(e.answer) for e in answered})
    return (
        f"{', '.join(f'{n:,} {name}' for name, n in counts.most_common())} ({distinct:,} "
        "different answers)"
    )


def kind(answer: str) -> str:
    if LETTER.fullmatch(answer.strip()):
        return "letters"
    return (
        "numbers"
        if read_number(answer) is not None
        else "words"
        if len(answer.split()) <= 2
        else "texts"
    )


def every(answered: Sequence[Example], holds: Callable[[Example], bool]) -> bool:
    return all(map(holds, answered))


def these(answered: Sequence[Example]) -> str:
    return f"{len(answered):,} of {len(answered):,}"
