"""Guesses which grader reads a file's answers.

Where two fit about equally, the guess names both, and a person decides.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import DataError
from ..graders import GRADERS
from ..graders.choice import chosen_letter, read_options
from ..graders.number import read_number
from ..tasks.ontology import read_question
from ..types import Example, Grade
from .plain_answers import is_plain_number, is_plain_option, is_surely_readable

GAME24_QUESTION = re.compile(r"\s*\d+(?:[\s,]+\d+){3}\s*")
GAME24_ANSWER = re.compile(r"[\d\s()+\-*/×÷.]+(?:=\s*24)?\s*")
LATEX_MARKUP = re.compile(r"\\[a-zA-Z]+|[\^_]\{|\$[^$]+\$")
BOXED_ANSWER = re.compile(r"\\f?boxed\b|\\fbox\b")
# Letters, digits and at least one sign that joins them.
PLAIN_FORMULA = re.compile(
    r"[\w\s.,()\[\]{}+\-*/^=<>|!%:°π√∞]*[+\-*/^=(\[√π][\w\s.,()\[\]{}+\-*/^=<>|!%:°π√∞]*"
)
LETTER_ANSWER = re.compile(r"[(\[]?[A-Z][)\].:]?")
WORD_IN_FORMULA = re.compile(r"[A-Za-z]{3,}")
MAX_FORMULA_CHARS = 100
# Of a large file, so many rows are looked at before all are.
N_FIRST_LOOK = 2000
N_CLOSE_LOOK = 20_000
# The rest of the answers of a math file are names and words.
MIN_MATH_SHARE = 0.9


class GraderGuess(NamedTuple):
    # The best first; two where only a person can tell.
    graders: tuple[str, ...]
    # What speaks for the graders, or between them; a phrase each.
    evidence: tuple[str, ...]


def guess_grader(examples: Sequence[Example]) -> GraderGuess:
    """Goes by the rows that have an answer.

    Raises DataError where no row has one, or where no grader reads them all.
    """
    answered_examples = [e for e in examples if e.answer is not None]
    if not answered_examples:
        raise DataError(
            "no row has an answer",
            got=f"{len(examples)} rows",
            fix="seeds may lack answers, what is measured on may not: name the column with "
            "--answer COLUMN",
        )

    # The narrowest first: the answer 24 of a puzzle is a number too, and any answer is a text.
    # Each gets examples that all have an answer. It returns None if its grader doesn't fit.
    for try_grader in (
        guess_proof,
        guess_game24,
        guess_choice,
        guess_number,
        guess_math,
    ):
        guess = try_grader(answered_examples)
        if guess is not None:
            return guess

    check_answers("exact", answered_examples)
    evidence = f"{describe_answers(answered_examples)}: compared as text"
    return GraderGuess(("exact",), (evidence,))


def guess_proof(examples: Sequence[Example]) -> GraderGuess | None:
    if not all(str(e.answer).strip() in ("True", "False") for e in examples):
        return None
    if not all(read_question(e.question) is not None for e in examples):
        return None
    evidence = f'{all_of(examples)} questions are facts, rules and "True or false: …"'
    n_proofs = sum(e.solution is not None for e in examples)
    if n_proofs:
        return GraderGuess(("proof",), (f"{evidence}; {n_proofs:,} have a proof",))
    return GraderGuess(
        ("proof", "exact"), (evidence, "but no row has a proof, only True or False")
    )


def guess_game24(examples: Sequence[Example]) -> GraderGuess | None:
    if not all(is_game24_example(example) for example in examples):
        return None
    evidence = f"{all_of(examples)} questions are four numbers, to make 24 of"
    return GraderGuess(("game24",), (evidence,))


def is_game24_example(example: Example) -> bool:
    """The question is four numbers; the answer is 24, or an expression with these numbers."""
    if GAME24_QUESTION.fullmatch(example.question) is None:
        return False
    answer = str(example.answer).strip()
    if answer == "24":
        return True
    if GAME24_ANSWER.fullmatch(answer) is None:
        return False
    numbers = re.findall(r"\d+", example.question)
    answer_numbers = re.findall(r"\d+", answer.partition("=")[0])
    return Counter(answer_numbers) == Counter(numbers)


def guess_choice(examples: Sequence[Example]) -> GraderGuess | None:
    """The answers are options of their questions: by letter, or in the options' own words."""
    for example in examples:
        if is_plain_option(example):
            continue
        options = read_options(example.question)
        if chosen_letter(str(example.answer), options) is None:
            return None
    evidence = f"{all_of(examples)} answers are options (A), (B), … of their questions"
    if all(answer_kind(str(e.answer)) == "numbers" for e in examples):
        return GraderGuess(
            ("choice", "number"),
            (evidence, "and all of them are numbers, not letters"),
        )
    return GraderGuess(("choice",), (evidence,))


def guess_number(examples: Sequence[Example]) -> GraderGuess | None:
    if not all(is_number(str(e.answer)) for e in examples):
        return None
    evidence = f"{all_of(examples)} answers are numbers"
    n_boxed = count_boxed(examples)
    n_latex = count_latex(examples)
    if 2 * n_boxed > len(examples) or n_latex:
        return GraderGuess(
            ("number", "math"),
            (
                evidence,
                f"but {n_boxed:,} solutions end in \\boxed, and {n_latex:,} answers are LaTeX",
            ),
        )
    return GraderGuess(("number",), (evidence,))


def is_number(answer: str) -> bool:
    return is_plain_number(answer) or read_number(answer) is not None


def guess_math(examples: Sequence[Example]) -> GraderGuess | None:
    """Numbers and formulas. Without LaTeX among them, they may as well be compared as text."""
    if not may_be_formulas(take_evenly(examples, N_FIRST_LOOK)):
        return None
    other_answers = [str(e.answer) for e in examples if not is_number(str(e.answer))]
    n_answers = len(examples)
    n_numbers = n_answers - len(other_answers)
    n_formulas = sum(is_formula(answer) for answer in other_answers)
    if n_formulas == 0 or n_numbers + n_formulas < MIN_MATH_SHARE * n_answers:
        return None
    n_latex = count_latex(examples)
    evidence = (
        f"{n_numbers:,} of {n_answers:,} answers are numbers and {n_formulas:,} formulas; "
        f"{n_latex:,} are in LaTeX"
    )
    if n_latex or 2 * count_boxed(examples) > n_answers:
        return GraderGuess(("math",), (evidence,))
    return GraderGuess(("math", "exact"), (evidence,))


def may_be_formulas(examples: Sequence[Example]) -> bool:
    """At a glance, at half of the share that is wanted in the end."""
    answers = [str(e.answer) for e in examples]
    n_fitting = sum(is_number(answer) or is_formula(answer) for answer in answers)
    return 2 * n_fitting >= MIN_MATH_SHARE * len(answers)


def take_evenly(examples: Sequence[Example], n: int) -> Sequence[Example]:
    return examples[:: max(1, len(examples) // n)]


def is_formula(answer: str) -> bool:
    """LaTeX, or signs between names of few letters: p - q, (3, 5), x = 2."""
    if LATEX_MARKUP.search(answer):
        return True
    return (
        len(answer) <= MAX_FORMULA_CHARS
        and PLAIN_FORMULA.fullmatch(answer) is not None
        and WORD_IN_FORMULA.search(answer) is None
    )


def count_boxed(examples: Sequence[Example]) -> int:
    """Solutions with a box."""
    return sum(BOXED_ANSWER.search(e.solution or "") is not None for e in examples)


def count_latex(examples: Sequence[Example]) -> int:
    """Answers with LaTeX."""
    return sum(LATEX_MARKUP.search(str(e.answer)) is not None for e in examples)


def check_answers(grader: str, examples: Sequence[Example]) -> None:
    """Raises DataError for answers that the grader can't read.

    A grader that needs more than the answer (a proof, an expression) isn't tried here: the task
    checks its dev and test.
    """
    if grader not in GRADERS or not GRADERS[grader].checks_golds:
        return
    answered_examples = [e for e in examples if e.answer is not None]
    unreadable = [e for e in answered_examples if not is_readable_answer(grader, e)]
    if unreadable:
        counts = f"{len(unreadable):,} of {len(answered_examples):,}"
        raise DataError(
            f"{counts} answers can't be read by the grader {grader}",
            got="; ".join(f"{e.id}: {str(e.answer)[:60]!r}" for e in unreadable[:3]),
            fix="mend or drop these rows, or choose another grader with --grader; for answers in "
            "free words there is --grader judge, which asks a model",
        )


def is_readable_answer(grader: str, example: Example) -> bool:
    """The grader calls the gold answer right when a student gives it."""
    if is_surely_readable(grader, example):
        return True
    try:
        grade: Grade = GRADERS[grader].grade(example, f"Answer: {example.answer}")
    except DataError:
        return False
    return grade.outcome == "right"


def describe_answers(examples: Sequence[Example]) -> str:
    """How many of each kind: "250 letters, 80 words (12 different answers)"."""
    different = {str(e.answer) for e in examples}
    shown = take_evenly(examples, N_CLOSE_LOOK)
    counts = Counter(answer_kind(str(e.answer)) for e in shown).most_common()
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in counts)
    where = f" among {len(shown):,} rows" if len(shown) < len(examples) else ""
    return f"{kinds}{where} ({len(different):,} different answers)"


def answer_kind(answer: str) -> str:
    if LETTER_ANSWER.fullmatch(answer.strip()):
        return "letters"
    if is_number(answer):
        return "numbers"
    return "words" if len(answer.split()) <= 2 else "texts"


def all_of(examples: Sequence[Example]) -> str:
    return f"{len(examples):,} of {len(examples):,}"
