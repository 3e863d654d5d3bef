"""Finds which column of a user's file holds what, by its name and by its values."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..errors import DataError
from ..graders.final import final_answer
from ..tasks.table import ExampleColumns
from .column_names import (
    ANSWER_NAMES,
    ID_NAMES,
    OPTION_NAMES,
    QUESTION_NAMES,
    SOLUTION_NAMES,
    match_names,
)

JsonRow = Mapping[str, object]

# Texts that are longer at the median are worked solutions, not answers.
MAX_SHORT_ANSWER_CHARS = 100
# Of a column of worked solutions: a few may lack their marked answer.
MIN_MARKED_SHARE = 0.9
MAX_JSON_EXCERPT_CHARS = 80


@dataclass(frozen=True)
class ColumnGuess:
    # As a task takes them. None where the file has no usable column.
    columns: ExampleColumns
    # Remarks for a person to read.
    notes: tuple[str, ...] = ()


def guess_columns(
    rows: Sequence[JsonRow],
    source: str,
    question: str | None = None,
    answer: str | None = None,
) -> ColumnGuess:
    """question, answer: columns that the user named. They are taken as they are.

    source: the file, for errors. Raises DataError for no rows, a named column that isn't there,
    no question, an empty column of answers, and a list or an object in the only one.
    """
    if not rows:
        raise DataError(f"{source} has no rows", allowed="at least one question")
    names = list_columns(rows)
    for user_name in (question, answer):
        if user_name is not None and user_name not in names:
            raise DataError(
                f"{source} has no column {user_name!r}",
                got=join_names(names),
                fix="name one of them",
            )
    if answer is not None and not column_values(rows, answer):
        raise DataError(
            f"{source}: the column {answer!r} is empty in every row",
            fix="name another column with --answer, or leave --answer out",
        )

    question_name = question or find_question_column(rows, names, source)
    other_names = [name for name in names if name != question_name]
    answer_name, solution_name = find_answer_columns(rows, other_names, answer)
    if answer_name is None and solution_name is None:
        refuse_nested_answers(rows, other_names, source)
    id_names = match_names(other_names, ID_NAMES)
    id_name = first_name(name for name in id_names if is_id_column(rows, name))
    columns = ExampleColumns(question_name, answer_name, solution_name, id_name)
    return ColumnGuess(columns, tuple(column_notes(rows, other_names, columns)))


def list_columns(rows: Sequence[JsonRow]) -> list[str]:
    """In the order of the file. A row need not have every column."""
    return list(dict.fromkeys(name for row in rows for name in row))


def find_question_column(
    rows: Sequence[JsonRow], names: Sequence[str], source: str
) -> str:
    """The first column with a question's name that holds mostly texts, and different ones.

    Raises DataError without such a column of texts.
    """
    candidates = []
    for name in match_names(names, QUESTION_NAMES):
        n_texts = sum(has_text(row, name) for row in rows)
        if 2 * n_texts > len(rows):
            candidates.append(name)
    if not candidates:
        raise DataError(
            f"{source}: no column looks like a question",
            got=f"the columns {join_names(names)}",
            allowed=f"a text in a column such as {', '.join(QUESTION_NAMES[:5])}",
            fix="name it with --question COLUMN",
        )
    # By name, an "instruction" that says "Add." in every row would win over the "input".
    varied = (name for name in candidates if is_varied_column(rows, name))
    return next(varied, candidates[0])


def find_answer_columns(
    rows: Sequence[JsonRow], names: Sequence[str], user_name: str | None
) -> tuple[str | None, str | None]:
    """The columns of the short answer and of the worked solution.

    user_name: the column of answers, if the user named it. Where only the worked solutions hold
    the answer ("#### 18"), the column of answers is None, and a task takes them out.
    """
    usable_names = [
        name for name in names if is_scalar_column(column_values(rows, name))
    ]
    answers = [user_name] if user_name else match_names(usable_names, ANSWER_NAMES)
    solutions = match_names(usable_names, SOLUTION_NAMES)
    long_names = {
        name for name in usable_names if is_long_column(column_values(rows, name))
    }
    marked_names = {
        name
        for name in (*answers, *solutions)
        if is_worked_column(column_values(rows, name))
    }

    not_short = marked_names | long_names
    short = first_name(name for name in answers if name not in not_short)
    # Long answers, or a column "solution" with short ones, are better than no answers at all.
    if short is None and not marked_names:
        short_solutions = [name for name in solutions if name not in long_names]
        short = first_name((*answers, *short_solutions))

    candidates = [*solutions, *(name for name in answers if name in not_short)]
    candidates = [name for name in candidates if name != short]
    if short is None:
        # The solutions must hold the answer, so one that marks it comes first.
        candidates.sort(key=lambda name: name not in marked_names)
    return short, first_name(candidates)


def refuse_nested_answers(
    rows: Sequence[JsonRow], names: Sequence[str], source: str
) -> None:
    """Raises DataError for a column of answers or solutions that holds a list or an object."""
    for name in match_names(names, (*ANSWER_NAMES, *SOLUTION_NAMES)):
        for row in rows:
            if is_nested(row.get(name)):
                raise DataError(
                    f"{source}: the column {name!r} is no text",
                    got=json_excerpt(row[name]),
                    allowed="a text, a number, true or false",
                    fix="give each row one answer, or name another column with --answer",
                )


def column_notes(
    rows: Sequence[JsonRow], names: Sequence[str], columns: ExampleColumns
) -> Iterator[str]:
    """What the user should know of the choice. names: all columns but the question's."""
    answer, solution = columns.answer, columns.solution
    if answer is None and solution is not None:
        yield (
            f"the column {solution!r} holds worked solutions that end in the answer: it is "
            "taken out of them"
        )
    if answer is not None and is_long_column(column_values(rows, answer)):
        yield (
            f"the answers in {answer!r} are long, and are wanted word for word: for free "
            "words there is grader: judge"
        )

    for name in match_names(names, OPTION_NAMES):
        if any(row.get(name) for row in rows):
            yield (
                f"the student does not see the column {name!r}: put the options into the "
                "question, as (A) … (B) …"
            )
            break

    unseen_names = []
    for name in match_names(names, QUESTION_NAMES):
        is_used = name in (answer, solution)
        if not is_used and any(has_text(row, name) for row in rows):
            unseen_names.append(repr(name))
    if unseen_names:
        yield (
            f"the student sees the column {columns.question!r} only, not "
            f"{', '.join(unseen_names)}"
        )


def columns_by_role(columns: ExampleColumns) -> dict[str, str | None]:
    """The columns' names by their keys in a config, without meta."""
    return {
        "question": columns.question,
        "answer": columns.answer,
        "solution": columns.solution,
        "id": columns.id,
    }


def column_values(rows: Sequence[JsonRow], name: str) -> list[object]:
    return [row[name] for row in rows if row.get(name) is not None]


def is_nested(value: object) -> bool:
    return isinstance(value, list | dict)


def is_scalar_column(values: Sequence[object]) -> bool:
    """Texts, numbers or truth values, and not all of them blank."""
    has_nested = any(is_nested(value) for value in values)
    return not has_nested and any(str(value).strip() for value in values)


def is_worked_column(values: Sequence[object]) -> bool:
    """Nearly all are texts that end in a marked answer: "#### 18", \\boxed{18}, "Answer: 18"."""
    texts = [value for value in values if isinstance(value, str)]
    n_marked = sum(final_answer(text) is not None for text in texts)
    return bool(texts) and n_marked >= MIN_MARKED_SHARE * len(values)


def is_long_column(values: Sequence[object]) -> bool:
    lengths = sorted(len(str(value)) for value in values)
    return lengths[len(lengths) // 2] > MAX_SHORT_ANSWER_CHARS


def is_varied_column(rows: Sequence[JsonRow], name: str) -> bool:
    n_different = len({str(row.get(name)) for row in rows})
    return 2 * n_different > len(rows)


def is_id_column(rows: Sequence[JsonRow], name: str) -> bool:
    """Every row has an id of its own: a text or a number."""
    values = column_values(rows, name)
    n_different = len({str(value) for value in values})
    return len(values) == len(rows) == n_different and is_scalar_column(values)


def has_text(row: JsonRow, name: str) -> bool:
    value = row.get(name)
    return isinstance(value, str) and bool(value.strip())


def first_name(names: Iterable[str]) -> str | None:
    return next(iter(names), None)


def join_names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def json_excerpt(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:MAX_JSON_EXCERPT_CHARS]
