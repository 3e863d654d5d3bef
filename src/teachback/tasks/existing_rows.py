"""Rows the user already has: a run starts from them, or the pool teacher hands them out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from ..errors import DataError
from ..files.rows import read_rows
from ..files.source_rows import FileRow
from ..types import Example, Row
from .cells import has_column
from .conflicts import conflict_note, drop_conflicts
from .keys import text_key
from .table import ExampleColumns, example_from_row

# The column of a text to train on as it is.
TEXT_COLUMN = "text"
PLAIN_COLUMNS = ExampleColumns()


def read_existing_rows(
    path: Path,
    target: Callable[[Example], str | None],
    on_note: Callable[[str], None] = lambda note: None,
    columns: ExampleColumns | None = None,
) -> tuple[Row, ...]:
    """Reads a file of questions and texts to train on, in an order of their contents.

    The text is the column `text`, or else the task's `target` of solution and answer. columns: the
    task's; a file that lacks them is read by the plain names: question, answer, solution, id. Rows
    that answer the same question differently are left out, and on_note(text) says so. Raises
    DataError for a row with neither text nor answer.
    """
    file = read_rows(path)
    file_rows = file.rows
    columns = choose_columns(file_rows, columns)
    rows = [
        existing_row(row, where, file.stem, target, columns)
        for row, where in zip(file_rows, file.places, strict=True)
    ]
    rows, dropped = drop_conflicts(rows, text_key)
    if dropped:
        on_note(conflict_note(dropped, str(path)))
    for note in file.notes:
        on_note(note)
    rows.sort(key=lambda row: (row.question, row.text, row.id, row.answer or ""))
    return number_equal_ids(rows)


def choose_columns(
    rows: Sequence[FileRow], columns: ExampleColumns | None
) -> ExampleColumns:
    """The task's columns, if the file has those of the question."""
    if columns is None or not rows:
        return PLAIN_COLUMNS
    names = [name.removesuffix("?") for name in columns.question_parts]
    is_tasks = all(is_column_of(rows, name) for name in names)
    return replace(columns, meta=()) if is_tasks else PLAIN_COLUMNS


def is_column_of(rows: Sequence[FileRow], name: str) -> bool:
    return any(has_column(row, name) for row in rows)


def existing_row(
    row: Mapping[str, object],
    where: str,
    stem: str,
    target: Callable[[Example], str | None],
    columns: ExampleColumns,
) -> Row:
    example = example_from_row(row, where, stem, columns)
    text = None if TEXT_COLUMN in columns.question_parts else row.get(TEXT_COLUMN)
    if not isinstance(text, str):
        text = target(example)
    if text is None:
        raise DataError(
            f"{where}: nothing to train on",
            got=f"the columns {', '.join(sorted(row))}",
            allowed="text, or solution, or answer",
        )
    id_cell = row.get(columns.id) if columns.id else None
    content = f"{example.question}\0{text}".encode("utf-8", "replace")
    own_id = f"{stem}-{sha256(content).hexdigest()[:12]}"
    return Row(
        id=f"given-{own_id if id_cell in (None, '') else example.id}",
        seed=None,
        n=0,
        question=example.question,
        text=text,
        answer=example.answer,
        verified=False,
    )


def number_equal_ids(rows: list[Row]) -> tuple[Row, ...]:
    """Rows of equal content have equal ids: the second one's ends in -2."""
    counts: Counter[tuple[str, str, str]] = Counter()
    numbered = []
    for row in rows:
        content = (row.id, row.question, row.text)
        counts[content] += 1
        n = counts[content]
        numbered.append(row if n == 1 else replace(row, id=f"{row.id}-{n}"))
    return tuple(numbered)
