"""Grader `regex`: the answer is what the user's pattern matches."""

import re

from ..errors import ConfigError
from ..types import Example, Grade, Grader, Settings
from .final import gold_answer, grade_comparison
from .text import same_text


class RegexGraderSettings(Settings):
    # What the answer looks like.
    pattern: str


def make_regex_grader(pattern: str) -> Grader:
    """The answer is the pattern's last match: its first group or, without groups, the whole match.

    Empty matches don't count. Answers are compared as text, like `exact`. Flags go inside the
    pattern, as in (?im). Python's engine backtracks: a pattern like (a+)+$ can take forever on
    a long text. Raises ConfigError for an invalid or empty pattern.
    """
    compiled = _compile(pattern)

    def parse(question: str, text: str) -> Grade:
        answer = _last_match(compiled, text)
        if answer is None:
            return Grade("unparsed", reason=f"nothing matches {pattern}")
        return Grade("right", answer)

    def grade(example: Example, text: str) -> Grade:
        parsed = parse(example.question, text)
        if parsed.answer is None:
            return parsed
        is_same = same_text(parsed.answer, gold_answer(example))
        return grade_comparison(parsed.answer, example.answer, is_same)

    return Grader(grade, parse)


def _compile(pattern: str) -> re.Pattern[str]:
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
            "task.pattern is empty",
            got="''",
            fix=r"give one like 'Result: (\d+)'",
        )
    return compiled


def _last_match(pattern: re.Pattern[str], text: str) -> str | None:
    answer = None
    for match in pattern.finditer(text):
        content = match[1] if pattern.groups else match[0]
        answer = (content or "").strip() or answer
    return answer
