"""Reads a user's rows, and the files beside them that may serve as dev and test."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import DataError
from ..files.rows import FileRows
from ..files.source_rows import FileRow
from ..tasks.cells import split_path
from ..tasks.table import ExampleColumns, examples_from_file
from ..types import Example
from .columns import NO_PICKS, guess_columns, list_column_names
from .picks import ColumnPicks
from .row_source import RowSource, find_source

# With fewer rows, a file for dev or test measures nothing.
MIN_HELD_OUT_ROWS = 10


@dataclass(frozen=True)
class HeldOutFile:
    """A file that holds dev or test alone."""

    path: Path
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Survey:
    """What a user's file holds."""

    source: RowSource
    # Without meta.
    columns: ExampleColumns
    # The columns that have a value in any row.
    filled_columns: tuple[str, ...]
    # Their meta holds every column that has no role, as far as its values are scalars.
    examples: tuple[Example, ...] = field(repr=False)
    # Of the guess of the columns: see there.
    shared_text: str | None = None
    has_shared_passages: bool = False
    shape: str = ""
    # None: no file beside it that can be used.
    dev: HeldOutFile | None = None
    test: HeldOutFile | None = None
    # Remarks for a person to read.
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """As the user gave it, for errors."""
        return self.source.path

    @property
    def answered_examples(self) -> list[Example]:
        """The file's rows that have an answer; without any, the rows of the files beside it."""
        own_examples = [e for e in self.examples if e.answer is not None]
        if own_examples:
            return own_examples
        held_out_files = [file for file in (self.dev, self.test) if file is not None]
        return [example for file in held_out_files for example in file.examples]


def survey_file(
    path: Path, picks: ColumnPicks = NO_PICKS, subset: str | None = None
) -> Survey:
    """picks: the columns that the user named. subset: of a data set on the Hub.

    Raises DataError for rows that can't be read or mapped, and for none.
    """
    source = find_source(path, subset)
    file = source.read(source.seeds)
    rows = file.rows
    guess = guess_columns(rows, str(path), picks)
    columns = with_meta_columns(guess.columns, rows)
    examples = tuple(examples_from_file(file, str(source.seeds), columns))
    filled = dict.fromkeys(n for row in rows for n in row if row[n] is not None)
    dev, dev_notes = find_held_out_file(source, source.dev, columns)
    test, test_notes = find_held_out_file(source, source.test, columns)
    return Survey(
        source=source,
        columns=guess.columns,
        filled_columns=tuple(filled),
        examples=examples,
        shared_text=guess.shared_text,
        has_shared_passages=guess.has_shared_passages,
        shape=guess.shape,
        dev=dev,
        test=test,
        notes=(*file.notes, *guess.notes, *dev_notes, *test_notes, *source.notes),
    )


def with_meta_columns(
    columns: ExampleColumns, rows: Sequence[FileRow]
) -> ExampleColumns:
    """Adds every column without a role as meta. Reading drops values that are no scalars."""
    paths = [*columns.question_parts, *columns.options]
    paths += [path for path in (columns.answer, columns.solution, columns.id) if path]
    # An object in a column "meta" is read anyway.
    role_names = {"meta"}
    for path in paths:
        plain = path.removesuffix("?")
        role_names |= {path, plain, *(name for name, _ in split_path(plain))}
    meta = [name for name in list_column_names(rows) if name not in role_names]
    return replace(columns, meta=tuple(meta))


def find_held_out_file(
    source: RowSource, places: Sequence[Path], columns: ExampleColumns
) -> tuple[HeldOutFile | None, tuple[str, ...]]:
    """The first of the places that is there, and notes for the user.

    None where there is none, or the first can't be used as it is.
    """
    for place in places:
        if source.exists(place):
            return read_held_out_file(source, place, columns)
    return None, ()


def read_held_out_file(
    source: RowSource, path: Path, columns: ExampleColumns
) -> tuple[HeldOutFile | None, tuple[str, ...]]:
    """The file, or None and a note with the reason. columns: as in the user's own file."""
    try:
        file: FileRows = source.read(path)
        examples = tuple(examples_from_file(file, str(path), columns))
    except DataError as error:
        return None, (unused_file_note(path, first_line(error)),)
    n_unanswered = sum(e.answer is None for e in examples)
    if n_unanswered:
        reason = f"{n_unanswered:,} rows without an answer"
        return None, (unused_file_note(path, reason),)
    if len(examples) < MIN_HELD_OUT_ROWS:
        return None, (unused_file_note(path, f"only {len(examples)} rows"),)
    return HeldOutFile(path, examples), ()


def unused_file_note(path: Path, reason: str) -> str:
    return f"{path.name} lies beside it and is not used: {reason}"


def first_line(error: DataError) -> str:
    """What is wrong, without what was got, what is allowed and the fix."""
    return str(error).splitlines()[0]
