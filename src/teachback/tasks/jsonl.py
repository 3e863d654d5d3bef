"""`jsonl`: a task of the user's own rows in JSONL files."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from ..types import Example, ImportFunction, Row, Task
from .existing_rows import read_existing_rows
from .jsonl_file import read_jsonl
from .splits import unique_in_hash_order
from .table import examples_from_rows
from .table_settings import TableSettings, load_table, with_grader_settings


class _JsonlSettings(TableSettings):
    """One JSON object a line, with at least a question."""

    name: Literal["jsonl"]
    seeds: Path
    dev: Path | None = None
    test: Path | None = None


JsonlSettings = with_grader_settings(_JsonlSettings, __name__)


def load_jsonl(settings: _JsonlSettings, import_function: ImportFunction) -> Task:
    return load_table(settings, partial(read_jsonl_examples, settings), import_function)


def read_jsonl_examples(settings: _JsonlSettings, path: Path) -> list[Example]:
    return examples_from_rows(read_jsonl(path), str(path), settings.columns)


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
    if not isinstance(settings, _JsonlSettings) or path != settings.seeds:
        return read_existing_rows(path, task.target, on_note)
    rows = []
    for example in unique_in_hash_order(read_jsonl_examples(settings, path), task.key):
        text = task.target(example)
        if text:
            row_id = f"given-{example.id}"
            rows.append(
                Row(row_id, None, 0, example.question, text, example.answer, False)
            )
    return tuple(rows)
