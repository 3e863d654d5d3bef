"""Grader `function`: the user's own Python function decides."""

from collections.abc import Callable
from typing import get_args

from ..errors import ConfigError, UserFunctionError
from ..types import (
    Example,
    FunctionName,
    Grade,
    Grader,
    ImportFunction,
    Outcome,
    Settings,
)
from .final import final_answer


class FunctionGraderSettings(Settings):
    # my_module:my_function, or path/to/file.py:my_function
    function: FunctionName


def load_function_grader(*, function: str, import_function: ImportFunction) -> Grader:
    """A grader that calls the user's f(example, text) -> bool or Grade.

    Raises ConfigError when f can't be imported. Grading raises ConfigError when f raises, or
    returns anything else.
    """
    body = "return example.answer in text"
    loaded = import_function(function, "task.function", "(example, text)", body)
    return make_function_grader(loaded, function)


def make_function_grader(function: Callable[..., object], name: str) -> Grader:
    """name: the function's, as reasons and messages show it."""

    def grade(example: Example, text: str) -> Grade:
        try:
            result = function(example, text)
        except UserFunctionError as error:
            raise _function_error(name, example, str(error.got)) from error
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
            raise _function_error(name, example, got) from error
        if isinstance(result, Grade) and result.outcome in get_args(Outcome):
            return result
        if not isinstance(result, bool):
            got = f"it returned {result!r:.80} ({type(result).__name__})"
            raise _function_error(name, example, got)

        answer = parse_any_text(example.question, text).answer
        if result:
            return Grade("right", answer, True)
        return Grade("wrong", answer, reason=f"{name} says no")

    return Grader(grade, parse_any_text)


def parse_any_text(question: str, text: str) -> Grade:
    """Accepts any text that isn't blank: without a gold answer the function can't decide."""
    if not text.strip():
        return Grade("unparsed", reason="no text")
    return Grade("right", final_answer(text) or text.strip())


def _function_error(name: str, example: Example, got: str) -> ConfigError:
    return ConfigError(
        f"{name} failed on the example {example.id!r}",
        got=got,
        allowed="True, False, or a teachback.types.Grade",
        fix="let it return False for answers that it can't read",
    )
