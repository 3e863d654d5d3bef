"""`files`: a task of the user's own rows, in files of any common format."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from ..files.rows import read_rows
from ..types import Example, ImportFunction, Row, Task
from .existing_rows import read_existing_rows
from .splits import unique_in_hash_order
from .table import examples_from_file
from .table_settings import (
    TableSettings,
    find_columns,
    load_table,
    with_grader_settings,
)


class _FileTaskSettings(TableSettings):
    """Rows with at least a question: JSONL, JSON, CSV, TSV, Parquet or Arrow, packed or not."""

    # "jsonl" is its former name.
    name: Literal["files", "jsonl"]
    # A file, a folder, or a pattern such as data/train-*.parquet. So are dev and test.
    seeds: Path
    dev: Path | None = None
    test: Path | None = None


FileTaskSettings = with_grader_settings(_FileTaskSettings, __name__)


def load_file_task(
    settings: _FileTaskSettings, import_function: ImportFunction
) -> Task:
    notes: list[str] = []
    read = partial(read_file_examples, settings, on_note=notes.append)
    return load_table(settings, read, import_function, notes)


def read_file_examples(
    settings: _FileTaskSettings,
    path: Path,
    on_note: Callable[[str], None] = lambda note: None,
) -> list[Example]:
    """on_note(text): how the file was read, where that isn't the usual way."""
    file = read_rows(path)
    for note in file.notes:
        on_note(note)
    return examples_from_file(file, str(path), settings.columns)


def read_reserve(
    path: Path,
    settings: object,
    task: Task,
    on_note: Callable[[str], None] = lambda note: None,
) -> tuple[Row, ...]:
    """Rows that the pool teacher may hand out. on_note(text): which rows were left out.

    The task's own file is read by the task's columns: each exercise once, and rows without
    anything to train on are left out.
    """
    if not isinstance(settings, _FileTaskSettings) or path != settings.seeds:
        columns = find_columns(settings)
        return read_existing_rows(path, task.target, on_note, columns)
    rows = []
    for example in unique_in_hash_order(read_file_examples(settings, path), task.key):
        text = task.target(example)
        if text:
            row_id = f"given-{example.id}"
            rows.append(
                Row(row_id, None, 0, example.question, text, example.answer, False)
            )
    return tuple(rows)
