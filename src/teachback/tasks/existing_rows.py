"""Rows the user already has: a run starts from them, or the pool teacher hands them out."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import DataError
from ..types import Example, Row
from .jsonl_file import read_jsonl
from .table import ExampleColumns, example_from_row


def read_existing_rows(
    path: Path,
    target: Callable[[Example], str | None],
) -> tuple[Row, ...]:
    """Reads a JSONL file of questions and texts to train on.

    The text is the column `text`, or else the task's `target` of solution and answer. Raises
    DataError for a row with neither.
    """
    rows = enumerate(read_jsonl(path), start=1)
    return tuple(existing_row(path, line, row, target) for line, row in rows)


def existing_row(
    path: Path,
    line: int,
    row: Mapping[str, object],
    target: Callable[[Example], str | None],
) -> Row:
    where = f"{path}, row {line}"
    with_id = {"id": f"{path.stem}-{line}", **row}
    example = example_from_row(with_id, where, path.stem, ExampleColumns())
    text = row.get("text")
    if not isinstance(text, str):
        text = target(example)
    if text is None:
        raise DataError(
            f"{where}: nothing to train on",
            got=f"the columns {', '.join(sorted(row))}",
            allowed="text, or solution, or answer",
        )
    return Row(
        id=f"given-{example.id}",
        seed=None,
        n=0,
        question=example.question,
        text=text,
        answer=example.answer,
        verified=False,
    )
