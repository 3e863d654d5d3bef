"""Reads tables of text: CSV, TSV and their kin, with any separator. Cells stay as written."""

import csv
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import DataError
from .encodings import decode_table
from .source_rows import FileRow, SourceRows

SEPARATORS = (",", "\t", ";", "|", "\x1f", "\x01", "^", "~")
SEPARATOR_TITLES = {"\t": "tabs", "\x1f": "unit separators", "\x01": "Ctrl-A"}
# How cells are quoted, as arguments of csv.reader: the first that fits the whole file counts.
QUOTINGS: tuple[Mapping[str, Any], ...] = (
    {"quotechar": "'", "doublequote": True},
    {"quotechar": '"', "doublequote": True},
    {"quotechar": '"', "doublequote": True, "skipinitialspace": True},
    {"quotechar": '"', "doublequote": False, "escapechar": "\\"},
    {"quoting": csv.QUOTE_NONE},
)
# Records by which separators are compared.
SAMPLE_RECORDS = 200
# In place of a number of cells.
NOT_CSV = 0
# Longer names of columns are texts: the file has no line of names.
MAX_NAME_CHARS = 100

Dialect = Mapping[str, Any]
# The line on which it begins, and its cells.
CsvRecord = tuple[int, list[str]]


def read_csv(content: bytes, path: Path) -> SourceRows:
    """The first line names the columns. An empty cell is None; all others are texts.

    Raises DataError for another number of cells than names, for no names, and for an encoding
    that can't be told.
    """
    text, notes = decode_table(content, path)
    text, separators = split_separator_line(text)
    # One stream, as making it copies the text. newline="": a line break in quotes stays.
    stream = StringIO(text, newline="")
    dialects = rank_dialects(stream, separators)
    first_error: DataError | None = None
    for dialect in dialects:
        try:
            rows, lines = read_table(stream, dialect, path)
        except DataError as error:
            first_error = first_error or error
        else:
            return SourceRows(
                path, rows, lines, (*notes, *dialect_notes(dialect, path))
            )
    raise first_error or DataError(
        f"{path} has no rows", allowed="at least one question"
    )


def split_separator_line(text: str) -> tuple[str, Sequence[str]]:
    """Excel's first line "sep=;" names the separator."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        # A blank line in its place keeps the line numbers.
        return f"\n{rest}", (first.strip()[-1],)
    return text, SEPARATORS


def rank_dialects(stream: StringIO, separators: Sequence[str]) -> list[Dialect]:
    """The dialects that read a sample into as many cells as names, the most cells first.

    Where none does, that with the most names, for the error. Only where no separator finds several
    names is the file a single column.
    """
    text = stream.getvalue()
    quotings = [quoting for quoting in QUOTINGS if is_quoting_used(quoting, text)]
    ranked: list[tuple[bool, int, int, Dialect]] = []
    for separator in separators:
        for number, quoting in enumerate(quotings):
            dialect = {"delimiter": separator, **quoting}
            widths = sample_widths(stream, dialect)
            if widths:
                is_even = len(set(widths)) == 1
                ranked.append((not is_even, -widths[0], number, dialect))
    ranked.sort(key=lambda entry: entry[:3])
    several = [entry for entry in ranked if entry[1] < -1]
    even = [dialect for is_uneven, *_, dialect in several or ranked if not is_uneven]
    return even or [dialect for *_, dialect in (several or ranked)[:1]]


def is_quoting_used(quoting: Dialect, text: str) -> bool:
    """Whether the file shows that it was written so. The rarer ways would misread other files."""
    if quoting.get("escapechar"):
        return '\\"' in text
    if quoting.get("quotechar") == "'":
        return text.lstrip().startswith("'")
    return True


def sample_widths(stream: StringIO, dialect: Dialect) -> list[int]:
    """Cells of the first records; without empty ones at the end, which the names lack too.

    NOT_CSV at the end, where the dialect can't read on.
    """
    widths: list[int] = []
    try:
        for _, cells in islice(iterate_records(stream, dialect), SAMPLE_RECORDS):
            if not widths:
                cells = trim_names(cells)
            widths.append(record_width(cells, widths[0]) if widths else len(cells))
    except csv.Error:
        widths.append(NOT_CSV)
    return widths


def record_width(cells: Sequence[str], width: int) -> int:
    return width if not any(cells[width:]) and len(cells) >= width else len(cells)


def trim_names(names: Sequence[str]) -> list[str]:
    """Without empty names at the end, which come of a separator at the end of each line."""
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    return names


def read_table(
    stream: StringIO, dialect: Dialect, path: Path
) -> tuple[list[FileRow], "array[int]"]:
    """Raises DataError for what doesn't fit the dialect."""
    rows: list[FileRow] = []
    lines = array("q")
    names: list[str] | None = None
    line = 0
    try:
        for line, cells in iterate_records(stream, dialect):
            if names is None:
                names = check_names(trim_names(cells), path, line)
                continue
            if record_width(cells, len(names)) != len(names):
                raise width_error(path, line, cells, names, dialect)
            values = (cell or None for cell in cells)
            rows.append(dict(zip(names, values, strict=False)))
            lines.append(line)
    except csv.Error as error:
        raise DataError(
            f"{path}, line {line + 1} or below: not CSV",
            got=error,
            allowed='cells in double quotes, with "" for a quote in them',
            fix="save it again as CSV, or as JSONL",
        ) from error
    return rows, lines


def iterate_records(stream: StringIO, dialect: Dialect) -> Iterator[CsvRecord]:
    """Without blank lines. Raises csv.Error."""
    stream.seek(0)
    with any_cell_size():
        reader = csv.reader(stream, strict=True, **dialect)
        line = 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1


@contextmanager
def any_cell_size() -> Iterator[None]:
    """csv refuses cells of more than 131,072 characters; its limit is one for the process."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def check_names(names: list[str], path: Path, line: int) -> list[str]:
    """Raises DataError for two equal names, and for cells that look like a row."""
    # pandas writes its row numbers under an empty name.
    names = [name or f"column {n}" for n, name in enumerate(names, start=1)]
    repeated = [name for n, name in enumerate(names) if name in names[:n]]
    if repeated:
        raise DataError(
            f"{path}, line {line}: the name {repeated[0]!r} stands there twice",
            fix="give each column a name of its own",
        )
    if any(len(name) > MAX_NAME_CHARS or could_be_number(name) for name in names):
        raise DataError(
            f"{path}, line {line}: holds no names of columns",
            got=", ".join(name[:40] for name in names[:6]),
            fix="put a first line with names there, such as question,answer",
        )
    return names


def could_be_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def width_error(
    path: Path, line: int, cells: Sequence[str], names: Iterable[str], dialect: Dialect
) -> DataError:
    all_names = list(names)
    separator = describe_separator(dialect)
    return DataError(
        f"{path}, line {line}: another number of cells than names",
        got=f"{len(cells)} cells, separated by {separator}: {', '.join(cells)[:80]}",
        allowed=f"{len(all_names)} cells: {', '.join(all_names)[:80]}",
        fix="put quotes around a cell that holds the separator or a line break",
    )


def describe_separator(dialect: Dialect) -> str:
    separator = dialect["delimiter"]
    return SEPARATOR_TITLES.get(separator, repr(separator))


def dialect_notes(dialect: Dialect, path: Path) -> tuple[str, ...]:
    """What is unusual: another separator than a comma, other quotes than double ones."""
    notes = []
    is_usual = dialect["delimiter"] in (",", "\t")
    if not is_usual:
        notes.append(
            f"{path.name}: cells are separated by {describe_separator(dialect)}"
        )
    if dialect.get("quotechar") == "'":
        notes.append(f"{path.name}: cells are quoted with '")
    if dialect.get("quoting") == csv.QUOTE_NONE:
        notes.append(f"{path.name}: quotes are part of the cells, as they stand")
    if dialect.get("escapechar"):
        notes.append(f"{path.name}: \\ stands before quotes within cells")
    return tuple(notes)
