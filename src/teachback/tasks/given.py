"""Rows one already has: to start from, or for the pool teacher to hand out."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import DataError
from ..types import Example, Row
from .jsonl_file import read_jsonl
from .table import Columns, example


def given_rows(path: Path, target: Callable[[Example], str | None]) -> tuple[Row, ...]:
    """question, and the text to train on: `text`, or else what the task's `target` makes of solution and answer."""
    return tuple(
        given_row(path, line, row, target)
        for line, row in enumerate(read_jsonl(path), 1)
    )


def given_row(
    path: Path,
    line: int,
    row: Mapping[str, object],
    target: Callable[[Example], str | None],
) -> Row:
    e = example(
        {"id": f"{path.stem}-{line}", **row},
        f"{path}, row {line}",
        path.stem,
        Columns(),
    )
    text = row.get("text")
    if not isinstance(text, str):
        text = target(e)
    if text is None:
        raise DataError(
            f"{path}, row {line}: nothing to train on",
            got=f"the columns {', '.join(sorted(row))}",
            allowed="text, or solution, or answer",
        )
    return Row(f"given-{e.id}", None, 0, e.question, text, e.answer, verified=False)
