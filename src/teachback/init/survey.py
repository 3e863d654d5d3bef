"""What a file holds, and which files beside it may serve as dev and test."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError
from ..tasks.jsonl_file import read_jsonl
from ..tasks.table import ExampleColumns, examples_from_rows
from ..types import Example
from .columns import Found, Row, find

TRAIN = ("train", "training")
DEV = ("dev", "validation", "valid", "val", "eval")
TEST = ("test",)
PART = re.compile(
    rf"(?<![a-z])(?:{'|'.join((*TRAIN, *DEV, *TEST))})(?![a-z])", re.IGNORECASE
)
FEWEST = 10  # rows of a file for dev or test


@dataclass(frozen=True, eq=False)
class Held:
    """A file of its own for dev or test."""

    path: Path
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Survey:
    """columns: by their use. named: all that hold anything.

    Every scalar column is in the examples' meta.
    """

    path: Path
    columns: ExampleColumns
    named: tuple[str, ...]
    examples: tuple[Example, ...]
    dev: Held | None = None
    test: Held | None = None
    notes: tuple[str, ...] = ()

    @property
    def answered(self) -> list[Example]:
        """The file's rows that have an answer; those of the files beside it if it has none."""
        own = [e for e in self.examples if e.answer is not None]
        return own or [
            e for held in (self.dev, self.test) if held for e in held.examples
        ]


def look(path: Path, question: str | None = None, answer: str | None = None) -> Survey:
    """Raises DataError for a file that can't be read, is empty, or has no question."""
    rows = read_jsonl(path)
    found = find(rows, str(path), question, answer)
    wide = with_meta(found, rows)
    own = tuple(examples_from_rows(rows, str(path), wide))
    dev, dev_notes = beside(path, DEV, wide)
    test, test_notes = beside(path, TEST, wide)
    notes = (*found.notes, *dev_notes, *test_notes, *misnamed(path))
    return Survey(
        path,
        found.columns,
        tuple({n: None for row in rows for n in row if row[n] is not None}),
        own,
        dev,
        test,
        notes,
    )


def with_meta(found: Found, rows: Sequence[Row]) -> ExampleColumns:
    """The columns, with every other one as meta; what is no scalar is left out as it is read."""
    c = found.columns
    used = (c.question, c.answer, c.solution, c.id, "meta")
    return replace(
        c, meta=tuple({name: None for row in rows for name in row if name not in used})
    )


def beside(
    path: Path, parts: Sequence[str], columns: ExampleColumns
) -> tuple[Held | None, tuple[str, ...]]:
    """The first file in the same folder that goes by the same name for another part, if it can be
    used as it is.
    """
    for other in names(path, parts):
        if not other.is_file():
            continue
        try:
            read = tuple(examples_from_rows(read_jsonl(other), str(other), columns))
        except DataError as error:
            return None, (
                f"{other.name} lies beside it and is not used: {str(error).splitlines()[0]}",
            )
        unanswered = sum(e.answer is None for e in read)
        if unanswered or len(read) < FEWEST:
            why = (
                f"{unanswered:,} rows without an answer"
                if unanswered
                else f"only {len(read)} rows"
            )
            return None, (f"{other.name} lies beside it and is not used: {why}",)
        return Held(other, read), ()
    return None, ()


def names(path: Path, parts: Sequence[str]) -> list[Path]:
    """x_train.jsonl → x_test.jsonl; x.jsonl → x_test.jsonl, x-test.jsonl; none for a file that is
    a dev or test.
    """
    found = [*PART.finditer(path.stem)]
    if not found:
        return [
            path.with_name(f"{path.stem}{sign}{part}{path.suffix}")
            for part in parts
            for sign in "_-."
        ]
    last = found[-1]
    if last[0].lower() not in TRAIN:
        return []
    return [
        path.with_name(
            path.stem[: last.start()] + part + path.stem[last.end() :] + path.suffix
        )
        for part in parts
    ]


def misnamed(path: Path) -> tuple[str, ...]:
    found = [m[0] for m in PART.finditer(path.stem)]
    if not found or found[-1].lower() in TRAIN:
        return ()
    return (
        f"by its name {path.name} is for measuring: what is trained on here can't be measured "
        "on it any more",
    )
