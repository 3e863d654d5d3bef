"""Finds which columns of a user's rows hold what, by their values and by their names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..errors import DataError
from ..files.source_rows import FileRow
from ..tasks.cells import excerpt, has_column
from ..tasks.table import ExampleColumns
from .answer_columns import find_answer_columns
from .choice_columns import ChoiceColumns, find_choice
from .column_names import ID_NAMES, QUESTION_NAMES, match_names
from .field_values import has_own_values, is_long_column, is_text_field
from .fields import Field, find_field, list_fields, sample_rows
from .picks import ColumnPicks, describe_fields, init_command_line
from .question_columns import QuestionGuess, find_question

NO_PICKS = ColumnPicks()


@dataclass(frozen=True)
class ColumnGuess:
    # As a task takes them. None where the rows have no usable column.
    columns: ExampleColumns
    # What stands in every row above the question: it is said once, in the task's instruction.
    shared_text: str | None = None
    # Questions share long passages, whose words say nothing about copies.
    has_shared_passages: bool = False
    # What the rows are, such as "chats"; "" for plain columns.
    shape: str = ""
    # Remarks for a person to read.
    notes: tuple[str, ...] = ()


def guess_columns(
    rows: Sequence[FileRow], source: str, picks: ColumnPicks = NO_PICKS
) -> ColumnGuess:
    """picks: columns that the user named. They are taken as they are.

    source: the file, for errors. Raises DataError for no rows, a named column that isn't there or
    is empty, and for rows whose question or answer can't be told.
    """
    if not rows:
        raise DataError(f"{source} has no rows", allowed="at least one question")
    check_picks(rows, source, picks)
    fields = list_fields(sample_rows(rows))
    question = find_question(fields, rows, source, picks)
    others = [field for field in fields if field.path not in question.covered]
    choice = find_choice(others, question.cells, picks.answer, picks.options)
    if choice is not None:
        columns = choice_columns(choice, question, others, source, picks)
    else:
        columns = answered_columns(question, others, source, picks)
    columns = replace(columns, id=find_id(others, rows))
    return ColumnGuess(
        columns,
        shared_text=question.shared_text,
        has_shared_passages=question.has_shared_passages,
        shape="multiple choice" if choice else question.shape,
        notes=tuple(column_notes(others, columns, question)),
    )


def check_picks(rows: Sequence[FileRow], source: str, picks: ColumnPicks) -> None:
    """Raises DataError for a column that isn't there."""
    for name in picks.paths:
        plain = name.removesuffix("?")
        if not any(has_column(row, name) or has_column(row, plain) for row in rows):
            names = list_column_names(rows)
            raise DataError(
                f"{source} has no column {name!r}",
                got=", ".join(names),
                fix="name one of them",
            )


def list_column_names(rows: Sequence[FileRow]) -> list[str]:
    """In the order of the file. A row need not have every column."""
    return list(dict.fromkeys(name for row in rows for name in row))


def choice_columns(
    choice: ChoiceColumns,
    question: QuestionGuess,
    fields: Sequence[Field],
    source: str,
    picks: ColumnPicks,
) -> ExampleColumns:
    """Raises DataError where it isn't clear which option is right."""
    corrects = (picks.correct,) if picks.correct else choice.corrects
    answer = picks.answer or choice.answer
    if answer is None or len(corrects) != 1:
        ways = " or ".join(corrects) or "letter, index, number or text"
        command = init_command_line(
            source,
            answer=answer or "COLUMN",
            correct=corrects[0] if corrects else "HOW",
        )
        raise DataError(
            f"{source}: the column {' and '.join(choice.options)} has options, and it is not "
            "clear which of them is right",
            got=describe_fields(fields),
            allowed="letter, index (its place from 0), number (its place from 1) or text",
            fix=f"{command} ({ways})",
        )
    used = {answer, *choice.options}
    rest = [field for field in fields if field.path not in used]
    _, solution = find_answer_columns(rest, source, question, picks, needs_answer=False)
    return ExampleColumns(
        question=question.columns,
        answer=answer,
        solution=solution,
        options=choice.options,
        correct=corrects[0],
    )


def answered_columns(
    question: QuestionGuess, fields: Sequence[Field], source: str, picks: ColumnPicks
) -> ExampleColumns:
    answer, solution = find_answer_columns(fields, source, question, picks)
    refuse_empty_column(fields, source, answer, picks)
    return ExampleColumns(question.columns, answer, solution)


def refuse_empty_column(
    fields: Sequence[Field], source: str, answer: str | None, picks: ColumnPicks
) -> None:
    if picks.answer is not None and find_field(fields, picks.answer) is None:
        raise DataError(
            f"{source}: the column {answer!r} is empty in every row",
            fix="name another column with --answer, or leave --answer out",
        )


def find_id(fields: Sequence[Field], rows: Sequence[FileRow]) -> str | None:
    """A column called so, with another value in every row of the file."""
    plain = {f.path: f.name for f in fields if f.kind == "scalar" and "." not in f.path}
    for name in match_names(plain.values(), ID_NAMES):
        path = next(path for path, own in plain.items() if own == name)
        field = find_field(fields, path)
        if field is None or not has_own_values(field):
            continue
        values = {str(row[path]) for row in rows if row.get(path) not in (None, "")}
        if len(values) == len(rows):
            return path
    return None


def column_notes(
    fields: Sequence[Field], columns: ExampleColumns, question: QuestionGuess
) -> Iterator[str]:
    """What the user should know of the choice. fields: all but the question's."""
    answer, solution = columns.answer, columns.solution
    if answer is None and solution is not None:
        yield (
            f"the column {solution!r} holds worked solutions that end in the answer: it is "
            "taken out of them"
        )
    answer_field = find_field(fields, answer)
    if answer_field is not None and is_long_column(answer_field.values):
        yield (
            f"the answers in {answer!r} are long, and are wanted word for word: for free "
            "words there is grader: judge"
        )
    yield from several_answers_notes(fields, answer)
    yield from question.notes

    used = {answer, solution, *columns.options}
    unseen = [
        field for field in fields if is_text_field(field) and field.path not in used
    ]
    names = match_names((field.name for field in unseen), QUESTION_NAMES)
    if names:
        seen = " and ".join(repr(name) for name in columns.question_parts)
        listing = ", ".join(map(repr, names))
        yield f"the student sees the column {seen} only, not {listing}"


def several_answers_notes(fields: Sequence[Field], answer: str | None) -> Iterator[str]:
    """Where a list of answers holds different ones, the others count as wrong."""
    if answer is None or not answer.endswith("[0]"):
        return
    lists = find_field(fields, answer.removesuffix("[0]"))
    if lists is None:
        return
    several = [cell for cell in lists.values if has_different_parts(cell)]
    if several:
        yield (
            f"of the answers in {lists.path!r} the first counts, and no other is right: "
            f"{excerpt(several[0])}"
        )


def has_different_parts(cell: object) -> bool:
    return isinstance(cell, list) and len(set(map(str, cell))) > 1
