"""Answers that a pattern of one's own finds."""

import re

from ..errors import ConfigError
from ..types import Example, Grade, Grader
from .exact import same_text
from .final import compared, gold


def make(pattern: str) -> Grader:
    """A grader whose answer is the pattern's last match in the text: its first group, or without groups the whole.

    Compared as text, like `exact`. Flags go inside the pattern, as in (?im). Matches that are empty don't count.
    Python's engine backtracks: a pattern like (a+)+$ can take for ever on a long text. Raises ConfigError for what is
    no pattern.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(
            "task.pattern is not a regular expression",
            got=f"{pattern!r}: {error}",
            allowed="Python's syntax (the module re)",
            fix="escape what is meant literally: \\$ \\( \\[ \\.",
        ) from error
    if not pattern:
        raise ConfigError(
            "task.pattern is empty", got="''", fix=r"give one like 'Result: (\d+)'"
        )

    def parse(question: str, text: str) -> Grade:
        answer = last_match(compiled, text)
        if answer is None:
            return Grade("unparsed", reason=f"nothing matches {pattern}")
        return Grade("right", answer)

    def grade(example: Example, text: str) -> Grade:
        found = parse(example.question, text)
        if found.answer is None:
            return found
        return compared(
            found.answer, example.answer, same_text(found.answer, gold(example))
        )

    return Grader(grade, parse)


def last_match(pattern: re.Pattern[str], text: str) -> str | None:
    answer = None
    for found in pattern.finditer(text):
        part = found[1] if pattern.groups else found[0]
        answer = (part or "").strip() or answer
    return answer
