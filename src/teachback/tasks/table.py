"""Rows with named columns, from a JSONL file or the Hub, as examples."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..graders.final import final_answer
from ..types import Example, Scalar
from .keys import text_key


@dataclass(frozen=True)
class Columns:
    """The columns' names. meta: those that go into Example.meta, beside what an object in a column "meta" holds.

    Where a row has no answer of its own, it is the final answer of its solution, if that names one.
    """

    question: str = "question"
    answer: str | None = "answer"
    solution: str | None = "solution"
    id: str | None = "id"
    meta: tuple[str, ...] = ()


def examples(
    rows: Sequence[Mapping[str, object]], source: str, columns: Columns
) -> list[Example]:
    """source: the file or data set, for errors and for the ids of rows that have none."""
    found = [
        example(row, f"{source}, row {n}", source, columns)
        for n, row in enumerate(rows, 1)
    ]
    if not found:
        raise DataError(f"{source} has no rows", allowed="at least one question")
    given = Counter(
        e.id for e, row in zip(found, rows, strict=True) if columns.id in row
    )
    if twice := [id for id, n in given.items() if n > 1]:
        raise DataError(
            f"{source} has the id {twice[0]!r} twice",
            allowed="ids that occur once",
            fix=f"make the column {columns.id!r} unique, or remove it",
        )
    return found


def example(
    row: Mapping[str, object], where: str, source: str, columns: Columns
) -> Example:
    question = row.get(columns.question)
    if not isinstance(question, str) or not question.strip():
        raise DataError(
            f"{where}: no question in the column {columns.question!r}",
            got=repr(question)[:80]
            if columns.question in row
            else f"the columns {', '.join(sorted(row))}",
            fix="name the column with task.question",
        )
    solution = text_of(row, columns.solution, where)
    answer = text_of(row, columns.answer, where)
    if answer is None and solution is not None:
        answer = final_answer(solution)
    id = (
        text_of(row, columns.id, where)
        or f"{Path(source).stem}-{text_key(question)[:12]}"
    )
    inner = row.get("meta")
    chosen = {name: row[name] for name in columns.meta if name in row}
    return Example(
        id,
        question,
        answer,
        solution,
        scalars({**(inner if isinstance(inner, Mapping) else {}), **chosen}),
    )


def text_of(row: Mapping[str, object], column: str | None, where: str) -> str | None:
    value = row.get(column) if column is not None else None
    if isinstance(value, list | dict):
        raise DataError(
            f"{where}: the column {column!r} is no text",
            got=repr(value)[:80],
            allowed="a text, a number, true or false",
        )
    return None if value is None else str(value)


def scalars(meta: Mapping[str, object]) -> dict[str, Scalar]:
    return {
        str(k): v
        for k, v in meta.items()
        if v is None or isinstance(v, str | int | float | bool)
    }
