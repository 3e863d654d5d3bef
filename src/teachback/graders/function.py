"""Answers that a function of one's own judges."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from ..config.functions import imported
from ..errors import ConfigError
from ..types import Example, Grade, Grader, Outcome
from .final import final_answer


def make(spec: str, folder: Path) -> tuple[Grader, bytes]:
    """A grader that asks f(example, text) -> bool or Grade, and the source of the module that f is in.

    Raises ConfigError as `imported` does, and while grading, when f raises or returns anything else.
    """
    example = "return example.answer in text"
    function, source = imported(
        spec, folder, "task.function", "(example, text)", example
    )
    return Grader(grade_with(function, spec), parse), source


def grade_with(
    function: Callable[..., object], spec: str
) -> Callable[[Example, str], Grade]:
    def grade(example: Example, text: str) -> Grade:
        try:
            said = function(example, text)
        except Exception as error:
            raise failed(spec, example, f"{type(error).__name__}: {error}") from error
        if isinstance(said, Grade) and said.outcome in get_args(Outcome):
            return said
        if not isinstance(said, bool):
            raise failed(
                spec, example, f"it returned {said!r:.80} ({type(said).__name__})"
            )
        answer = parse(example.question, text).answer
        return (
            Grade("right", answer, True)
            if said
            else Grade("wrong", answer, reason=f"{spec} says no")
        )

    return grade


def parse(question: str, text: str) -> Grade:
    """Without gold a function can't judge; that there is any text is all that can be said."""
    if not text.strip():
        return Grade("unparsed", reason="no text")
    return Grade("right", final_answer(text) or text.strip())


def failed(spec: str, example: Example, got: str) -> ConfigError:
    return ConfigError(
        f"{spec} failed on the example {example.id!r}",
        got=got,
        allowed="True, False, or a teachback.types.Grade",
        fix="let it return False for answers that it can't read",
    )
