"""Grader `choice`: the letter of one of the question's options, "(A) … (B) …".

The answer may be a letter in any form ("(A)", "A.", "**a)**"), a letter followed by words, or
the text of an option. An answer that names two options names none.
"""

import re
from collections.abc import Mapping
from itertools import pairwise

from ..types import Example, Grade, Grader
from .final import (
    find_final_answer,
    gold_answer,
    grade_comparison,
    no_final_answer,
    unreadable_gold_error,
)
from .text import same_text, strip_markup

OPTIONS_HEADING = re.compile(r"(?:options|choices)\s?:", re.IGNORECASE)
# How a question may letter its options. The first form with two or more letters counts.
OPTION_MARKS = [
    re.compile(r"(?<!\S)\(([A-Z])\)"),
    re.compile(r"^[ \t]{0,9}([A-Z])[).:](?=\s)", re.MULTILINE),
]
LETTER_ALONE = re.compile(
    r"(?:(?:option|choice)\s)?[(\[]?([A-Za-z])[)\].:]{0,2}",
    re.IGNORECASE,
)
LETTER_AND_TEXT = re.compile(
    r"(?:(?:option|choice)\s)?"
    r"(?:[(\[]([A-Za-z])[)\]][.:,]?|([A-Za-z])(?:\)[.:,]?|[.:,](?=\s)|(?=\s(?:\(|[-–—:]\s"
    r"|because\b|since\b))))"
    r"\s*(?:[-–—:]\s+)?(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
# "C, because 7 is prime": what follows gives a reason, if it names no other option.
REASON = re.compile(
    r"(?:because|since|as|for|so|which|that\sis|i\.e\.)\b", re.IGNORECASE
)
# "(C) is wrong", "(C) isn't it": said of the letter before it, so not chosen.
SAID_OF_LETTER = re.compile(
    r"(?:is|was|are|isn['’]t|can|can['’]t|cannot|could|may|might|seems?|looks?|would|does"
    r"|doesn['’]t|not|no"
    r"|nor|or|and|but|if|unless|maybe|perhaps|possibly|probably|wrong|incorrect|false|instead"
    r"|rather|vs"
    r"|versus|except|to)\b|[?/&+=<>|]",
    re.IGNORECASE,
)
QUOTED_CHOICE = re.compile(r"(['\"`])(.+)\1", re.DOTALL)
TEXT_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathbf|mbox|bf)\s?\{([^{}]*)\}"
)
LATEX_SPACE = re.compile(r"\\[,;:! ]|~")
SMALL_LETTER = re.compile(
    r"(?:\(|\b(?:is|it['’]s|or|option|choice|but|and)\s\(?)([b-z])\b(?![\w'’])"
)
DENIAL = re.compile(
    r"\b(?:wrong|incorrect|false|not\s(?:right|correct|it|true)|isn['’]t|neither|no\slonger"
    r"|instead)\b",
    re.IGNORECASE,
)
MAX_QUOTED_CHARS = 200
CAPITAL_LETTER = re.compile(r"(?<![\w'’])([A-Z])(?![\w'’])")


def grade_choice(example: Example, text: str) -> Grade:
    """Raises DataError if the question has no options, or the gold answer isn't one of them."""
    parsed = parse_choice(example.question, text)
    if parsed.outcome != "right" or parsed.answer is None:
        return parsed
    options = read_options(example.question)
    expected = chosen_letter(gold_answer(example), options)
    if expected is None:
        raise unreadable_gold_error(example, "one of its options", ", ".join(options))
    return grade_comparison(parsed.answer, expected, parsed.answer == expected)


def parse_choice(question: str, text: str) -> Grade:
    answer, reason = find_final_answer(text)
    if answer is None:
        return no_final_answer(reason)
    options = read_options(question)
    if not options:
        reason = "the question has no options (A), (B), …"
        return Grade("unparsed", answer, reason=reason)
    letter = chosen_letter(answer, options)
    if letter is None:
        reason = f"not one of the options {', '.join(options)}: {answer[:80]}"
        return Grade("unparsed", answer, reason=reason)
    return Grade("right", letter)


def read_options(question: str) -> dict[str, str]:
    """The question's options, letter → text; {} if there are fewer than two.

    Letters must run A, B, C, … without a gap. The part behind the last heading "Options:" is
    read first, then the whole question.
    """
    parts = [question]
    headings = list(OPTIONS_HEADING.finditer(question))
    if headings:
        parts.insert(0, question[headings[-1].end() :])
    for part in parts:
        for mark in OPTION_MARKS:
            options = lettered_options(part, mark)
            if len(options) > 1:
                return options
    return {}


def lettered_options(text: str, mark: re.Pattern[str]) -> dict[str, str]:
    """The last run A, B, C, … of at least two marks, letter → text.

    An option's text ends at the next mark; the last option's at the end of its line.
    """
    run: list[re.Match[str]] = []
    last_run: list[re.Match[str]] = []
    for match in mark.finditer(text):
        if match[1] == "A":
            run = [match]
        elif run and ord(match[1]) == ord(run[-1][1]) + 1:
            run = [*run, match]
        if len(run) > 1:
            last_run = run
    if not last_run:
        return {}

    options = {}
    for match, following in pairwise(last_run):
        options[match[1]] = text[match.end() : following.start()].strip()
    last = last_run[-1]
    rest_of_line, *_ = text[last.end() :].split("\n", 1)
    options[last[1]] = rest_of_line.strip()
    return options


def chosen_letter(answer: str, options: Mapping[str, str]) -> str | None:
    """The one option that an answer names; None if it names none, or two."""
    answer = strip_markup(answer)
    letters = _letters_with_text(answer, options)
    answer = plain_choice(answer)
    alone = LETTER_ALONE.fullmatch(strip_markup(answer.removesuffix(".")))
    if alone:
        letters |= {alone[1].upper()} & options.keys()
    elif match := LETTER_AND_TEXT.fullmatch(answer):
        letter = (match[1] or match[2]).upper()
        if letter in options:
            letters |= _letters_in_both(letter, match[3], options)
    return letters.pop() if len(letters) == 1 else None


def plain_choice(answer: str) -> str:
    r"""\textbf{(C)}\ 7 becomes (C) 7, and "C" becomes C."""
    answer = LATEX_SPACE.sub(" ", TEXT_COMMAND.sub(r"\1", answer)).strip()
    quoted = QUOTED_CHOICE.fullmatch(answer.removesuffix("."))
    return (
        quoted[2].strip() if quoted and len(quoted[2]) <= MAX_QUOTED_CHARS else answer
    )


def _letters_in_both(letter: str, text: str, options: Mapping[str, str]) -> set[str]:
    """The options named by "(A) text": A alone if the text is A's, else all that it names.

    Two letters, so no choice, for a text that denies the first one or gives another answer.
    """
    letters = _letters_with_text(text, options)
    in_brackets = re.fullmatch(r"\((.*)\)\.?", text, re.DOTALL)
    if in_brackets:
        letters |= _letters_with_text(in_brackets[1], options)
    if letter in letters:
        return {letter}
    named = {match[1] for match in CAPITAL_LETTER.finditer(text)}
    named |= {match[1].upper() for match in SMALL_LETTER.finditer(text)}
    letters = {letter} | letters | (named & options.keys())
    if not REASON.match(text):
        letters |= {
            other for other in options if mentions_option(text, options[other])
        } - {letter}
    if SAID_OF_LETTER.match(text) or (not REASON.match(text) and DENIAL.search(text)):
        return {letter, ""}
    return letters


def mentions_option(text: str, option: str) -> bool:
    words = re.escape(strip_markup(option))
    return (
        bool(words)
        and re.search(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE) is not None
    )


def _letters_with_text(text: str, options: Mapping[str, str]) -> set[str]:
    return {letter for letter, option in options.items() if same_text(text, option)}


CHOICE_GRADER = Grader(grade_choice, parse_choice)
