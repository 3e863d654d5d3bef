"""Multiple choice: the letter of one of the options that stand in the question, "(A) … (B) …".

An answer may be the letter in any dress ("(A)", "A.", "**a)**"), the letter with words behind it, or the text of an
option as the question has it. Where it names two options it names none.
"""

import re
from collections.abc import Mapping
from itertools import pairwise

from ..types import Example, Grade, Grader
from .exact import bare, same_text
from .final import compared, final_answer, gold, missing, unreadable

LIST = re.compile(r"(?:options|choices)\s?:", re.IGNORECASE)
MARKS = [  # how a question may letter its options; the first that gives two of them counts
    re.compile(r"(?<!\S)\(([A-Z])\)"),
    re.compile(r"^[ \t]{0,9}([A-Z])[).:](?=\s)", re.MULTILINE),
]
LETTER = re.compile(
    r"(?:(?:option|choice)\s)?[(\[]?([A-Za-z])[)\].:]{0,2}", re.IGNORECASE
)
LETTER_AND_TEXT = re.compile(
    r"(?:(?:option|choice)\s)?(?:[(\[]([A-Za-z])[)\]][.:]?|([A-Za-z])(?:\)|[.:](?=\s)))\s*(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
NAMED = re.compile(r"(?<![\w'’])([A-Z])(?![\w'’])")


def options(question: str) -> dict[str, str]:
    """Letter → text of the question's options, lettered A, B, C, … without a gap; {} if there are fewer than two."""
    lists = [*LIST.finditer(question)]
    for part in ([question[lists[-1].end() :]] if lists else []) + [question]:
        for mark in MARKS:
            if len(found := lettered(part, mark)) > 1:
                return found
    return {}


def lettered(text: str, mark: re.Pattern[str]) -> dict[str, str]:
    """The last run A, B, C, … of marks that has at least two letters, each with the text up to the next mark,
    the last with the rest of its line."""
    run: list[re.Match[str]] = []
    best: list[re.Match[str]] = []
    for found in mark.finditer(text):
        if found[1] == "A":
            run = [found]
        elif run and ord(found[1]) == ord(run[-1][1]) + 1:
            run = [*run, found]
        best = run if len(run) > 1 else best
    parts = [text[this.end() : then.start()] for this, then in pairwise(best)]
    parts += [text[last.end() :].partition("\n")[0] for last in best[-1:]]
    return {found[1]: part.strip() for found, part in zip(best, parts, strict=True)}


def letter(answer: str, choices: Mapping[str, str]) -> str | None:
    """The one option that an answer names; None when it names none, or two."""
    answer = bare(answer)
    named = {option for option, text in choices.items() if same_text(answer, text)}
    if alone := LETTER.fullmatch(bare(answer.removesuffix("."))):
        named |= {alone[1].upper()} & choices.keys()
    elif (found := LETTER_AND_TEXT.fullmatch(answer)) and (
        first := (found[1] or found[2]).upper()
    ) in choices:
        named |= of_both(first, found[3], choices)
    return named.pop() if len(named) == 1 else None


def of_both(first: str, text: str, choices: Mapping[str, str]) -> set[str]:
    """The options named by "(A) text": A alone where that is its text, otherwise every option that the text names."""
    same = {option for option, words in choices.items() if same_text(text, words)}
    if first in same:
        return {first}
    return (
        {first} | same | ({found[1] for found in NAMED.finditer(text)} & choices.keys())
    )


def grade(example: Example, text: str) -> Grade:
    """Raises DataError where the example's question has no options, or its answer isn't one of them."""
    found = parse(example.question, text)
    if found.outcome != "right" or found.answer is None:
        return found
    choices = options(example.question)
    expected = letter(gold(example), choices)
    if expected is None:
        raise unreadable(example, "one of its options", ", ".join(choices))
    return compared(found.answer, expected, found.answer == expected)


def parse(question: str, text: str) -> Grade:
    answer = final_answer(text)
    if answer is None:
        return missing()
    choices = options(question)
    if not choices:
        return Grade(
            "unparsed", answer, reason="the question has no options (A), (B), …"
        )
    found = letter(answer, choices)
    if found is None:
        return Grade(
            "unparsed",
            answer,
            reason=f"not one of the options {', '.join(choices)}: {answer[:80]}",
        )
    return Grade("right", found)


GRADER = Grader(grade, parse)
