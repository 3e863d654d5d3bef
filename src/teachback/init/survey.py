"""Reads a user's file, and the files beside it that may serve as dev and test."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError
from ..tasks.jsonl_file import read_jsonl
from ..tasks.table import ExampleColumns, examples_from_rows
from ..types import Example
from .columns import JsonRow, guess_columns, list_columns

# How files are called by the split that they hold, in order of preference.
TRAIN_FILE_NAMES = ("train", "training")
DEV_FILE_NAMES = ("dev", "validation", "valid", "val", "eval")
TEST_FILE_NAMES = ("test",)
# As a word of its own in the file's name: "latest.jsonl" is no test set.
SPLIT_IN_FILE_NAME = re.compile(
    rf"(?<![a-z])(?:{'|'.join((*TRAIN_FILE_NAMES, *DEV_FILE_NAMES, *TEST_FILE_NAMES))})"
    r"(?![a-z])",
    re.IGNORECASE,
)
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

    path: Path
    # Without meta.
    columns: ExampleColumns
    # The columns that have a value in any row.
    filled_columns: tuple[str, ...]
    # Their meta holds every column that has no role, as far as its values are scalars.
    examples: tuple[Example, ...]
    # None: no file beside it that can be used.
    dev: HeldOutFile | None = None
    test: HeldOutFile | None = None
    # Remarks for a person to read.
    notes: tuple[str, ...] = ()

    @property
    def answered_examples(self) -> list[Example]:
        """The file's rows that have an answer; without any, the rows of the files beside it."""
        own_examples = [e for e in self.examples if e.answer is not None]
        if own_examples:
            return own_examples
        held_out_files = [file for file in (self.dev, self.test) if file is not None]
        return [example for file in held_out_files for example in file.examples]


def survey_file(
    path: Path, question: str | None = None, answer: str | None = None
) -> Survey:
    """question, answer: the names of these columns; None: guessed.

    Raises DataError for a file that can't be read, is empty, or has no question.
    """
    rows = read_jsonl(path)
    guess = guess_columns(rows, str(path), question, answer)
    columns = with_meta_columns(guess.columns, rows)
    examples = tuple(examples_from_rows(rows, str(path), columns))
    filled = dict.fromkeys(n for row in rows for n in row if row[n] is not None)
    dev, dev_notes = find_held_out_file(path, DEV_FILE_NAMES, columns)
    test, test_notes = find_held_out_file(path, TEST_FILE_NAMES, columns)
    return Survey(
        path=path,
        columns=guess.columns,
        filled_columns=tuple(filled),
        examples=examples,
        dev=dev,
        test=test,
        notes=(*guess.notes, *dev_notes, *test_notes, *file_name_notes(path)),
    )


def with_meta_columns(
    columns: ExampleColumns, rows: Sequence[JsonRow]
) -> ExampleColumns:
    """Adds every column without a role as meta. Reading drops values that are no scalars."""
    # An object in a column "meta" is read anyway.
    role_names = (
        columns.question,
        columns.answer,
        columns.solution,
        columns.id,
        "meta",
    )
    meta = tuple(name for name in list_columns(rows) if name not in role_names)
    return replace(columns, meta=meta)


def find_held_out_file(
    path: Path, split_names: Sequence[str], columns: ExampleColumns
) -> tuple[HeldOutFile | None, tuple[str, ...]]:
    """The first file beside `path` that is named for this split, and notes for the user.

    None where there is none, or the first can't be used as it is.
    """
    for other_path in held_out_paths(path, split_names):
        if other_path.is_file():
            return read_held_out_file(other_path, columns)
    return None, ()


def read_held_out_file(
    path: Path, columns: ExampleColumns
) -> tuple[HeldOutFile | None, tuple[str, ...]]:
    """The file, or None and a note with the reason. columns: as in the user's own file."""
    try:
        examples = tuple(examples_from_rows(read_jsonl(path), str(path), columns))
    except DataError as error:
        return None, (unused_file_note(path, first_line(error)),)
    n_unanswered = sum(e.answer is None for e in examples)
    if n_unanswered:
        reason = f"{n_unanswered:,} rows without an answer"
        return None, (unused_file_note(path, reason),)
    if len(examples) < MIN_HELD_OUT_ROWS:
        return None, (unused_file_note(path, f"only {len(examples)} rows"),)
    return HeldOutFile(path, examples), ()


def held_out_paths(path: Path, split_names: Sequence[str]) -> list[Path]:
    """Where a split of `path` may lie.

    my_train.jsonl → my_test.jsonl; my.jsonl → my_test.jsonl, my-test.jsonl, my.test.jsonl. None
    for a file that is itself named for dev or test.
    """
    stem, suffix = path.stem, path.suffix
    matches = list(SPLIT_IN_FILE_NAME.finditer(stem))
    if not matches:
        return [
            path.with_name(f"{stem}{separator}{split}{suffix}")
            for split in split_names
            for separator in "_-."
        ]
    last = matches[-1]
    if last[0].lower() not in TRAIN_FILE_NAMES:
        return []
    before, after = stem[: last.start()], stem[last.end() :]
    return [path.with_name(before + split + after + suffix) for split in split_names]


def file_name_notes(path: Path) -> tuple[str, ...]:
    """A warning about a file that is named for dev or test."""
    splits = SPLIT_IN_FILE_NAME.findall(path.stem)
    if not splits or splits[-1].lower() in TRAIN_FILE_NAMES:
        return ()
    return (
        f"by its name {path.name} is for measuring: what is trained on here can't be measured "
        "on it any more",
    )


def unused_file_note(path: Path, reason: str) -> str:
    return f"{path.name} lies beside it and is not used: {reason}"


def first_line(error: DataError) -> str:
    """What is wrong, without what was got, what is allowed and the fix."""
    return str(error).splitlines()[0]
