"""Makes examples from rows with named columns, of a JSONL file or the Hub."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..graders.final import final_answer
from ..types import Example, Scalar
from .keys import text_key


@dataclass(frozen=True)
class ExampleColumns:
    """Which column holds what."""

    question: str = "question"
    # A row without an answer gets the final answer of its solution, if there is one.
    answer: str | None = "answer"
    solution: str | None = "solution"
    id: str | None = "id"
    # These go into Example.meta, as does what an object in a column "meta" holds.
    meta: tuple[str, ...] = ()


def examples_from_rows(
    rows: Sequence[Mapping[str, object]],
    source: str,
    columns: ExampleColumns,
) -> list[Example]:
    """source: the file or data set, for errors and for the ids of rows that have none.

    Raises DataError for no rows, a row without a question, and an id that occurs twice.
    """
    examples = [
        example_from_row(row, f"{source}, row {n}", source, columns)
        for n, row in enumerate(rows, start=1)
    ]
    if not examples:
        raise DataError(f"{source} has no rows", allowed="at least one question")
    ids = Counter(
        example.id
        for example, row in zip(examples, rows, strict=True)
        if columns.id in row
    )
    repeated = [id for id, n in ids.items() if n > 1]
    if repeated:
        raise DataError(
            f"{source} has the id {repeated[0]!r} twice",
            allowed="ids that occur once",
            fix=f"make the column {columns.id!r} unique, or remove it",
        )
    return examples


def example_from_row(
    row: Mapping[str, object],
    where: str,
    source: str,
    columns: ExampleColumns,
) -> Example:
    """where: the row's place, for errors. source: as in `examples_from_rows`."""
    question = row.get(columns.question)
    if not isinstance(question, str) or not question.strip():
        has_column = columns.question in row
        all_columns = f"the columns {', '.join(sorted(row))}"
        raise DataError(
            f"{where}: no question in the column {columns.question!r}",
            got=repr(question)[:80] if has_column else all_columns,
            fix="name the column with task.question",
        )

    solution = cell_text(row, columns.solution, where)
    answer = cell_text(row, columns.answer, where)
    if answer is None and solution is not None:
        answer = final_answer(solution)
    id = cell_text(row, columns.id, where)
    if not id:
        id = f"{Path(source).stem}-{text_key(question)[:12]}"

    meta_cell = row.get("meta")
    meta = dict(meta_cell) if isinstance(meta_cell, Mapping) else {}
    meta |= {name: row[name] for name in columns.meta if name in row}
    return Example(id, question, answer, solution, scalar_fields(meta))


def cell_text(row: Mapping[str, object], column: str | None, where: str) -> str | None:
    """The cell as text; None if it is empty, or there is no such column."""
    value = row.get(column) if column is not None else None
    if isinstance(value, list | dict):
        raise DataError(
            f"{where}: the column {column!r} is no text",
            got=repr(value)[:80],
            allowed="a text, a number, true or false",
        )
    return None if value is None else str(value)


def scalar_fields(meta: Mapping[str, object]) -> dict[str, Scalar]:
    """The fields whose value is a scalar; others are dropped."""
    return {
        str(name): value
        for name, value in meta.items()
        if value is None or isinstance(value, str | int | float | bool)
    }
