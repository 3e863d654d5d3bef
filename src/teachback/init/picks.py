"""The columns that the user named, and the command that names them."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DataError
from ..tasks.options import Correct
from ..tasks.table import ExampleColumns
from .fields import Field

MAX_VALUE_CHARS = 40
MAX_LISTED_FIELDS = 12


@dataclass(frozen=True)
class ColumnPicks:
    """What is empty or None is guessed."""

    question: tuple[str, ...] = ()
    answer: str | None = None
    solution: str | None = None
    options: tuple[str, ...] = ()
    correct: Correct | None = None

    @property
    def paths(self) -> list[str]:
        names = [*self.question, self.answer, self.solution, *self.options]
        return [name for name in names if name is not None]


def init_command_line(source: str, **names: str | None) -> str:
    """The command that names these columns: teachback init my.csv --question Frage"""
    words = ["teachback", "init", source]
    for option, name in names.items():
        if name is not None:
            words += [f"--{option}", name]
    # A name in capitals stands for one of the user's.
    return " ".join(word if word.isupper() else shlex.quote(word) for word in words)


def columns_by_role(columns: ExampleColumns) -> dict[str, str]:
    """The columns' names by their keys in a config, without meta and roles that none has."""
    names = {
        "question": " + ".join(columns.question_parts),
        "options": " + ".join(columns.options),
        "answer": columns.answer,
        "solution": columns.solution,
        "id": columns.id,
    }
    return {role: name for role, name in names.items() if name}


def describe_fields(fields: Sequence[Field]) -> str:
    """Their names, each with a value: Frage ('How many …'), Nr (0)"""
    shown = [field for field in fields if field.kind == "scalar"] or list(fields)
    parts = [f"{field.path} ({excerpt_value(field)})" for field in shown]
    more = len(parts) - MAX_LISTED_FIELDS
    rest = [f"and {more} more"] if more > 0 else []
    return ", ".join([*parts[:MAX_LISTED_FIELDS], *rest]) or "none"


def excerpt_value(field: Field) -> str:
    text = " ".join(str(field.values[0]).split())
    if len(text) > MAX_VALUE_CHARS:
        text = f"{text[:MAX_VALUE_CHARS]}…"
    return repr(text)


def refuse_unclear_role(
    role: str, fields: Sequence[Field], source: str, question: str | None = None
) -> DataError:
    """The error for a role, question or answer, that no column clearly has."""
    names = {"question": question or "COLUMN"}
    if role == "answer":
        names["answer"] = "COLUMN"
    return DataError(
        f"{source}: which column has the {role} is not clear",
        got=describe_fields(fields),
        fix=f"name it: {init_command_line(source, **names)}",
    )
