"""Finds the columns of the short answer and of the worked solution."""

from collections.abc import Iterable, Sequence

from ..errors import DataError
from ..tasks.cells import excerpt
from .column_names import (
    ANSWER_NAMES,
    FACT_NAMES,
    ID_NAMES,
    OPTION_NAMES,
    SOLUTION_NAMES,
    match_names,
)
from .field_values import (
    has_own_values,
    is_constant_field,
    is_filled,
    is_long_column,
    is_row_number,
    is_worked_column,
)
from .fields import Field
from .picks import ColumnPicks, init_command_line, refuse_unclear_role
from .question_columns import QuestionGuess


def find_answer_columns(
    fields: Sequence[Field],
    source: str,
    question: QuestionGuess,
    picks: ColumnPicks,
    needs_answer: bool = True,
) -> tuple[str | None, str | None]:
    """Where only the worked solutions hold the answer ("#### 18"), the column of answers is None,
    and a task takes it out of them.

    needs_answer: False where it was found already. Raises DataError where the answer might be in
    several columns, or is a list or an object.
    """
    usable = {
        field.path: field
        for field in fields
        if field.kind == "scalar" and has_value(field)
    }
    if question.reply is not None and question.reply in usable:
        return reply_columns(question.reply, usable, picks)
    answers = [picks.answer] if picks.answer else match_paths(usable, ANSWER_NAMES)
    solutions = (
        [picks.solution] if picks.solution else match_paths(usable, SOLUTION_NAMES)
    )
    if not needs_answer:
        return None, first_name(path for path in solutions if path in usable)
    if not answers and not solutions:
        answers = answers_by_content(list(usable.values()), source, question)
    if not answers and not solutions:
        refuse_nested_answers(fields, source)
    return divide_columns(usable, answers, solutions, picks)


def divide_columns(
    usable: dict[str, Field],
    answers: Sequence[str],
    solutions: Sequence[str],
    picks: ColumnPicks,
) -> tuple[str | None, str | None]:
    """By their values: short ones are answers; long ones, and those with a mark, are solutions."""
    long_paths = {
        path for path, field in usable.items() if is_long_column(field.values)
    }
    marked_paths = {
        path
        for path in (*answers, *solutions)
        if path in usable and is_worked(usable[path])
    }
    not_short = marked_paths | long_paths
    short = first_name(path for path in answers if path not in not_short)
    # Long answers, or a column "solution" with short ones, are better than no answers at all.
    if short is None and not marked_paths:
        short_solutions = [path for path in solutions if path not in long_paths]
        short = first_name((*answers, *short_solutions))

    candidates = [*solutions, *(path for path in answers if path in not_short)]
    candidates = [path for path in candidates if path != short]
    if short is None and not picks.solution:
        # The solutions must hold the answer, so one that marks it comes first.
        candidates.sort(key=lambda path: path not in marked_paths)
    return short, first_name(candidates)


def reply_columns(
    reply: str, usable: dict[str, Field], picks: ColumnPicks
) -> tuple[str | None, str | None]:
    """Of a chat: the assistant's turn is the solution if it marks its answer, or if a column
    beside the chat has the answer. Else it is the answer.
    """
    if picks.answer or picks.solution:
        return picks.answer, picks.solution
    others = {path: field for path, field in usable.items() if path != reply}
    named = first_name(
        path
        for path in match_paths(others, ANSWER_NAMES)
        if not is_long_column(others[path].values)
    )
    if named is not None:
        return named, reply
    if is_worked(usable[reply]):
        return None, reply
    return reply, None


def answers_by_content(
    fields: Sequence[Field], source: str, question: QuestionGuess
) -> list[str]:
    """Under any name: the only column that could be it, or a short one beside a long one.

    Raises DataError where there are several.
    """
    names = [field.name for field in fields]
    facts = match_names(names, (*FACT_NAMES, *ID_NAMES))
    candidates = [
        field
        for field in fields
        if field.name not in facts
        and is_filled(field)
        and not is_constant_field(field)
        and not is_row_number(field)
    ]
    short = [f for f in candidates if not is_long_column(f.values) and not is_worked(f)]
    if len(short) > 1:
        # Names of rows, such as a7, are no answers.
        short = [
            f for f in short if not (has_own_values(f) and is_word_field(f))
        ] or short
    rest = [field for field in candidates if field not in short]
    if len(short) > 1 or len(rest) > 1:
        raise refuse_unclear_role(
            "answer", candidates, source, question.columns_for_command
        )
    return [field.path for field in (*short, *rest)]


def is_word_field(field: Field) -> bool:
    return all(len(str(value).split()) == 1 for value in field.values)


def refuse_nested_answers(fields: Sequence[Field], source: str) -> None:
    """Raises DataError for a column of answers or solutions that holds a list or an object."""
    nested = {field.path: field for field in fields if field.kind != "scalar"}
    names = match_paths(nested, (*ANSWER_NAMES, *SOLUTION_NAMES, *OPTION_NAMES))
    for path in names:
        command = init_command_line(source, answer=f"{path}.KEY")
        raise DataError(
            f"{source}: the column {path!r} is no text",
            got=excerpt(nested[path].values[0]),
            allowed="a text, a number, true or false",
            fix=f"say what you want of it: {command}",
        )


def match_paths(fields: dict[str, Field], known_names: Sequence[str]) -> list[str]:
    """The paths of fields that go by these names, in the names' order."""
    names = match_names((field.name for field in fields.values()), known_names)
    paths = [
        path for name in names for path, field in fields.items() if field.name == name
    ]
    # A column of single answers comes before the first of a list.
    return sorted(paths, key=lambda path: path.endswith("[0]"))


def has_value(field: Field) -> bool:
    return any(str(value).strip() for value in field.values)


def is_worked(field: Field) -> bool:
    return is_worked_column(field.values)


def first_name(names: Iterable[str]) -> str | None:
    return next(iter(names), None)
