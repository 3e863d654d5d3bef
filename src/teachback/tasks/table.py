"""Makes examples from rows with named columns, of a file or the Hub."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from ..errors import DataError
from ..files.collector import paused_collector
from ..files.content import source_stem
from ..files.rows import FileRows
from ..graders.final import final_answer
from ..types import Example, Scalar
from .cell_error import CellError
from .cells import cell_as_text, excerpt, find_cell, has_column
from .keys import text_key
from .options import (
    Correct,
    find_right_letter,
    read_option_cells,
    shuffle_options,
    write_options,
)


@dataclass(frozen=True)
class ExampleColumns:
    """Which column holds what. A name may step into a nested column: see `cells.find_cell`."""

    # Several are put together, with a blank line between them. "input?" may be empty.
    question: str | tuple[str, ...] = "question"
    # A row without an answer gets the final answer of its solution, if there is one.
    answer: str | None = "answer"
    solution: str | None = "solution"
    id: str | None = "id"
    # These go into Example.meta, as does what an object in a column "meta" holds.
    meta: tuple[str, ...] = ()
    # Of multiple choice: one column with all options, or one for each.
    options: tuple[str, ...] = ()
    correct: Correct = "letter"

    @property
    def question_parts(self) -> tuple[str, ...]:
        return (self.question,) if isinstance(self.question, str) else self.question


def examples_from_file(
    file: FileRows, source: str, columns: ExampleColumns
) -> list[Example]:
    """source: the path, for errors. Raises DataError, as `examples_from_rows` does."""
    return examples_from_rows(
        file.rows, source, columns, places=file.places, stem=file.stem
    )


def examples_from_rows(
    rows: Sequence[Mapping[str, object]],
    source: str,
    columns: ExampleColumns,
    *,
    places: Iterable[str] | None = None,
    stem: str | None = None,
) -> list[Example]:
    """source: the file or data set, for errors. places: of each row, for errors. stem: the start
    of the ids of rows that have none; None: the source's.

    Raises DataError for no rows, a row without a question, and an id that occurs twice.
    """
    if places is None:
        places = (f"{source}, row {n}" for n in range(1, len(rows) + 1))
    if stem is None:
        stem = source_stem(Path(source))
    with paused_collector():
        examples = [
            example_from_row(row, where, stem, columns)
            for row, where in zip(rows, places, strict=True)
        ]
    if not examples:
        raise DataError(f"{source} has no rows", allowed="at least one question")
    refuse_repeated_ids(rows, examples, source, columns)
    return examples


def refuse_repeated_ids(
    rows: Sequence[Mapping[str, object]],
    examples: Sequence[Example],
    source: str,
    columns: ExampleColumns,
) -> None:
    ids = Counter(
        example.id
        for example, row in zip(examples, rows, strict=True)
        if columns.id is not None and has_column(row, columns.id)
    )
    repeated = [id for id, n in ids.items() if n > 1]
    if repeated:
        raise DataError(
            f"{source} has the id {repeated[0]!r} twice",
            allowed="ids that occur once",
            fix=f"make the column {columns.id!r} unique, or remove it",
        )


def example_from_row(
    row: Mapping[str, object], where: str, stem: str, columns: ExampleColumns
) -> Example:
    """where: the row's place, for errors. stem: as in `examples_from_rows`."""
    question = question_text(row, columns.question_parts, where)
    solution = cell_text(row, columns.solution, where)
    answer = cell_text(row, columns.answer, where)
    if answer is None and solution is not None:
        answer = final_answer(solution)
    if columns.options:
        question, answer = compose_choice(row, question, answer, columns, where)
    id = cell_text(row, columns.id, where)
    if not id:
        id = f"{stem}-{text_key(question)[:12]}"

    meta_cell = row.get("meta")
    meta = dict(meta_cell) if isinstance(meta_cell, Mapping) else {}
    meta |= {name: row[name] for name in columns.meta if name in row}
    return Example(id, question, answer, solution, scalar_fields(meta))


def question_text(row: Mapping[str, object], columns: Sequence[str], where: str) -> str:
    """The texts of the columns. Raises DataError where one is empty that has no "?"."""
    texts = []
    for column in columns:
        name = column.removesuffix("?")
        is_optional = name != column and column not in row
        cell = read_cell(row, name if is_optional else column, where)
        if isinstance(cell, str) and cell.strip():
            texts.append(cell)
        elif not is_optional or (cell is not None and not isinstance(cell, str)):
            all_columns = f"the columns {', '.join(sorted(row))}"
            raise DataError(
                f"{where}: no question in the column {name!r}",
                got=excerpt(cell) if has_column(row, name) else all_columns,
                fix="name the column with task.question",
            )
    if not texts:
        names = ", ".join(columns)
        raise DataError(f"{where}: no question", got=f"nothing in {names}")
    return "\n\n".join(texts)


def compose_choice(
    row: Mapping[str, object],
    question: str,
    answer: str | None,
    columns: ExampleColumns,
    where: str,
) -> tuple[str, str | None]:
    """The question with its options below it, and the right one's letter.

    Raises DataError for options that can't be read, and an answer that is none of them.
    """
    try:
        cells = [find_cell(row, column) for column in columns.options]
        options = read_option_cells(cells)
        if columns.answer in columns.options:
            options = shuffle_options(question, options)
        letter = None
        if answer is not None:
            letter = find_right_letter(answer, options, columns.correct)
    except CellError as error:
        raise DataError(
            f"{where}: {' and '.join(map(repr, columns.options))}: {error}",
            fix="mend the row, or change task.options or task.correct",
        ) from error
    return write_options(question, options), letter


def read_cell(row: Mapping[str, object], column: str, where: str) -> object:
    """Raises DataError for a cell that can't be read."""
    try:
        return find_cell(row, column)
    except CellError as error:
        raise DataError(
            f"{where}: the column {column!r} {error}",
            allowed=error.allowed,
            fix="mend the row, or leave it out",
        ) from error


def cell_text(row: Mapping[str, object], column: str | None, where: str) -> str | None:
    """The cell as text; None if it is empty or blank, or there is no such column."""
    if column is None:
        return None
    value = read_cell(row, column, where)
    try:
        return cell_as_text(value)
    except CellError as error:
        step = "[0]" if isinstance(value, list) else ".KEY"
        is_nested = isinstance(value, list | dict)
        raise DataError(
            f"{where}: the column {column!r} {error}",
            got=excerpt(value),
            allowed=error.allowed,
            fix=f"say what you want of it: {column}{step}" if is_nested else "",
        ) from error


def scalar_fields(meta: Mapping[str, object]) -> dict[str, Scalar]:
    """The fields whose value is a scalar. Others are dropped, and so is NaN, an empty cell."""
    fields: dict[str, Scalar] = {}
    for name, value in meta.items():
        if isinstance(value, float) and not math.isfinite(value):
            continue
        if value is None or isinstance(value, str | int | float | bool):
            fields[str(name)] = value
        elif isinstance(value, Decimal | date):
            fields[str(name)] = str(value)
    return fields
