"""Rows the user already has: a run starts from them, or the pool teacher hands them out."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from ..errors import DataError
from ..types import Example, Row
from .conflicts import conflict_note, drop_conflicts
from .jsonl_file import read_jsonl
from .keys import text_key
from .table import ExampleColumns, example_from_row


def read_existing_rows(
    path: Path,
    target: Callable[[Example], str | None],
    on_note: Callable[[str], None] = lambda note: None,
) -> tuple[Row, ...]:
    """Reads a JSONL file of questions and texts to train on, in an order of their contents.

    The text is the column `text`, or else the task's `target` of solution and answer. Rows that
    answer the same question differently are left out, and on_note(text) says so. Raises DataError
    for a row with neither text nor answer.
    """
    lines = enumerate(read_jsonl(path), start=1)
    rows = [existing_row(path, line, row, target) for line, row in lines]
    rows, dropped = drop_conflicts(rows, text_key)
    if dropped:
        on_note(conflict_note(dropped, str(path)))
    rows.sort(key=lambda row: (row.question, row.text, row.id, row.answer or ""))
    return number_equal_ids(rows)


def existing_row(
    path: Path,
    line: int,
    row: Mapping[str, object],
    target: Callable[[Example], str | None],
) -> Row:
    where = f"{path}, row {line}"
    example = example_from_row(row, where, path.stem, ExampleColumns())
    text = row.get("text")
    if not isinstance(text, str):
        text = target(example)
    if text is None:
        raise DataError(
            f"{where}: nothing to train on",
            got=f"the columns {', '.join(sorted(row))}",
            allowed="text, or solution, or answer",
        )
    has_own_id = row.get("id") not in (None, "")
    content = f"{example.question}\0{text}".encode("utf-8", "replace")
    own_id = f"{path.stem}-{sha256(content).hexdigest()[:12]}"
    return Row(
        id=f"given-{example.id if has_own_id else own_id}",
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
