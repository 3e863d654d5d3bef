"""Reads a question and its answer from JSON that a model wrote into its reply."""

import json
import re
from typing import Any

from .json_values import value_at

# With or without the name of the language.
FENCED_BLOCK = re.compile(r"```[ \t]*\w*[ \t]*\r?\n(.*?)\n?[ \t]*```", re.DOTALL)
# A backslash of its own before a letter: models forget to write two for LaTeX. \b and \f are
# never meant. The others are where they begin a command of LaTeX's.
LATEX_IN_JSON = re.compile(
    r"(?<!\\)(?:\\\\)*(\\(?:"
    r"[bf][A-Za-z]*"
    r"|(?:t(?:ext\w*|imes|heta|an|anh|au|o|op|riangle\w*|frac|ilde|herefore)"
    r"|r(?:ho|ight\w*|angle|ceil|floor|m|oot)"
    r"|n(?:eq|abla|otin|mid|onumber|leq|geq|rightarrow))(?![A-Za-z])"
    r"|(?<=[$({^_]\\)n[euio]t?(?![A-Za-z])"
    r"))"
)


class JsonNumber(str):
    """A number as it is written."""


def parse_json_pair(text: str) -> tuple[str, str] | None:
    """The fields "question" and "solution" (or else "answer") of one object, fenced or not.

    The answer may be a number. None: there is no such object. Raises ValueError, with the command,
    where JSON has eaten the backslash of a LaTeX command.
    """
    for source in [text, *reversed(FENCED_BLOCK.findall(text))]:
        data = _parse_object(source)
        question = value_at(data, "question")
        solution = value_at(data, "solution") or value_at(data, "answer")
        is_question = isinstance(question, str) and not isinstance(question, JsonNumber)
        if is_question and isinstance(solution, str):
            eaten = LATEX_IN_JSON.search(source)
            if eaten:
                raise ValueError(eaten[1])
            return str(question), str(solution)
    return None


def _parse_object(text: str) -> Any:
    if "{" not in text:
        return None
    try:
        return json.loads(
            text, parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(constant)
